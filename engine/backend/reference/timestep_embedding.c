#include <math.h>

#include "engine/backend/reference/real.h"

/* [sin, cos] of each t over geometrically spaced periods; an odd dim ends with a zero. */
df_code REF(timestep_embedding)(const df_ref_call *c) {
    const df_timestep_attr *a = &c->node->attr.timestep;
    const double *t = c->in[0];
    int64_t n = width_of(in_shape(c, 0));
    int half = a->dim / 2, sin_at = a->flip_sin_to_cos ? half : 0, cos_at = half - sin_at;
    for (int64_t k = 0; k < c->n_rows * n; k++) {
        int64_t row = k / n, at = k % n * a->dim;
        for (int i = 0; i < half; i++) {
            double frequency = exp(-log(a->max_period) * i / (half - a->freq_shift));
            double angle = a->scale * t[k] * frequency;
            store(c, row, at + sin_at + i, sin(angle));
            store(c, row, at + cos_at + i, cos(angle));
        }
        if (a->dim % 2) store(c, row, at + a->dim - 1, 0);
    }
    return DF_OK;
}
