/* activation, add, mul, scale, geglu. */
#include "engine/backend/cuda/kernel.h"

static df_code run_activation(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    return df_cuda_launched(
        df_cuda_activation(c->dtype, r->out, r->in[0], df_cuda_elements(r), k->node->act, c->stream), err);
}

static df_code run_add(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    return df_cuda_launched(df_cuda_add(c->dtype, r->out, r->in[0], r->in[1], df_cuda_elements(r), c->stream), err);
}

static df_code run_mul(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    return df_cuda_launched(df_cuda_mul(c->dtype, r->out, r->in[0], r->in[1], df_cuda_elements(r), c->stream), err);
}

static df_code run_scale(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    const df_op_attr *a = &k->node->attr;
    return df_cuda_launched(
        df_cuda_scale(c->dtype, r->out, r->in[0], df_cuda_elements(r), a->affine.by, a->affine.plus, c->stream), err);
}

static df_code run_geglu(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    return df_cuda_launched(df_cuda_geglu(c->dtype, r->out, r->in[0], r->n_rows * r->positions, r->channels, c->stream),
                            err);
}

const df_cuda_op df_cuda_op_activation = { .run = run_activation, .does_act = true };
const df_cuda_op df_cuda_op_add = { .run = run_add };
const df_cuda_op df_cuda_op_mul = { .run = run_mul };
const df_cuda_op df_cuda_op_scale = { .run = run_scale };
const df_cuda_op df_cuda_op_geglu = { .run = run_geglu };
