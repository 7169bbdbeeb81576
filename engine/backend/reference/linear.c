#include "engine/backend/reference/real.h"

/* Outputs o .. o + BLOCK of one vector. */
static void multiply(const df_ref_call *c, int64_t place, int64_t places_per_row, int64_t o) {
    int64_t k_end = width_of(in_shape(c, 0)), width = width_of(out_shape(c));
    int n = width - o < BLOCK ? (int)(width - o) : BLOCK;
    double sum[BLOCK] = { 0 };
    add_products(sum, n, (const real *)c->in[0] + place * k_end, k_end, c->weight + o, width);
    for (int i = 0; i < n; i++) {
        double bias = c->bias ? (double)c->bias[o + i] : 0, scale = c->int8_scale ? (double)c->int8_scale[o + i] : 1;
        store(c, place / places_per_row, place % places_per_row * width + o + i, sum[i] * scale + bias);
    }
}

df_code REF(linear)(const df_ref_call *c) {
    df_shape y = out_shape(c);
    int64_t places = places_of(c, y), per_row = places / c->n_rows;
#pragma omp parallel for num_threads(c->threads)
    for (int64_t p = 0; p < places; p++)
        for (int64_t o = 0; o < width_of(y); o += BLOCK) multiply(c, p, per_row, o);
    return DF_OK;
}
