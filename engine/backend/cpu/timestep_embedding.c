/* Angles in f64: at t = 999 an f32 angle is off by 6e-5, more than everything behind it. */
#include <math.h>

#include "engine/backend/cpu/kernel.h"

static void embed(float *y, double t, const df_timestep_attr *a) {
    int half = a->dim / 2;
    float *sines = a->flip_sin_to_cos ? y + half : y, *cosines = a->flip_sin_to_cos ? y : y + half;
    for (int i = 0; i < half; i++) {
        double angle = a->scale * t * exp(-log(a->max_period) * i / (half - a->freq_shift));
        sines[i] = (float)sin(angle);
        cosines[i] = (float)cos(angle);
    }
    if (a->dim % 2) y[a->dim - 1] = 0;
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    const double *t = r->in[0];
    const df_timestep_attr *a = &k->node->attr.timestep;
    int64_t n = r->n_rows * df_cpu_last_dim(df_cpu_in_shape(k, 0));
    for (int64_t i = 0; i < n; i++) embed(r->out + i * a->dim, t[i], a);
    return DF_OK;
}

const df_cpu_op df_cpu_timestep_embedding = { .run = run };
