#include "engine/backend/cuda/rest.h"

df_code df_cuda_rest_run(const df_kernel *k, const df_cuda_rest *rest, const df_cuda_run *r, const void *x,
                         df_err *err) {
    const df_cuda_epilogue e = { .bias = rest->bias,
                                 .add_channel = rest->add_channel ? r->add_channel : NULL,
                                 .act = rest->act ? k->node->act : DF_ACT_NONE,
                                 .residual = rest->residual ? r->residual : NULL };
    if (!e.bias && !e.add_channel && e.act == DF_ACT_NONE && !e.residual && x == r->out) return DF_OK;
    return df_cuda_launched(
        df_cuda_apply_epilogue(k->ctx->dtype, r->out, x, &e, r->n_rows, r->positions, r->channels, k->ctx->stream),
        err);
}
