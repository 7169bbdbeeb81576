#include "engine/backend/reference/real.h"

/* x is (a, b) side by side in the last dimension: a is the value, b the gate. */
df_code REF(geglu)(const df_ref_call *c) {
    const real *x = c->in[0];
    df_shape s = out_shape(c);
    int64_t n = width_of(s), places = places_of(c, s), per_row = places / c->n_rows;
#pragma omp parallel for num_threads(c->threads)
    for (int64_t p = 0; p < places; p++)
        for (int64_t k = 0; k < n; k++) {
            double a = (double)x[p * 2 * n + k], b = (double)x[p * 2 * n + n + k];
            store(c, p / per_row, p % per_row * n + k, a * df_ref_act(DF_ACT_GELU, b));
        }
    return DF_OK;
}
