#include "engine/backend/reference/real.h"

df_code REF(scale)(const df_ref_call *c) {
    const real *x = c->in[0];
    double by = c->node->attr.affine.by, plus = c->node->attr.affine.plus;
    int64_t row_elements = df_shape_elements(out_shape(c));
#pragma omp parallel for num_threads(c->threads)
    for (int64_t i = 0; i < c->n_rows * row_elements; i++)
        store(c, i / row_elements, i % row_elements, (double)x[i] * by + plus);
    return DF_OK;
}
