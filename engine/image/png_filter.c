#include "engine/image/png_filter.h"

#include <stdlib.h>
#include <string.h>

enum { PIXEL = 3, SUB = 1, N_FILTERS = 4 };

/* Loops over whole rows that the compiler turns into vectors (-O3, see CMakeLists.txt). `row` and `up` have PIXEL zeros
 * before them; `up` is all zeros above the first row. */
typedef void (*filter_fn)(uint8_t *restrict out, const uint8_t *row, const uint8_t *up, size_t n);

static void sub(uint8_t *restrict out, const uint8_t *row, const uint8_t *up, size_t n) {
    (void)up;
    const uint8_t *left = row - PIXEL;
    for (size_t i = 0; i < n; i++) out[i] = (uint8_t)(row[i] - left[i]);
}

static void up_row(uint8_t *restrict out, const uint8_t *row, const uint8_t *up, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = (uint8_t)(row[i] - up[i]);
}

static void average(uint8_t *restrict out, const uint8_t *row, const uint8_t *up, size_t n) {
    const uint8_t *left = row - PIXEL;
    for (size_t i = 0; i < n; i++) out[i] = (uint8_t)(row[i] - (left[i] + up[i]) / 2);
}

/* Of left, above and above left, the one nearest to left + above - above left; left before above before the last. */
static void paeth(uint8_t *restrict out, const uint8_t *row, const uint8_t *up, size_t n) {
    const uint8_t *left = row - PIXEL, *up_left = up - PIXEL;
    for (size_t i = 0; i < n; i++) {
        int16_t a = left[i], b = up[i], c = up_left[i];
        int16_t to_b = (int16_t)(a - c), to_a = (int16_t)(b - c), to_c = (int16_t)(to_a + to_b);
        int16_t pa = to_a < 0 ? -to_a : to_a, pb = to_b < 0 ? -to_b : to_b, pc = to_c < 0 ? -to_c : to_c;
        int16_t b_or_c = pb <= pc ? b : c;
        int16_t least = pb <= pc ? pb : pc;
        out[i] = (uint8_t)(row[i] - (pa <= least ? a : b_or_c));
    }
}

static uint64_t magnitude(const uint8_t *x, size_t n) {
    uint64_t total = 0;
    while (n) {
        size_t part = n < 1 << 15 ? n : 1 << 15; /* so that a sum of 32 bits holds it */
        uint32_t sum = 0;
        for (size_t i = 0; i < part; i++) sum += (uint32_t)abs((int8_t)x[i]);
        total += sum;
        x += part;
        n -= part;
    }
    return total;
}

static void filter_row(uint8_t *out, const uint8_t *row, const uint8_t *up, uint8_t *trial, size_t n) {
    static const filter_fn filters[N_FILTERS] = { sub, up_row, average, paeth };
    uint64_t best = UINT64_MAX;
    for (int k = 0; k < N_FILTERS; k++) {
        filters[k](trial, row, up, n);
        uint64_t size = magnitude(trial, n);
        if (size >= best) continue;
        best = size;
        out[0] = (uint8_t)(SUB + k);
        memcpy(out + 1, trial, n);
    }
}

df_code df_png_filter(uint8_t *out, const uint8_t *rgb, int width, int height, df_err *err) {
    size_t n = (size_t)width * PIXEL;
    uint8_t *scratch = calloc(3, PIXEL + n);
    if (!scratch) return df_err_set(err, DF_ENOMEM, "png: rows of %zu bytes", n);
    uint8_t *row = scratch + PIXEL, *up = row + n + PIXEL, *trial = up + n;
    for (int y = 0; y < height; y++) {
        memcpy(row, rgb + (size_t)y * n, n);
        filter_row(out + (size_t)y * (1 + n), row, up, trial, n);
        uint8_t *last = row;
        row = up;
        up = last;
    }
    free(scratch);
    return DF_OK;
}
