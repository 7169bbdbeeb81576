#include "engine/backend/reference/real.h"

df_code REF(gate)(const df_ref_call *c) {
    const real *x = c->in[0], *gate = c->in[1]; /* gate [n_rows][D] */
    df_shape s = out_shape(c);
    int64_t row_elements = df_shape_elements(s), width = width_of(s);
#pragma omp parallel for num_threads(c->threads)
    for (int64_t i = 0; i < c->n_rows * row_elements; i++) {
        int64_t row = i / row_elements, at = i % row_elements;
        store(c, row, at, (double)x[i] * (double)gate[row * width + at % width]);
    }
    return DF_OK;
}
