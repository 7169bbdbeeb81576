/* Weights of no file: the same numbers each time, of the size that trained ones have; whatever is asked for is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "engine/weights/weights.h"

enum { ROWS = 64, COLUMNS = 256, N = ROWS * COLUMNS };

static void moments(const float *x, int n, double *mean, double *deviation) {
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    *mean = sum / n;
    for (int i = 0; i < n; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *deviation = sqrt(squares / n);
}

static void read_weights(float *dst, const char *name, const int64_t *dim, int rank) {
    df_weights *w = NULL;
    df_err err = { 0 };
    assert_int_equal(df_weights_open_invented(&w, "configs", &err), DF_OK);
    assert_true(df_weights_are_invented(w));
    assert_int_equal(df_weights_count(w), 0);
    assert_int_equal(df_weights_n_files(w), 0);
    assert_int_equal(df_weights_read_f32(w, name, dim, rank, dst, &err), DF_OK);
    df_weights_close(&w);
}

static void matrices_keep_activations_near_one(void **state) {
    (void)state;
    static float x[N], again[N], other[N];
    static const int64_t dim[] = { ROWS, COLUMNS };
    double mean, deviation;
    read_weights(x, "a.weight", dim, 2);
    read_weights(again, "a.weight", dim, 2);
    read_weights(other, "b.weight", dim, 2);
    assert_memory_equal(x, again, sizeof x);
    assert_memory_not_equal(x, other, sizeof x);
    moments(x, N, &mean, &deviation);
    assert_true(fabs(mean) < 4 / sqrt(COLUMNS * (double)N)); /* four deviations of a mean of N */
    assert_true(fabs(deviation * sqrt(COLUMNS) - 1) < 0.03); /* its own deviation is below 1 / sqrt(2 N) = 0.006 */
}

static void norms_scale_by_one_and_biases_add_nothing_much(void **state) {
    (void)state;
    float x[1024];
    static const int64_t dim[] = { 1024 };
    double mean, deviation;
    read_weights(x, "norm.weight", dim, 1);
    moments(x, 1024, &mean, &deviation);
    assert_true(fabs(mean - 1) < 0.01 && fabs(deviation - 0.05) < 0.005);
    read_weights(x, "norm.bias", dim, 1);
    moments(x, 1024, &mean, &deviation);
    assert_true(fabs(mean) < 0.01 && fabs(deviation - 0.05) < 0.005);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices_keep_activations_near_one),
        cmocka_unit_test(norms_scale_by_one_and_biases_add_nothing_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
