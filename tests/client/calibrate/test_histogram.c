/* Histograms of activations, and the codes that are taken from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "client/calibrate/histogram.h"
#include "engine/backend/int8.h"

enum { N = 1000000 };

/* About normal: a sum of twelve uniform numbers. */
static void fill(float *x, int n) {
    uint32_t seed = 1;
    for (int i = 0; i < n; i++) {
        double sum = -6;
        for (int k = 0; k < 12; k++) {
            seed = seed * 1664525u + 1013904223u;
            sum += (double)(seed >> 8) * 0x1p-24;
        }
        x[i] = (float)sum;
    }
}

static double noise_of(const float *x, int n, df_int8 codes) {
    double error = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        double d = (double)x[i] - (double)(df_int8_code(x[i], codes) - codes.zero) * (double)codes.scale;
        error += d * d;
        squares += (double)x[i] * (double)x[i];
    }
    return error / squares;
}

static df_histogram *of(const float *x, int n) {
    df_histogram *h = calloc(1, sizeof *h);
    df_histogram_add(h, DF_F32, x, n);
    return h;
}

static void noise_is_what_the_codes_cost(void **state) {
    static float x[N];
    double noise;
    (void)state;
    fill(x, N);
    df_histogram *h = of(x, N);
    df_int8 codes = df_histogram_codes(h, &noise);
    double is = noise_of(x, N, codes);
    assert_true(noise > 0.8 * is && noise < 1.25 * is);
    assert_true(is < 2e-4 && is > 2e-5);
    assert_in_range(codes.zero, 100, 155);
    free(h);
}

/* One number far away: better clipped than to have all others in coarse steps. */
static void outliers_are_clipped_where_that_pays(void **state) {
    static float x[N];
    double noise;
    (void)state;
    fill(x, N);
    x[77] = 10;
    df_histogram *h = of(x, N);
    df_int8 codes = df_histogram_codes(h, &noise);
    double highest = (255 - codes.zero) * (double)codes.scale;
    assert_true(highest < 8);
    df_int8 whole = { .scale = (10 - h->low) / 255, .zero = (int32_t)lrintf(-h->low / ((10 - h->low) / 255)) };
    assert_true(noise_of(x, N, codes) < noise_of(x, N, whole));
    free(h);
}

static void ranges_hold_zero(void **state) {
    float high[] = { 3, 4, 5 }, low[] = { -3, -4, -5 };
    double noise;
    (void)state;
    df_histogram *h = of(high, 3);
    df_int8 codes = df_histogram_codes(h, &noise);
    assert_int_equal(codes.zero, 0);
    assert_true(fabs(255 * (double)codes.scale - 5) < 0.2);
    free(h);
    h = of(low, 3);
    codes = df_histogram_codes(h, &noise);
    assert_int_equal(codes.zero, 255);
    free(h);
}

/* The order of numbers, and so of pictures, is in nothing but what rounding makes of the sum of squares. */
static void order_does_not_matter(void **state) {
    float up[] = { 1e-3f, 0.5f, -7, 1000, (float)NAN, HUGE_VALF }, down[] = { HUGE_VALF, 1000, -7, 0.5f, 1e-3f };
    (void)state;
    df_histogram *a = of(up, 6), *b = of(down, 5);
    assert_int_equal(a->n, 4);
    assert_true(a->limit == 1024 && b->limit == 1024 && a->low == -7 && a->high == 1000);
    assert_memory_equal(a->bins, b->bins, sizeof a->bins);
    free(a);
    free(b);
}

static void nothing_but_zeros_has_no_codes(void **state) {
    float x[8] = { 0 };
    double noise;
    (void)state;
    df_histogram *h = of(x, 8);
    assert_true(df_histogram_codes(h, &noise).scale == 0);
    free(h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_is_what_the_codes_cost),
        cmocka_unit_test(outliers_are_clipped_where_that_pays),
        cmocka_unit_test(ranges_hold_zero),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(nothing_but_zeros_has_no_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
