#include "engine/backend/reference/real.h"

static double squared_distance(const real *x, const float *code, int64_t n) {
    double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += ((double)x[k] - (double)code[k]) * ((double)x[k] - (double)code[k]);
    return sum;
}

df_code REF(quantize)(const df_ref_call *c) {
    const real *x = c->in[0];
    real *y = c->out;
    int64_t n = width_of(out_shape(c)), vocab = c->g->weights[c->node->weight[0]].shape.dim[0];
#pragma omp parallel for num_threads(c->threads)
    for (int64_t p = 0; p < places_of(c, out_shape(c)); p++) {
        int64_t nearest = 0;
        double least = squared_distance(x + p * n, c->weight, n);
        for (int64_t v = 1; v < vocab; v++) {
            double distance = squared_distance(x + p * n, c->weight + v * n, n);
            if (distance < least) {
                least = distance;
                nearest = v;
            }
        }
        for (int64_t k = 0; k < n; k++) y[p * n + k] = (real)c->weight[nearest * n + k];
    }
    return DF_OK;
}
