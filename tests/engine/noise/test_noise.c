#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/noise/mt19937.h"
#include "engine/noise/noise.h"

/* The 10000th draw that the C++ standard asks of std::mt19937 with its default seed. */
static void twister_is_the_standard_one(void **state) {
    (void)state;
    df_mt19937 m;
    df_mt19937_seed(&m, 5489);
    uint32_t last = 0;
    for (int i = 0; i < 10000; i++) last = df_mt19937_next(&m);
    assert_true(last == 4123659995u);
}

static void draws_near(uint64_t seed, const float *want, size_t n, size_t checked, float tolerance) {
    float got[64];
    df_noise *z = df_noise_new(DF_NOISE_TORCH_CPU, seed);
    assert_non_null(z);
    df_noise_normal(z, got, n);
    for (size_t i = 0; i < checked; i++)
        if (fabsf(got[i] - want[i]) > tolerance)
            fail_msg("seed %llu, %zu values: number %zu is %.7f, not %.7f", (unsigned long long)seed, n, i,
                     (double)got[i], (double)want[i]);
    df_noise_free(&z);
    assert_null(z);
}

/* As printed by PyTorch: torch.manual_seed(seed); torch.randn(n). Four decimals are what it prints. */
static void gives_what_torch_gives(void **state) {
    (void)state;
    static const float few_0[] = { 1.5410f, -0.2934f, -2.1788f, 0.5684f };
    static const float few_42[] = { 0.3367f, 0.1288f, 0.2345f, 0.2303f, -1.1229f, -0.1863f };
    static const float many_0[] = { -1.1258f, -1.1524f, -0.2506f, -0.4339f, 0.8487f, 0.6920f, -0.3160f, -2.1152f,
                                    0.3223f,  -1.2633f, 0.3500f,  0.3081f,  0.1198f, 1.2377f, 1.1168f,  -0.2473f };
    draws_near(0, few_0, 4, 4, 6e-5f);
    draws_near(42, few_42, 6, 6, 6e-5f);
    draws_near(0, many_0, 16, 16, 6e-5f);
    draws_near((UINT64_C(7) << 32) + 42, few_42, 6, 6, 6e-5f); /* manual_seed uses the low 32 bits */
}

static void fill(df_noise *z, float *out, size_t n) {
    df_noise_normal(z, out, n);
}

/* The second half of a pair waits for the next small call, even across a large one. */
static void keeps_the_second_of_a_pair(void **state) {
    (void)state;
    float whole[6], parts[6], large[32], large_alone[32];
    df_noise *z = df_noise_new(DF_NOISE_TORCH_CPU, 3);
    fill(z, whole, 6);
    df_noise_free(&z);

    z = df_noise_new(DF_NOISE_TORCH_CPU, 3);
    fill(z, parts, 1);
    fill(z, parts + 1, 4);
    fill(z, parts + 5, 1);
    assert_memory_equal(parts, whole, sizeof whole);
    df_noise_free(&z);

    z = df_noise_new(DF_NOISE_TORCH_CPU, 3);
    fill(z, parts, 1);
    fill(z, large, 32);
    fill(z, parts + 1, 1);
    assert_memory_equal(parts, whole, 2 * sizeof *whole);
    df_noise_free(&z);

    z = df_noise_new(DF_NOISE_TORCH_CPU, 3);
    fill(z, parts, 2); /* the same four draws of the twister, no value left over */
    fill(z, large_alone, 32);
    assert_memory_equal(large, large_alone, sizeof large);
    df_noise_free(&z);
}

/* 20 values: 20 uniforms, then the last 16 again from 16 new ones. The first 4 are those of any longer request. */
static void redraws_the_last_sixteen(void **state) {
    (void)state;
    float odd[20], even[48], block[16];
    df_noise *z = df_noise_new(DF_NOISE_TORCH_CPU, 9);
    fill(z, odd, 20);
    df_noise_free(&z);
    z = df_noise_new(DF_NOISE_TORCH_CPU, 9);
    fill(z, even, 48);
    df_noise_free(&z);
    assert_memory_equal(odd, even, 4 * sizeof *odd);
    assert_memory_not_equal(odd + 4, even + 4, 12 * sizeof *odd);

    df_mt19937 twister;
    df_mt19937_seed(&twister, 9);
    for (int i = 0; i < 20; i++) (void)df_mt19937_next(&twister);
    for (int i = 0; i < 16; i++) block[i] = (float)(df_mt19937_next(&twister) & 0xffffff) * 0x1p-24f;
    for (int j = 0; j < 8; j++) {
        double radius = sqrt(-2 * log(1 - (double)block[j])), theta = 2 * 3.14159265358979323846 * (double)block[j + 8];
        assert_true(fabs((double)odd[4 + j] - radius * cos(theta)) < 2e-6);
        assert_true(fabs((double)odd[12 + j] - radius * sin(theta)) < 2e-6);
    }
}

static void is_normal(void **state) {
    (void)state;
    enum { N = 1 << 18 };
    float *x = malloc(N * sizeof *x);
    assert_non_null(x);
    df_noise *z = df_noise_new(DF_NOISE_TORCH_CPU, 12345);
    fill(z, x, N);
    double sum = 0, squares = 0, fourth = 0;
    for (int i = 0; i < N; i++) {
        double v = (double)x[i];
        assert_true(isfinite(v) && fabs(v) < 6);
        sum += v;
        squares += v * v;
        fourth += v * v * v * v;
    }
    /* four standard errors of mean, variance and fourth moment */
    assert_true(fabs(sum / N) < 4 * sqrt(1.0 / N));
    assert_true(fabs(squares / N - 1) < 4 * sqrt(2.0 / N));
    assert_true(fabs(fourth / N - 3) < 4 * sqrt(96.0 / N));
    df_noise_free(&z);
    free(x);
}

static void kinds_have_names(void **state) {
    (void)state;
    assert_int_equal(df_noise_kind_of("torch-cpu"), DF_NOISE_TORCH_CPU);
    assert_string_equal(df_noise_kind_name(DF_NOISE_TORCH_CPU), "torch-cpu");
    assert_int_equal(df_noise_kind_of("torch"), -1);
    assert_int_equal(df_noise_kind_of(""), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twister_is_the_standard_one),
        cmocka_unit_test(gives_what_torch_gives),
        cmocka_unit_test(keeps_the_second_of_a_pair),
        cmocka_unit_test(redraws_the_last_sixteen),
        cmocka_unit_test(is_normal),
        cmocka_unit_test(kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
