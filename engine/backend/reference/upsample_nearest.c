#include "engine/backend/reference/real.h"
#include "engine/graph/nearest.h"

df_code REF(upsample_nearest)(const df_ref_call *c) {
    const real *x = c->in[0];
    real *y = c->out;
    df_shape from = in_shape(c, 0), to = out_shape(c);
    int64_t h = to.dim[0], w = to.dim[1], channels = to.dim[2];
#pragma omp parallel for num_threads(c->threads)
    for (int64_t p = 0; p < c->n_rows * h * w; p++) {
        int64_t row = p / (h * w);
        int64_t i = df_nearest_source(p / w % h, from.dim[0], h), j = df_nearest_source(p % w, from.dim[1], w);
        for (int64_t k = 0; k < channels; k++)
            y[p * channels + k] = x[((row * from.dim[0] + i) * from.dim[1] + j) * channels + k];
    }
    return DF_OK;
}
