/* The kernels of a sampling step, run by the grid simulator, against what the CPU does: byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/picture.h"
#include "engine/backend/cuda/kernels/sampling.h"
#include "engine/noise/torch_cuda.h"
#include "engine/samplers/guidance.h"

enum { ROWS = 3, N_SIZES = 2, MOST = 1024 };
static const int64_t sizes[N_SIZES] = { MOST, 37 }; /* by fours, and one by one */

static float random_float(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(*state >> 40) * 0x1p-24 - 0.5) * 4.0f;
}

/* 16-byte aligned, of the exact size. */
static float *random_floats(size_t n, uint64_t seed) {
    float *x = NULL;
    if (posix_memalign((void **)&x, 16, n * sizeof *x)) fail_msg("%zu floats", n);
    for (size_t i = 0; i < n; i++) x[i] = random_float(&seed);
    return x;
}

static float *floats_of(const float *x, size_t n) {
    return memcpy(random_floats(n, 0), x, n * sizeof *x);
}

static void *typed(df_dtype type, const float *x, size_t n) {
    void *y = NULL;
    if (posix_memalign(&y, 16, n * df_dtype_bytes(type))) fail_msg("%zu numbers", n);
    for (size_t i = 0; i < n; i++) df_dtype_store(type, y, i, (double)x[i]);
    return y;
}

static void assert_same(const float *got, const float *want, size_t n, const char *what) {
    for (size_t i = 0; i < n; i++)
        if (memcmp(&got[i], &want[i], sizeof *got))
            fail_msg("%s: number %zu is %.9g, must be %.9g", what, i, (double)got[i], (double)want[i]);
}

/* Several rounds of a small GPU, parts of a block, of a round and of four; two draws in sequence. */
static void test_noise(void **state) {
    (void)state;
    static const struct {
        int64_t n;
        uint32_t grid;
    } cases[] = { { 5000, 2 }, { 1, 8 }, { 256, 8 }, { 3001, 3 } };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (int high = 0; high < 2; high++) {
            const int64_t n = cases[c].n;
            df_torch_cuda cpu;
            df_torch_cuda_seed(&cpu, 0x123456789abcdefu * (c + 1), cases[c].grid);
            uint64_t offset = cpu.offset = high ? 0xffffffffu : 0;
            float *got = random_floats((size_t)n, 1), *want = random_floats((size_t)n, 2);
            for (int draw = 0; draw < 2; draw++) {
                assert_int_equal(df_cuda_normal(got, n, cpu.seed, offset, cpu.grid, NULL), cudaSuccess);
                df_torch_cuda_normal(&cpu, want, (size_t)n);
                offset += df_cuda_normal_advance(n, cpu.grid);
                assert_true(offset == cpu.offset);
                assert_same(got, want, (size_t)n, "noise");
            }
            free(got);
            free(want);
        }
}

static void test_guidance(void **state) {
    (void)state;
    static const df_dtype types[] = { DF_F32, DF_F16, DF_BF16 };
    for (int s = 0; s < N_SIZES * 3; s++) {
        const df_dtype type = types[s / N_SIZES];
        const size_t n = (size_t)sizes[s % N_SIZES];
        float *cond = random_floats(n, 3), *uncond = random_floats(n, 4), *want = random_floats(n, 5);
        void *c = typed(type, cond, n), *u = typed(type, uncond, n);
        for (size_t i = 0; i < n; i++) {
            cond[i] = (float)df_dtype_load(type, c, i);
            uncond[i] = (float)df_dtype_load(type, u, i);
        }
        float *got = random_floats(n, 6);
        df_guidance(cond, uncond, 7.5f, want, n);
        assert_int_equal(df_cuda_guidance(got, type, c, u, 7.5f, (int64_t)n, NULL), cudaSuccess);
        assert_same(got, want, n, "guidance");
        assert_int_equal(df_cuda_guidance(got, type, c, NULL, 0, (int64_t)n, NULL), cudaSuccess);
        assert_same(got, cond, n, "no guidance");
        void *arrays[] = { cond, uncond, want, c, u, got };
        for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    }
}

/* Sums in another order than the CPU's: a factor that may be off by a rounding. */
static void test_guidance_rescale(void **state) {
    (void)state;
    static const float amounts[] = { 0.7f, 0.0f, 1.0f };
    const size_t n = 3000;
    float *cond = random_floats(n, 7), *got = random_floats(n, 8), *want = random_floats(n, 8);
    for (int r = 0; r < 3; r++) {
        for (size_t i = 0; i < n; i++) got[i] = want[i] *= 5.0f;
        df_guidance_rescale(want, cond, (double)amounts[r], n);
        assert_int_equal(df_cuda_guidance_rescale(got, DF_F32, cond, amounts[r], (int64_t)n, NULL), cudaSuccess);
        for (size_t i = 0; i < n; i++) assert_true(fabsf(got[i] - want[i]) <= 2e-7f * fabsf(want[i]));
    }
    for (size_t i = 0; i < n; i++) got[i] = want[i] = 2.0f; /* flat: left alone */
    assert_int_equal(df_cuda_guidance_rescale(got, DF_F32, cond, 0.7f, (int64_t)n, NULL), cudaSuccess);
    assert_same(got, want, n, "a flat output");
    free(cond);
    free(got);
    free(want);
}

static void test_combine(void **state) {
    (void)state;
    for (int s = 0; s < N_SIZES; s++) {
        const size_t n = (size_t)sizes[s];
        float *x[DF_VECTORS_MAX_TERMS], *by = random_floats(DF_VECTORS_MAX_TERMS, 9);
        for (int t = 0; t < DF_VECTORS_MAX_TERMS; t++) x[t] = random_floats(n, 10 + (uint64_t)t);
        for (int n_terms = 1; n_terms <= DF_VECTORS_MAX_TERMS; n_terms++) {
            df_term terms[DF_VECTORS_MAX_TERMS];
            float *want = random_floats(n, 20), *out = floats_of(x[n_terms - 1], n);
            for (int t = 0; t < n_terms; t++)
                terms[t] = (df_term) { by[t], t == n_terms - 1 ? out : x[t] }; /* over a term */
            for (size_t i = 0; i < n; i++) {
                want[i] = by[0] * x[0][i];
                for (int t = 1; t < n_terms; t++) want[i] += by[t] * x[t][i];
            }
            assert_int_equal(df_cuda_combine(out, terms, n_terms, (int64_t)n, NULL), cudaSuccess);
            assert_same(out, want, n, "combine");
            free(want);
            free(out);
        }
        assert_int_equal(df_cuda_combine(x[0], NULL, 0, (int64_t)n, NULL), cudaErrorInvalidValue);
        for (int t = 0; t < DF_VECTORS_MAX_TERMS; t++) free(x[t]);
        free(by);
    }
}

static void test_predict(void **state) {
    (void)state;
    static const float levels[][2] = { { 0.8f, 0.6f }, { 0.1f, 0.99f }, { 14.6f, 0.3f } };
    enum { N_WAYS = 27 }; /* what, kind, level */
    for (int s = 0; s < N_SIZES; s++) {
        const size_t n = (size_t)sizes[s];
        float *x = random_floats(n, 30), *p = random_floats(n, 31), *got = random_floats(n, 32);
        float *want = random_floats(n, 33);
        for (int way = 0; way < N_WAYS; way++) {
            df_predicted what = (df_predicted)(way / 9);
            df_prediction kind = (df_prediction)(way / 3 % 3);
            const float *at = levels[way % 3];
            for (size_t i = 0; i < n; i++) want[i] = df_predicted_of(what, kind, at[0], at[1], x[i], p[i]);
            assert_int_equal(df_cuda_predict(got, what, kind, at[0], at[1], x, p, (int64_t)n, NULL), cudaSuccess);
            assert_same(got, want, n, "prediction");
        }
        free(x);
        free(p);
        free(got);
        free(want);
    }
}

static void test_divide_clip_and_blend(void **state) {
    (void)state;
    for (int s = 0; s < N_SIZES; s++) {
        const size_t plane = (size_t)sizes[s], n = 2 * plane; /* two channels */
        float *x = random_floats(n, 40), *y = random_floats(n, 41), *mask = random_floats(plane, 42);
        float *got = random_floats(n, 43), *want = random_floats(n, 44);
        for (size_t i = 0; i < n; i++) want[i] = (x[i] - y[i]) / 0.03f;
        assert_int_equal(df_cuda_divide(got, x, y, 0.03f, (int64_t)n, NULL), cudaSuccess);
        assert_same(got, want, n, "slope");
        for (size_t i = 0; i < n; i++) want[i] = x[i] / 14.6f;
        assert_int_equal(df_cuda_divide(got, x, NULL, 14.6f, (int64_t)n, NULL), cudaSuccess);
        assert_same(got, want, n, "scaled input");
        for (size_t i = 0; i < n; i++) want[i] = fminf(fmaxf(got[i], -0.1f), 0.1f);
        assert_int_equal(df_cuda_clip(got, 0.1f, (int64_t)n, NULL), cudaSuccess);
        assert_same(got, want, n, "clip");
        for (size_t i = 0; i < n; i++) {
            const float m = mask[i % plane];
            want[i] = (1.0f - m) * y[i] + m * x[i];
        }
        assert_int_equal(df_cuda_blend(x, y, mask, (int64_t)n, (int64_t)plane, NULL), cudaSuccess);
        assert_same(x, want, n, "blend");
        float *arrays[] = { x, y, mask, got, want };
        for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    }
}

/* Numbers around every boundary between two levels, and beyond both ends. */
static void test_picture(void **state) {
    (void)state;
    static const df_dtype types[] = { DF_F32, DF_F16, DF_BF16 };
    const size_t n = 3 * 1040, all = ROWS * n;
    for (size_t t = 0; t < 3; t++) {
        float *x = random_floats(all, 50);
        for (size_t i = 0; i < all; i++) x[i] = ((float)(i % n) / 2 - 10) / 255 - 1;
        x[7] = 1e30f; /* infinite in f16 */
        x[2 * n + 5] = NAN;
        void *held = typed(types[t], x, all);
        uint8_t *got = NULL, *want = malloc(all);
        if (posix_memalign((void **)&got, 16, all)) fail_msg("%zu bytes", all);
        int32_t bad[ROWS] = { 0 }, again[ROWS] = { 0 };
        assert_int_equal(df_cuda_picture(got, bad, types[t], held, ROWS, (int64_t)n, NULL), cudaSuccess);
        assert_int_equal(df_cuda_find_not_finite(again, types[t], held, ROWS, (int64_t)n, NULL), cudaSuccess);
        for (size_t r = 0; r < ROWS; r++) {
            const char *row = (const char *)held + r * n * df_dtype_bytes(types[t]);
            const bool fine = df_picture_quantize(row, types[t], n, want + r * n);
            assert_int_equal(bad[r], !fine);
            assert_int_equal(again[r], !fine);
            if (fine) assert_memory_equal(got + r * n, want + r * n, n);
        }
        assert_int_equal(got[2 * n + 5], 0);
        free(x);
        free(held);
        free(got);
        free(want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise),   cmocka_unit_test(test_guidance), cmocka_unit_test(test_guidance_rescale),
        cmocka_unit_test(test_combine), cmocka_unit_test(test_predict),  cmocka_unit_test(test_divide_clip_and_blend),
        cmocka_unit_test(test_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
