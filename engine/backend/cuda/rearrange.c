/* concat, slice, both along tokens too, upsample_nearest, unpatchify. */
#include "engine/backend/cuda/kernel.h"

static df_code run_concat(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    int64_t a = df_cuda_last_dim(df_cuda_in_shape(k, 0)), b = r->channels - a;
    return df_cuda_launched(
        df_cuda_concat(c->dtype, r->out, r->in[0], a, r->in[1], b, r->n_rows * r->positions, c->stream), err);
}

static df_code run_concat_tokens(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    int64_t a = df_shape_elements(df_cuda_in_shape(k, 0)), b = r->positions * r->channels - a;
    return df_cuda_launched(df_cuda_concat(c->dtype, r->out, r->in[0], a, r->in[1], b, r->n_rows, c->stream), err);
}

static df_code run_slice(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    const df_op_attr *a = &k->node->attr;
    int64_t width = df_cuda_last_dim(df_cuda_in_shape(k, 0));
    return df_cuda_launched(df_cuda_slice(c->dtype, r->out, r->in[0], width, a->slice.first, a->slice.count,
                                          r->n_rows * r->positions, c->stream),
                            err);
}

static df_code run_slice_tokens(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    int64_t width = df_shape_elements(df_cuda_in_shape(k, 0)), first = k->node->attr.slice.first * r->channels;
    return df_cuda_launched(
        df_cuda_slice(c->dtype, r->out, r->in[0], width, first, r->positions * r->channels, r->n_rows, c->stream), err);
}

static df_code run_upsample(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    df_shape x = df_cuda_in_shape(k, 0), y = df_cuda_out_shape(k);
    return df_cuda_launched(df_cuda_upsample_nearest(c->dtype, r->out, r->in[0], r->n_rows, x.dim[0], x.dim[1],
                                                     y.dim[0], y.dim[1], r->channels, c->stream),
                            err);
}

static df_code run_unpatchify(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    const df_op_attr *a = &k->node->attr;
    return df_cuda_launched(df_cuda_unpatchify(c->dtype, r->out, r->in[0], r->n_rows, a->patch.h, a->patch.w,
                                               a->patch.patch, r->channels, c->stream),
                            err);
}

const df_cuda_op df_cuda_op_concat = { .run = run_concat };
const df_cuda_op df_cuda_op_concat_tokens = { .run = run_concat_tokens };
const df_cuda_op df_cuda_op_slice = { .run = run_slice };
const df_cuda_op df_cuda_op_slice_tokens = { .run = run_slice_tokens };
const df_cuda_op df_cuda_op_upsample_nearest = { .run = run_upsample };
const df_cuda_op df_cuda_op_unpatchify = { .run = run_unpatchify };
