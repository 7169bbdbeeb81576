#include "cluster/picture.h"

#include <math.h>

enum { FLAT_LEVELS = 2 };

bool df_picture_quantize(const void *x, df_dtype dtype, size_t n, uint8_t *rgb) {
    for (size_t i = 0; i < n; i++) {
        float v = (float)df_dtype_load(dtype, x, i);
        if (!isfinite(v)) return false;
        v = v / 2 + 0.5f;
        v = v < 0 ? 0 : v > 1 ? 1 : v;
        rgb[i] = (uint8_t)rintf(v * 255); /* the rounding mode is never changed: half to even */
    }
    return true;
}

bool df_picture_is_flat(const uint8_t *rgb, size_t n_pixels) {
    for (int c = 0; c < 3; c++) {
        int low = 255, high = 0;
        for (size_t i = 0; i < n_pixels; i++) {
            int v = rgb[3 * i + (size_t)c];
            low = v < low ? v : low;
            high = v > high ? v : high;
        }
        if (high - low > FLAT_LEVELS) return false;
    }
    return true;
}
