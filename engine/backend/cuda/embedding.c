/* Tables: embedding, class_embedding, add_constant; and timestep_embedding. */
#include <stdlib.h>

#include "engine/backend/cuda/kernel.h"

static int64_t vocab(const df_kernel *k) {
    return k->g->weights[k->node->weight[0]].shape.dim[0];
}

/* The node's tag for ids that are in no table. */
static df_code open_ids(df_kernel *k, const float *const *weights, df_err *err) {
    (void)weights;
    int32_t *tag = k->state = calloc(1, sizeof *tag);
    if (!tag) return df_err_set(err, DF_ENOMEM, "a tag");
    return df_cuda_faults_add(k->ctx, tag, k->node->name, vocab(k), err);
}

static void close_ids(df_kernel *k) {
    free(k->state);
}

static df_code run_embedding(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    const int32_t *ids = r->in[0], *tag = k->state;
    int64_t tokens = r->positions;
    df_code rc =
        df_cuda_launched(df_cuda_check_ids(c->faults.noted, ids, r->n_rows * tokens, vocab(k), *tag, c->stream), err);
    return rc ? rc
              : df_cuda_launched(df_cuda_embedding(c->dtype, r->out, ids, k->weight[0], k->weight[1], r->n_rows, tokens,
                                                   r->channels, vocab(k), c->stream),
                                 err);
}

static df_code run_add_constant(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    df_shape s = df_cuda_out_shape(k);
    bool picture = s.rank == 3;
    int64_t h = picture ? s.dim[0] : 1, w = picture ? s.dim[1] : r->positions;
    return df_cuda_launched(df_cuda_add_constant(c->dtype, r->out, r->in[0], k->weight[0], r->n_rows, h, w, r->channels,
                                                 k->node->attr.constant.grid_h, k->node->attr.constant.grid_w,
                                                 c->stream),
                            err);
}

static df_code run_timestep(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    int64_t n = r->n_rows * df_shape_elements(df_cuda_in_shape(k, 0));
    return df_cuda_launched(
        df_cuda_timestep_embedding(c->dtype, r->out, r->in[0], n, &k->node->attr.timestep, c->stream), err);
}

const df_cuda_op df_cuda_op_embedding = { .held = { DF_CUDA_AS_ACTIVATIONS, DF_CUDA_AS_ACTIVATIONS },
                                          .open = open_ids,
                                          .close = close_ids,
                                          .run = run_embedding };
/* One token a row, and no positions. */
const df_cuda_op df_cuda_op_class_embedding = {
    .held = { DF_CUDA_AS_ACTIVATIONS }, .open = open_ids, .close = close_ids, .run = run_embedding
};
const df_cuda_op df_cuda_op_add_constant = { .held = { DF_CUDA_AS_ACTIVATIONS }, .run = run_add_constant };
const df_cuda_op df_cuda_op_timestep_embedding = { .run = run_timestep };
