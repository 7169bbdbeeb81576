/* exp, erf and the activations of every instruction set against libm in f64. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/backend/cpu/simd/simd.h"

static const char *const sets[] = { "plain", "avx2", "avx512" };

typedef void (*map_fn)(const df_simd *v, float *y, const float *x, int64_t n);
typedef double (*exact_fn)(double x);

static void act_silu(const df_simd *v, float *y, const float *x, int64_t n) {
    v->epilogue(y, x, 1, n, NULL, DF_ACT_SILU, NULL);
}
static void act_gelu(const df_simd *v, float *y, const float *x, int64_t n) {
    v->epilogue(y, x, 1, n, NULL, DF_ACT_GELU, NULL);
}
static void act_gelu_tanh(const df_simd *v, float *y, const float *x, int64_t n) {
    v->epilogue(y, x, 1, n, NULL, DF_ACT_GELU_TANH, NULL);
}
static void act_quick_gelu(const df_simd *v, float *y, const float *x, int64_t n) {
    v->epilogue(y, x, 1, n, NULL, DF_ACT_QUICK_GELU, NULL);
}
static void map_exp(const df_simd *v, float *y, const float *x, int64_t n) {
    v->exp(y, x, n);
}
static void map_erf(const df_simd *v, float *y, const float *x, int64_t n) {
    v->erf(y, x, n);
}

static double exact_silu(double x) {
    return x / (1 + exp(-x));
}
static double exact_gelu(double x) {
    return 0.5 * x * erfc(-x * sqrt(0.5));
}
static double exact_gelu_tanh(double x) {
    return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}
static double exact_quick_gelu(double x) {
    return x / (1 + exp(-1.702 * x));
}

/* relative: |y - f(x)| / |f(x)|. absolute: |y - f(x)| / max(1, |x|), for what ends in 1 + erf(x) or 1 + tanh(x): f32
 * holds that sum to 6e-8 however small it is, here as in PyTorch. */
typedef struct sweep {
    const char *name;
    map_fn map;
    exact_fn exact;
    double from, to, relative, absolute;
} sweep;

static const sweep sweeps[] = {
    { "exp", map_exp, exp, -87, 88, 1.2e-7, INFINITY }, /* two roundings of 6e-8, like the next */
    { "erf", map_erf, erf, -6, 6, 1.2e-7, INFINITY },
    { "silu", act_silu, exact_silu, -80, 80, 2.4e-7, INFINITY },
    { "gelu", act_gelu, exact_gelu, -1, 40, 3e-7, 2e-7 },
    { "gelu", act_gelu, exact_gelu, -40, 40, INFINITY, 2e-7 },
    { "gelu_tanh", act_gelu_tanh, exact_gelu_tanh, -4, 40, 3e-6, 2e-7 }, /* u ~ 13 there: its rounding, through exp */
    { "quick_gelu", act_quick_gelu, exact_quick_gelu, -20, 80, 4e-6, 2e-7 }, /* the same, u ~ 34 */
};

enum { POINTS = 1 << 20, BLOCK = 1013 };

static void check_sweep(const df_simd *v, const sweep *s) {
    static float x[BLOCK], y[BLOCK];
    double relative = 0, absolute = 0, at = 0;
    for (int64_t i = 0; i < POINTS; i += BLOCK) {
        for (int j = 0; j < BLOCK; j++)
            x[j] = (float)(s->from + (s->to - s->from) * (double)(i + j) / (POINTS + BLOCK));
        s->map(v, y, x, BLOCK);
        for (int j = 0; j < BLOCK; j++) {
            double exact = s->exact(x[j]), d = fabs(y[j] - exact), r = exact != 0 ? d / fabs(exact) : d;
            if (!(r <= relative)) relative = r, at = x[j];
            if (!(d <= absolute * fmax(1, fabs(x[j])))) absolute = d / fmax(1, fabs(x[j]));
        }
    }
    print_message("%-7s %-10s relative %.2e (at %g), absolute %.2e\n", v->name, s->name, relative, at, absolute);
    assert_true(relative <= s->relative);
    assert_true(absolute <= s->absolute);
}

static void test_sweeps(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const df_simd *v = df_simd_find(sets[i], DF_F32);
        for (size_t j = 0; v && j < sizeof sweeps / sizeof *sweeps; j++) check_sweep(v, &sweeps[j]);
    }
}

static void test_edges(void **state) {
    (void)state;
    const float x[] = { 0, -0.0f, INFINITY, -INFINITY, NAN, 89, 200, -103, -104.5f, -200, 1e-30f, 3e38f };
    enum { N = sizeof x / sizeof *x };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const df_simd *v = df_simd_find(sets[i], DF_F32);
        if (!v) continue;
        float y[N];
        v->exp(y, x, N);
        assert_true(y[0] == 1 && y[1] == 1 && y[2] == INFINITY && y[3] == 0 && isnan(y[4]) && y[5] == INFINITY);
        assert_true(y[6] == INFINITY && y[7] > 0 && y[7] < 1e-44f && y[8] == 0 && y[9] == 0 && y[10] == 1);
        v->erf(y, x, N);
        assert_true(y[0] == 0 && y[2] == 1 && y[3] == -1 && isnan(y[4]) && y[5] == 1 && y[9] == -1);
        assert_true(signbit(y[1]) && y[10] > 0);
        for (df_act a = DF_ACT_NONE; a <= DF_ACT_RELU; a++) {
            v->epilogue(y, x, 1, N, NULL, a, NULL);
            assert_true(y[0] == 0 && isnan(y[4]) && y[2] == INFINITY && y[6] == 200);
        }
    }
}

/* A value is the same in any lane and in any tail. */
static void test_lanes(void **state) {
    (void)state;
    float x[64], all[64], one;
    for (int i = 0; i < 64; i++) x[i] = (float)(i - 32) * 0.37f;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const df_simd *v = df_simd_find(sets[i], DF_F32);
        for (df_act a = DF_ACT_NONE; v && a <= DF_ACT_RELU; a++) {
            v->epilogue(all, x, 1, 64, NULL, a, NULL);
            for (int j = 0; j < 64; j++) {
                v->epilogue(&one, x + j, 1, 1, NULL, a, NULL);
                assert_memory_equal(&one, &all[j], sizeof one);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweeps),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_lanes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
