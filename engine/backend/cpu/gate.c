#include "engine/backend/cpu/kernel.h"

static void gate(const df_kernel *k, const df_cpu_run *r, int64_t row, int64_t first, int64_t n) {
    int64_t c = df_cpu_last_dim(df_cpu_out_shape(k));
    const float *x = r->in[0], *by = r->in[1];
    k->ctx->simd->gate(r->out + first * c, x + first * c, n, c, by + row * c,
                       r->residual ? r->residual + first * c : NULL);
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_cpu_each_span(k, r, gate);
    return DF_OK;
}

const df_cpu_op df_cpu_gate = { .run = run, .does_all = true };
