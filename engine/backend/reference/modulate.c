#include "engine/backend/reference/real.h"

/* The scale is what is added to 1: a block whose modulation is zero leaves its input as it is. */
df_code REF(modulate)(const df_ref_call *c) {
    const real *x = c->in[0], *shift = c->in[1], *scale = c->in[2]; /* shift, scale [n_rows][D] */
    df_shape s = out_shape(c);
    int64_t row_elements = df_shape_elements(s), width = width_of(s);
#pragma omp parallel for num_threads(c->threads)
    for (int64_t i = 0; i < c->n_rows * row_elements; i++) {
        int64_t row = i / row_elements, at = i % row_elements, channel = row * width + at % width;
        store(c, row, at, (double)x[i] * (1 + (double)scale[channel]) + (double)shift[channel]);
    }
    return DF_OK;
}
