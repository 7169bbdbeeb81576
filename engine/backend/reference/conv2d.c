#include "engine/backend/reference/real.h"

/* Outputs o .. o + BLOCK at position (i, j) of a row. Taps outside the picture are zero and skipped. */
static void convolve(const df_ref_call *c, int64_t row, int64_t i, int64_t j, int64_t o) {
    const df_conv_attr *a = &c->node->attr.conv;
    df_shape x = in_shape(c, 0), y = out_shape(c);
    int64_t h = x.dim[0], w = x.dim[1], channels = x.dim[2], width = y.dim[2];
    const real *picture = (const real *)c->in[0] + row * df_shape_elements(x);
    int n = width - o < BLOCK ? (int)(width - o) : BLOCK;
    double sum[BLOCK] = { 0 };
    for (int ky = 0; ky < a->kernel; ky++)
        for (int kx = 0; kx < a->kernel; kx++) {
            int64_t in_i = i * a->stride + ky - a->pad.top, in_j = j * a->stride + kx - a->pad.left;
            if (in_i < 0 || in_i >= h || in_j < 0 || in_j >= w) continue;
            const float *tap = c->weight + (ky * a->kernel + kx) * channels * width + o;
            add_products(sum, n, picture + (in_i * w + in_j) * channels, channels, tap, width);
        }
    for (int k = 0; k < n; k++) {
        double bias = c->bias ? (double)c->bias[o + k] : 0, scale = c->int8_scale ? (double)c->int8_scale[o + k] : 1;
        store(c, row, (i * y.dim[1] + j) * width + o + k, sum[k] * scale + bias);
    }
}

df_code REF(conv2d)(const df_ref_call *c) {
    df_shape y = out_shape(c);
    int64_t h = y.dim[0], w = y.dim[1];
#pragma omp parallel for num_threads(c->threads)
    for (int64_t p = 0; p < c->n_rows * h * w; p++)
        for (int64_t o = 0; o < y.dim[2]; o += BLOCK) convolve(c, p / (h * w), p / w % h, p % w, o);
    return DF_OK;
}
