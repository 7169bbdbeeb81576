#include "engine/backend/cuda/kernel.h"

static df_code run_quantize(const df_kernel *k, const df_cuda_run *r, df_err *err) {
    const df_cuda_ctx *c = k->ctx;
    int64_t vocab = k->g->weights[k->node->weight[0]].shape.dim[0];
    return df_cuda_launched(df_cuda_quantize(c->dtype, r->out, r->in[0], k->weight[0], r->n_rows * r->positions,
                                             r->channels, vocab, c->stream),
                            err);
}

const df_cuda_op df_cuda_op_quantize = { .held = { DF_CUDA_IN_F32 }, .run = run_quantize };
