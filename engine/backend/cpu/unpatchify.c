#include <string.h>

#include "engine/backend/cpu/kernel.h"

/* Line i of a picture: in it lies line i % p of each patch of a line of patches. */
static void copy_line(const df_cpu_ctx *ctx, void *y, const void *x, int64_t i, int64_t w, int64_t p, int64_t c) {
    int64_t first = (i / p * w * p + i % p) * p * c;
    for (int64_t j = 0; j < w; j++)
        memcpy(df_cpu_to(ctx, y, j * p * c), df_cpu_from(ctx, x, first + j * p * p * c), (size_t)(p * c) * ctx->unit);
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_shape s = df_cpu_out_shape(k);
    int64_t p = k->node->attr.patch.patch, w = k->node->attr.patch.w, c = s.dim[2], lines = r->n_rows * s.dim[0];
    int64_t row_elements = df_shape_elements(s), line = s.dim[1] * c;
    const df_cpu_ctx *x = k->ctx;
    int parts = df_cpu_parts(x, r->n_rows * row_elements);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(lines, parts, part, &begin, &end);
        for (int64_t l = begin; l < end; l++)
            copy_line(x, df_cpu_to(x, r->out, l * line), df_cpu_from(x, r->in[0], l / s.dim[0] * row_elements),
                      l % s.dim[0], w, p, c);
    }
    return DF_OK;
}

const df_cpu_op df_cpu_unpatchify = { .run = run };
