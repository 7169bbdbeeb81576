/* group_norm, layer_norm, rms_norm: gamma and beta in f32. */
#include "engine/backend/cuda/kernel.h"

static df_code prepare_group_norm(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    (void)err;
    df_shape s = df_cuda_out_shape(k);
    int64_t channels = df_cuda_last_dim(s), positions = df_shape_elements(s) / channels;
    *scratch_bytes = df_cuda_group_norm_scratch_bytes(n_rows, positions, channels, k->node->attr.norm.groups);
    return DF_OK;
}

static df_code run_group_norm(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    const df_op_attr *a = &k->node->attr;
    return df_cuda_launched(df_cuda_group_norm(c->dtype, r->out, r->in[0], k->weight[0], k->weight[1], r->n_rows,
                                               r->positions, r->channels, a->norm.groups, a->norm.eps, k->node->act,
                                               r->scratch, c->stream),
                            err);
}

static df_code run_layer_norm(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    return df_cuda_launched(df_cuda_layer_norm(c->dtype, r->out, r->in[0], k->weight[0], k->weight[1],
                                               r->n_rows * r->positions, r->channels, k->node->attr.norm.eps,
                                               k->node->act, c->stream),
                            err);
}

static df_code run_rms_norm(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    return df_cuda_launched(df_cuda_rms_norm(c->dtype, r->out, r->in[0], k->weight[0], r->n_rows * r->positions,
                                             r->channels, k->node->attr.norm.eps, c->stream),
                            err);
}

const df_cuda_op df_cuda_op_group_norm = {
    .held = { DF_CUDA_IN_F32, DF_CUDA_IN_F32 }, .prepare = prepare_group_norm, .run = run_group_norm, .does_act = true
};
const df_cuda_op df_cuda_op_layer_norm = { .held = { DF_CUDA_IN_F32, DF_CUDA_IN_F32 },
                                           .run = run_layer_norm,
                                           .does_act = true };
const df_cuda_op df_cuda_op_rms_norm = { .held = { DF_CUDA_IN_F32 }, .run = run_rms_norm };
