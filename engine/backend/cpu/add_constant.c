#include <stdlib.h>

#include "engine/backend/cpu/kernel.h"

/* Keeps [positions][D] of a row: all that is stored, or the centred crop of the stored grid, line by line. */
static df_code open_constant(df_kernel *k, const float *const *weights, df_err *err) {
    df_shape s = df_cpu_out_shape(k);
    int64_t grid_h = k->node->attr.constant.grid_h, grid_w = k->node->attr.constant.grid_w, d = df_cpu_last_dim(s);
    void *kept = k->state = malloc((size_t)df_shape_elements(s) * k->ctx->unit);
    if (!kept) return df_err_set(err, DF_ENOMEM, "add_constant");
    int64_t lines = grid_h ? s.dim[0] : 1, line = df_shape_elements(s) / lines;
    const float *from = weights[0];
    if (grid_h) from += ((grid_h - s.dim[0]) / 2 * grid_w + (grid_w - s.dim[1]) / 2) * d;
    for (int64_t i = 0; i < lines; i++)
        for (int64_t j = 0; j < line; j++)
            df_dtype_store(k->ctx->dtype, kept, (size_t)(i * line + j), (double)from[i * grid_w * d + j]);
    return DF_OK;
}

static void add(const df_kernel *k, const df_cpu_run *r, int64_t row, int64_t first, int64_t n) {
    df_shape s = df_cpu_out_shape(k);
    int64_t c = df_cpu_last_dim(s);
    const df_cpu_ctx *x = k->ctx;
    x->simd->epilogue(df_cpu_to(x, r->out, first * c), df_cpu_from(x, r->in[0], first * c), n, c, NULL, DF_ACT_NONE,
                      df_cpu_from(x, k->state, first * c - row * df_shape_elements(s)));
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_cpu_each_span(k, r, add);
    return DF_OK;
}

const df_cpu_op df_cpu_add_constant = { .open = open_constant, .run = run };
