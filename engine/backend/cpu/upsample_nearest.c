#include <string.h>

#include "engine/backend/cpu/kernel.h"
#include "engine/graph/nearest.h"

/* One line of the result: whole channel vectors, copied. */
static void upsample_line(const df_cpu_ctx *ctx, void *y, const void *x, int64_t from_w, int64_t to_w, int64_t c) {
    for (int64_t j = 0; j < to_w; j++)
        memcpy(df_cpu_to(ctx, y, j * c), df_cpu_from(ctx, x, df_nearest_source(j, from_w, to_w) * c),
               (size_t)c * ctx->unit);
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_shape from = df_cpu_in_shape(k, 0), to = df_cpu_out_shape(k);
    int64_t h = from.dim[0], w = from.dim[1], c = from.dim[2], lines = r->n_rows * to.dim[0];
    const df_cpu_ctx *x = k->ctx;
    int parts = df_cpu_parts(x, lines * to.dim[1] * c);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(lines, parts, part, &begin, &end);
        for (int64_t l = begin; l < end; l++) {
            int64_t row = l / to.dim[0], i = df_nearest_source(l % to.dim[0], h, to.dim[0]);
            upsample_line(x, df_cpu_to(x, r->out, l * to.dim[1] * c), df_cpu_from(x, r->in[0], (row * h + i) * w * c),
                          w, to.dim[1], c);
        }
    }
    return DF_OK;
}

const df_cpu_op df_cpu_upsample_nearest = { .run = run };
