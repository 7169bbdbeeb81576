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
#include "engine/noise/philox.h"
#include "engine/noise/torch_cuda.h"

/* The 10000th draw that the C++ standard asks of std::mt19937 with its default seed. */
static void twister_is_the_standard_one(void **state) {
    (void)state;
    df_mt19937 m;
    df_mt19937_seed(&m, 5489);
    uint32_t last = 0;
    for (int i = 0; i < 10000; i++) last = df_mt19937_next(&m);
    assert_true(last == 4123659995u);
}

static void draws_near(df_noise_kind kind, uint64_t seed, const float *want, size_t n, size_t checked,
                       float tolerance) {
    float got[64];
    df_noise *z = df_noise_new(kind, seed);
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
    draws_near(DF_NOISE_TORCH_CPU, 0, few_0, 4, 4, 6e-5f);
    draws_near(DF_NOISE_TORCH_CPU, 42, few_42, 6, 6, 6e-5f);
    draws_near(DF_NOISE_TORCH_CPU, 0, many_0, 16, 16, 6e-5f);
    /* manual_seed uses the low 32 bits */
    draws_near(DF_NOISE_TORCH_CPU, (UINT64_C(7) << 32) + 42, few_42, 6, 6, 6e-5f);
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

static void check_moments(df_noise_kind kind) {
    enum { N = 1 << 18 };
    float *x = malloc(N * sizeof *x);
    assert_non_null(x);
    df_noise *z = df_noise_new(kind, 12345);
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

static void is_normal(void **state) {
    (void)state;
    check_moments(DF_NOISE_TORCH_CPU);
    check_moments(DF_NOISE_TORCH_CUDA);
}

/* Random123, tests/kat_vectors, philox4x32 10: counter, key, answer. */
static void philox_gives_the_known_answers(void **state) {
    (void)state;
    static const struct {
        df_philox_block counter;
        uint32_t key[2];
        df_philox_block answer;
    } cases[] = {
        { { { 0 } }, { 0 }, { { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } } },
        { { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
          { 0xffffffff, 0xffffffff },
          { { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } } },
        { { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 } },
          { 0xa4093822, 0x299f31d0 },
          { { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_philox_block got = df_philox(cases[i].counter, (uint64_t)cases[i].key[1] << 32 | cases[i].key[0]);
        assert_memory_equal(&got, &cases[i].answer, sizeof got);
    }
}

/* As printed on GPUs: torch.manual_seed(seed); torch.randn(n, device="cuda"). */
static void gives_what_torch_gives_on_cuda(void **state) {
    (void)state;
    static const float of_0[] = {
        -0.9247f, -0.4253f, -2.6438f, 0.1452f,  -0.1209f, -0.5797f, -0.6229f, -0.3284f, -1.0745f, -0.3631f,
        -1.6711f, 2.2655f,  0.3117f,  -0.1842f, 1.2866f,  1.1820f,  -0.1271f, 1.2169f,  1.4353f,  1.0605f,
        -0.4941f, -1.4244f, -0.7244f, -1.2973f, 0.0697f,  -0.0074f, 1.8969f,  0.6878f,  -0.0779f, -0.8373f,
        1.3506f,  -0.2879f, -0.5965f, -0.3283f, -0.9086f, -0.8059f, -0.7407f, -0.0504f, 0.5435f,  1.5150f,
    };
    static const float of_42[] = { 0.1940f,  2.1614f, -0.1721f, 0.8491f,  -1.9244f, 0.6530f, -0.6494f,
                                   -0.8175f, 0.5280f, -1.2753f, -1.6621f, -0.3033f, -0.0926f };
    draws_near(DF_NOISE_TORCH_CUDA, 0, of_0, 64, 40, 6e-5f);
    draws_near(DF_NOISE_TORCH_CUDA, 42, of_42, 13, 13, 6e-5f);
}

/* torch.manual_seed(42), then four values at a time, as printed on a GPU: each call begins one counter later. */
static void cuda_calls_follow_each_other(void **state) {
    (void)state;
    static const float calls[6][4] = {
        { 0.1940f, 2.1614f, -0.1721f, 0.8491f },   { 0.1391f, -0.1082f, -0.7174f, 0.7566f },
        { -0.5187f, 1.2268f, 0.6255f, -0.9117f },  { -0.6974f, -1.8688f, -0.8832f, -1.6627f },
        { -1.2682f, -0.0383f, -0.1029f, 1.4400f }, { 1.4640f, -0.3238f, 0.7740f, 1.5892f },
    };
    float got[5];
    df_noise *z = df_noise_new(DF_NOISE_TORCH_CUDA, 42);
    for (int c = 0; c < 6; c++) {
        size_t n = c % 2 ? 5 : 4; /* the size of a small call does not show in the next */
        fill(z, got, n);
        fill(z, got, 0); /* nor does an empty one */
        for (int i = 0; i < 4; i++) assert_true(fabsf(got[i] - calls[c][i]) < 6e-5f);
    }
    df_noise_free(&z);
}

/* Beyond one grid: seed 1, 49 * 12 * 112 * 144 values, as printed on an H100 and on an A100 (pytorch issue 143086);
 * within one: seed 43, the first of each of 3 x 128 x 128 values on an RTX A6000 (issue 62467). */
static void order_depends_on_the_gpu_as_in_torch(void **state) {
    (void)state;
    static const struct {
        uint64_t seed;
        uint32_t grid;
        size_t n, at[3];
        float want[3];
    } cases[] = {
        { 1, DF_TORCH_CUDA_GRID, 9483264, { 9483261, 9483262, 9483263 }, { -0.6970f, -0.7780f, 0.3267f } },
        { 1, 864, 9483264, { 9483261, 9483262, 9483263 }, { 0.1549f, -0.6797f, -0.1656f } },
        { 43, 504, 49152, { 0, 16384, 32768 }, { 1.9983f, 0.8704f, 2.1127f } },
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        df_torch_cuda g;
        float *x = malloc(cases[k].n * sizeof *x);
        assert_non_null(x);
        df_torch_cuda_seed(&g, cases[k].seed, cases[k].grid);
        df_torch_cuda_normal(&g, x, cases[k].n);
        for (int i = 0; i < 3; i++) assert_true(fabsf(x[cases[k].at[i]] - cases[k].want[i]) < 6e-5f);
        free(x);
    }
}

static void kinds_have_names(void **state) {
    (void)state;
    assert_int_equal(df_noise_kind_of("torch-cpu"), DF_NOISE_TORCH_CPU);
    assert_string_equal(df_noise_kind_name(DF_NOISE_TORCH_CPU), "torch-cpu");
    assert_int_equal(df_noise_kind_of("torch-cuda"), DF_NOISE_TORCH_CUDA);
    assert_string_equal(df_noise_kind_name(DF_NOISE_TORCH_CUDA), "torch-cuda");
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
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(gives_what_torch_gives_on_cuda),
        cmocka_unit_test(cuda_calls_follow_each_other),
        cmocka_unit_test(order_depends_on_the_gpu_as_in_torch),
        cmocka_unit_test(kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
