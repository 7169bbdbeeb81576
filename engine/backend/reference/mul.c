#include "engine/backend/reference/real.h"

df_code REF(mul)(const df_ref_call *c) {
    const real *a = c->in[0], *b = c->in[1];
    int64_t row_elements = df_shape_elements(out_shape(c));
#pragma omp parallel for num_threads(c->threads)
    for (int64_t i = 0; i < c->n_rows * row_elements; i++)
        store(c, i / row_elements, i % row_elements, (double)a[i] * (double)b[i]);
    return DF_OK;
}
