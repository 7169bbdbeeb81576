#include "engine/backend/cpu/kernel.h"

static void modulate(const df_kernel *k, const df_cpu_run *r, int64_t row, int64_t first, int64_t n) {
    int64_t c = df_cpu_last_dim(df_cpu_out_shape(k));
    const df_cpu_ctx *x = k->ctx;
    x->simd->modulate(df_cpu_to(x, r->out, first * c), df_cpu_from(x, r->in[0], first * c), n, c,
                      df_cpu_from(x, r->in[1], row * c), df_cpu_from(x, r->in[2], row * c));
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_cpu_each_span(k, r, modulate);
    return DF_OK;
}

const df_cpu_op df_cpu_modulate = { .run = run };
