#include "engine/backend/reference/real.h"

/* Outputs o .. o + BLOCK at position (i, j) of a row: the 3x3 convolution of a picture whose pixel (u, v) is the
 * source's (u / 2, v / 2). Taps outside are zero and skipped. */
static void convolve(const df_ref_call *c, int64_t row, int64_t i, int64_t j, int64_t o) {
    df_shape x = in_shape(c, 0), y = out_shape(c);
    int64_t h = y.dim[0], w = y.dim[1], channels = x.dim[2], width = y.dim[2];
    const real *picture = (const real *)c->in[0] + row * df_shape_elements(x);
    int n = width - o < BLOCK ? (int)(width - o) : BLOCK;
    double sum[BLOCK] = { 0 };
    for (int ky = 0; ky < 3; ky++)
        for (int kx = 0; kx < 3; kx++) {
            int64_t u = i + ky - 1, v = j + kx - 1;
            if (u < 0 || u >= h || v < 0 || v >= w) continue;
            const float *tap = c->weight + (ky * 3 + kx) * channels * width + o;
            add_products(sum, n, picture + (u / 2 * x.dim[1] + v / 2) * channels, channels, tap, width);
        }
    for (int k = 0; k < n; k++) {
        double bias = c->bias ? (double)c->bias[o + k] : 0;
        store(c, row, (i * w + j) * width + o + k, sum[k] + bias);
    }
}

df_code REF(upsample_conv2d)(const df_ref_call *c) {
    df_shape y = out_shape(c);
    int64_t h = y.dim[0], w = y.dim[1];
#pragma omp parallel for num_threads(c->threads)
    for (int64_t p = 0; p < c->n_rows * h * w; p++)
        for (int64_t o = 0; o < y.dim[2]; o += BLOCK) convolve(c, p / (h * w), p / w % h, p % w, o);
    return DF_OK;
}
