#include <string.h>

#include "engine/backend/cpu/kernel.h"

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    int64_t ca = df_cpu_last_dim(df_cpu_in_shape(k, 0)), cb = df_cpu_last_dim(df_cpu_in_shape(k, 1)), c = ca + cb;
    int64_t positions = r->n_rows * (df_shape_elements(df_cpu_out_shape(k)) / c);
    const float *a = r->in[0], *b = r->in[1];
    int parts = df_cpu_parts(k->ctx, positions * c);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(positions, parts, part, &begin, &end);
        for (int64_t p = begin; p < end; p++) {
            memcpy(r->out + p * c, a + p * ca, (size_t)ca * sizeof *a);
            memcpy(r->out + p * c + ca, b + p * cb, (size_t)cb * sizeof *b);
        }
    }
    return DF_OK;
}

const df_cpu_op df_cpu_concat = { .run = run };
