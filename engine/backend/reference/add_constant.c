#include "engine/backend/reference/real.h"

/* The stored position that belongs to position p of the row: p itself, or its place in the middle of the grid. */
static int64_t stored(const df_ref_call *c, int64_t p) {
    int64_t grid_h = c->node->attr.constant.grid_h, grid_w = c->node->attr.constant.grid_w;
    if (!grid_h) return p;
    int64_t h = out_shape(c).dim[0], w = out_shape(c).dim[1];
    return ((grid_h - h) / 2 + p / w) * grid_w + (grid_w - w) / 2 + p % w;
}

df_code REF(add_constant)(const df_ref_call *c) {
    const real *x = c->in[0];
    df_shape s = out_shape(c);
    int64_t row_elements = df_shape_elements(s), width = width_of(s);
#pragma omp parallel for num_threads(c->threads)
    for (int64_t i = 0; i < c->n_rows * row_elements; i++) {
        int64_t at = i % row_elements, from = stored(c, at / width) * width + at % width;
        store(c, i / row_elements, at, (double)x[i] + (double)c->weight[from]);
    }
    return DF_OK;
}
