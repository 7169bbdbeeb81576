#include "engine/backend/cpu/kernel.h"

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    df_shape s = df_cpu_out_shape(k);
    int64_t d = df_cpu_last_dim(s), positions = r->n_rows * (df_shape_elements(s) / d);
    const float *x = r->in[0];
    int parts = df_cpu_parts(k->ctx, positions * d * 2);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(positions, parts, part, &begin, &end);
        k->ctx->simd->geglu(r->out + begin * d, x + begin * 2 * d, end - begin, d);
    }
    return DF_OK;
}

const df_cpu_op df_cpu_geglu = { .run = run };
