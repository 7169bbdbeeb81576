#include <math.h>

#include "engine/backend/reference/real.h"

/* One vector of n channels; no mean is taken off. */
static void normalise(const df_ref_call *c, int64_t row, int64_t at, int64_t n) {
    const real *x = (const real *)c->in[0] + row * df_shape_elements(out_shape(c)) + at;
    double squares = 0;
    for (int64_t k = 0; k < n; k++) squares += (double)x[k] * (double)x[k];
    double scale = 1 / sqrt(squares / (double)n + c->node->attr.norm.eps);
    for (int64_t k = 0; k < n; k++) store(c, row, at + k, (double)x[k] * scale * (double)c->weight[k]);
}

df_code REF(rms_norm)(const df_ref_call *c) {
    df_shape s = out_shape(c);
    int64_t n = width_of(s), places = places_of(c, s), per_row = places / c->n_rows;
#pragma omp parallel for num_threads(c->threads)
    for (int64_t p = 0; p < places; p++) normalise(c, p / per_row, p % per_row * n, n);
    return DF_OK;
}
