#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/image/png_filter.h"

/* The specification's own words, a byte at a time. */

static int guess(int filter, int a, int b, int c) {
    int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);
    switch (filter) {
    case 1: return a;
    case 2: return b;
    case 3: return (a + b) / 2;
    default: return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    }
}

static void filter_plainly(uint8_t *out, int filter, const uint8_t *rgb, int width, int y) {
    int n = 3 * width;
    const uint8_t *row = rgb + y * n, *up = row - n;
    out[0] = (uint8_t)filter;
    for (int i = 0; i < n; i++) {
        int a = i < 3 ? 0 : row[i - 3], b = y ? up[i] : 0, c = y && i >= 3 ? up[i - 3] : 0;
        out[1 + i] = (uint8_t)(row[i] - guess(filter, a, b, c));
    }
}

static int magnitude(const uint8_t *row, int n) {
    int sum = 0;
    for (int i = 1; i <= n; i++) sum += row[i] < 128 ? row[i] : 256 - row[i];
    return sum;
}

static void every_row_takes_its_best_filter(void **state) {
    (void)state;
    static const int sizes[][2] = { { 1, 1 }, { 1, 9 }, { 9, 1 }, { 5, 7 }, { 70, 40 }, { 173, 20 } };
    uint32_t seed = 5;
    int chosen[5] = { 0 };
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int width = sizes[s][0], height = sizes[s][1], n = 3 * width;
        uint8_t *rgb = malloc((size_t)(n * height)), *out = malloc((size_t)((1 + n) * height)),
                *want = malloc((size_t)(1 + n));
        for (int i = 0; i < n * height; i++) {
            seed = seed * 1664525 + 1013904223;
            int x = i % n / 3, y = i / n, noise = y % 5 == 4 ? (int)(seed >> 24) : (int)(seed >> 30);
            rgb[i] = (uint8_t)(y % 7 < 2 ? y * 50 + noise : x * 3 + y * y + noise);
        }
        assert_int_equal(df_png_filter(out, rgb, width, height, NULL), DF_OK);
        for (int y = 0; y < height; y++) {
            const uint8_t *got = out + y * (1 + n);
            assert_in_range(got[0], 1, 4);
            filter_plainly(want, got[0], rgb, width, y);
            assert_memory_equal(got, want, (size_t)(1 + n));
            chosen[got[0]]++;
            for (int f = 1; f <= 4; f++) {
                filter_plainly(want, f, rgb, width, y);
                int more = magnitude(want, n) - magnitude(got, n);
                assert_true(f < got[0] ? more > 0 : more >= 0);
            }
        }
        free(rgb);
        free(out);
        free(want);
    }
    for (int f = 1; f <= 4; f++) assert_true(chosen[f] > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_row_takes_its_best_filter) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
