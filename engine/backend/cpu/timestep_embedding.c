/* Angles in f64: at t = 999 an f32 angle is off by 6e-5, more than everything behind it. */
#include <math.h>

#include "engine/backend/cpu/kernel.h"

static void embed(df_dtype dtype, void *y, double t, const df_timestep_attr *a) {
    int half = a->dim / 2, sines = a->flip_sin_to_cos ? half : 0, cosines = half - sines;
    for (int i = 0; i < half; i++) {
        double angle = a->scale * t * exp(-log(a->max_period) * i / (half - a->freq_shift));
        df_dtype_store(dtype, y, (size_t)(sines + i), sin(angle));
        df_dtype_store(dtype, y, (size_t)(cosines + i), cos(angle));
    }
    if (a->dim % 2) df_dtype_store(dtype, y, (size_t)a->dim - 1, 0);
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    const double *t = r->in[0];
    const df_timestep_attr *a = &k->node->attr.timestep;
    int64_t n = r->n_rows * df_cpu_last_dim(df_cpu_in_shape(k, 0));
    for (int64_t i = 0; i < n; i++) embed(k->ctx->dtype, df_cpu_to(k->ctx, r->out, i * a->dim), t[i], a);
    return DF_OK;
}

const df_cpu_op df_cpu_timestep_embedding = { .run = run };
