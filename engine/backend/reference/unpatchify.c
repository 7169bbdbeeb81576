#include "engine/backend/reference/real.h"

/* Position (i, j) of the picture is in patch (i / p, j / p), there at (i % p, j % p). */
df_code REF(unpatchify)(const df_ref_call *c) {
    const real *x = c->in[0];
    real *y = c->out;
    df_shape s = out_shape(c);
    int64_t p = c->node->attr.patch.patch, w = c->node->attr.patch.w, channels = s.dim[2];
    int64_t positions = s.dim[0] * s.dim[1], row_elements = df_shape_elements(s);
#pragma omp parallel for num_threads(c->threads)
    for (int64_t at = 0; at < c->n_rows * positions; at++) {
        int64_t row = at / positions, i = at % positions / s.dim[1], j = at % s.dim[1];
        int64_t token = i / p * w + j / p, place = i % p * p + j % p;
        const real *from = x + row * row_elements + (token * p * p + place) * channels;
        for (int64_t k = 0; k < channels; k++) y[at * channels + k] = from[k];
    }
    return DF_OK;
}
