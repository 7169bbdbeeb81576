#include <math.h>

#include "engine/backend/reference/real.h"

/* One group of one row: all positions, channels [first, first + n). Biased variance, from the mean (two passes). */
static void normalise(const df_ref_call *c, int64_t row, int64_t first, int64_t n) {
    df_shape s = out_shape(c);
    int64_t width = width_of(s), row_elements = df_shape_elements(s), positions = row_elements / width;
    const real *x = (const real *)c->in[0] + row * row_elements;
    double sum = 0, squares = 0;
    for (int64_t p = 0; p < positions; p++)
        for (int64_t k = first; k < first + n; k++) sum += (double)x[p * width + k];
    double mean = sum / (double)(positions * n);
    for (int64_t p = 0; p < positions; p++)
        for (int64_t k = first; k < first + n; k++) {
            double d = (double)x[p * width + k] - mean;
            squares += d * d;
        }
    double scale = 1 / sqrt(squares / (double)(positions * n) + c->node->attr.norm.eps);
    for (int64_t p = 0; p < positions; p++)
        for (int64_t k = first; k < first + n; k++) {
            double y = ((double)x[p * width + k] - mean) * scale;
            if (c->weight) y = y * (double)c->weight[k] + (double)c->bias[k];
            store(c, row, p * width + k, y);
        }
}

df_code REF(group_norm)(const df_ref_call *c) {
    int groups = c->node->attr.norm.groups;
    int64_t n = width_of(out_shape(c)) / groups;
#pragma omp parallel for num_threads(c->threads)
    for (int64_t i = 0; i < c->n_rows * groups; i++) normalise(c, i / groups, i % groups * n, n);
    return DF_OK;
}
