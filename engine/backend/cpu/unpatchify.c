#include <string.h>

#include "engine/backend/cpu/kernel.h"

/* Line i of a picture: in it lies line i % p of each patch of a line of patches. */
static void copy_line(float *y, const float *x, int64_t i, int64_t w, int64_t p, int64_t c) {
    const float *from = x + (i / p * w * p + i % p) * p * c;
    for (int64_t j = 0; j < w; j++) memcpy(y + j * p * c, from + j * p * p * c, (size_t)(p * c) * sizeof *y);
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_shape s = df_cpu_out_shape(k);
    int64_t p = k->node->attr.patch.patch, w = k->node->attr.patch.w, c = s.dim[2], lines = r->n_rows * s.dim[0];
    int64_t row_elements = df_shape_elements(s), line = s.dim[1] * c;
    const float *x = r->in[0];
    int parts = df_cpu_parts(k->ctx, r->n_rows * row_elements);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(lines, parts, part, &begin, &end);
        for (int64_t l = begin; l < end; l++)
            copy_line(r->out + l * line, x + l / s.dim[0] * row_elements, l % s.dim[0], w, p, c);
    }
    return DF_OK;
}

const df_cpu_op df_cpu_unpatchify = { .run = run };
