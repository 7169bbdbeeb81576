/* add_channel, modulate, gate. */
#include "engine/backend/cuda/kernel.h"

static df_code run_add_channel(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    return df_cuda_launched(
        df_cuda_add_channel(c->dtype, r->out, r->in[0], r->in[1], r->n_rows, r->positions, r->channels, c->stream),
        err);
}

static df_code run_modulate(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    return df_cuda_launched(df_cuda_modulate(c->dtype, r->out, r->in[0], r->in[1], r->in[2], r->n_rows, r->positions,
                                             r->channels, c->stream),
                            err);
}

static df_code run_gate(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    return df_cuda_launched(df_cuda_gate(c->dtype, r->out, r->in[0], r->in[1], r->residual, r->n_rows, r->positions,
                                         r->channels, c->stream),
                            err);
}

const df_cuda_op df_cuda_op_add_channel = { .run = run_add_channel };
const df_cuda_op df_cuda_op_modulate = { .run = run_modulate };
const df_cuda_op df_cuda_op_gate = { .run = run_gate, .does_all = true };
