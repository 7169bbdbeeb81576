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
#include "engine/samplers/prediction.h"
#include "engine/samplers/sampler.h"

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
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const int64_t n = cases[c].n;
        df_cuda_noise_row from[ROWS];
        df_torch_cuda cpu[ROWS];
        float *got = random_floats((size_t)(ROWS * n), 1), *want = random_floats((size_t)(ROWS * n), 2);
        for (int r = 0; r < ROWS; r++) {
            from[r] = (df_cuda_noise_row) { 0x123456789abcdefu * (unsigned)(r + 1), r == 2 ? 0xffffffffu : 0 };
            df_torch_cuda_seed(&cpu[r], from[r].seed, cases[c].grid);
            cpu[r].offset = from[r].offset;
        }
        for (int draw = 0; draw < 2; draw++) {
            assert_int_equal(df_cuda_normal(got, from, ROWS, n, cases[c].grid, NULL), cudaSuccess);
            for (int r = 0; r < ROWS; r++) {
                df_torch_cuda_normal(&cpu[r], want + r * n, (size_t)n);
                from[r].offset += df_cuda_normal_advance(n, cases[c].grid);
                assert_true(from[r].offset == cpu[r].offset);
            }
            assert_same(got, want, (size_t)(ROWS * n), "noise");
        }
        free(got);
        free(want);
    }
}

static void test_guidance(void **state) {
    (void)state;
    static const df_dtype types[] = { DF_F32, DF_F16, DF_BF16 };
    static const float scale[ROWS] = { 7.5f, 1.0f, 2.25f };
    for (int s = 0; s < N_SIZES * 3; s++) {
        const df_dtype type = types[s / N_SIZES];
        const size_t n = (size_t)sizes[s % N_SIZES], all = ROWS * n;
        float *cond = random_floats(all, 3), *uncond = random_floats(all, 4), *want = random_floats(all, 5);
        void *c = typed(type, cond, all), *u = typed(type, uncond, all);
        for (size_t i = 0; i < all; i++) {
            cond[i] = (float)df_dtype_load(type, c, i);
            uncond[i] = (float)df_dtype_load(type, u, i);
        }
        float *got = random_floats(all, 6);
        for (size_t r = 0; r < ROWS; r++) df_guidance(cond + r * n, uncond + r * n, scale[r], want + r * n, n);
        assert_int_equal(df_cuda_guidance(got, type, c, u, scale, ROWS, (int64_t)n, NULL), cudaSuccess);
        assert_same(got, want, all, "guidance");
        assert_int_equal(df_cuda_guidance(got, type, c, NULL, NULL, ROWS, (int64_t)n, NULL), cudaSuccess);
        assert_same(got, cond, all, "no guidance");
        void *arrays[] = { cond, uncond, want, c, u, got };
        for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
    }
}

/* Sums in another order than the CPU's: a factor that may be off by a rounding. */
static void test_guidance_rescale(void **state) {
    (void)state;
    static const float amount[ROWS] = { 0.7f, 0.0f, 1.0f };
    const size_t n = 3000, all = ROWS * n;
    float *cond = random_floats(all, 7), *got = random_floats(all, 8), *want = random_floats(all, 8);
    for (size_t i = 0; i < all; i++) got[i] = want[i] *= 5.0f;
    for (size_t r = 0; r < ROWS; r++) df_guidance_rescale(want + r * n, cond + r * n, (double)amount[r], n);
    assert_int_equal(df_cuda_guidance_rescale(got, DF_F32, cond, amount, ROWS, (int64_t)n, NULL), cudaSuccess);
    for (size_t i = 0; i < all; i++) assert_true(fabsf(got[i] - want[i]) <= 2e-7f * fabsf(want[i]));
    for (size_t i = 0; i < n; i++) got[i] = want[i] = 2.0f; /* flat: left alone */
    assert_int_equal(df_cuda_guidance_rescale(got, DF_F32, cond, amount, 1, (int64_t)n, NULL), cudaSuccess);
    assert_same(got, want, n, "a flat output");
    free(cond);
    free(got);
    free(want);
}

static void test_combine(void **state) {
    (void)state;
    for (int s = 0; s < N_SIZES; s++) {
        const size_t n = (size_t)sizes[s], all = ROWS * n;
        float *term[DF_CUDA_MAX_TERMS], *coef = random_floats(ROWS * DF_CUDA_MAX_TERMS, 9);
        for (int t = 0; t < DF_CUDA_MAX_TERMS; t++) term[t] = random_floats(all, 10 + (uint64_t)t);
        for (int n_terms = 1; n_terms <= DF_CUDA_MAX_TERMS; n_terms++) {
            df_cuda_terms terms = { .n_terms = n_terms };
            float *want = random_floats(all, 20), *out = floats_of(term[n_terms - 1], all);
            for (int t = 0; t < n_terms; t++) terms.term[t] = t == n_terms - 1 ? out : term[t]; /* over a term */
            for (size_t i = 0; i < all; i++) {
                const float *by = coef + i / n * (size_t)n_terms;
                want[i] = by[0] * term[0][i];
                for (int t = 1; t < n_terms; t++) want[i] += by[t] * term[t][i];
            }
            assert_int_equal(df_cuda_combine(out, &terms, coef, ROWS, (int64_t)n, NULL), cudaSuccess);
            assert_same(out, want, all, "combine");
            free(want);
            free(out);
        }
        df_cuda_terms none = { .n_terms = 0 };
        assert_int_equal(df_cuda_combine(term[0], &none, coef, ROWS, (int64_t)n, NULL), cudaErrorInvalidValue);
        for (int t = 0; t < DF_CUDA_MAX_TERMS; t++) free(term[t]);
        free(coef);
    }
}

static float predicted_on_cpu(df_cuda_predicted what, df_prediction kind, const float *level, float x, float p) {
    if (what == DF_CUDA_CLEAN) return df_clean_of(kind, level[0], level[1], x, p);
    if (what == DF_CUDA_NOISE) return df_noise_of(kind, level[0], level[1], x, p);
    return df_clean_of_sigma(kind, level[0], x, p);
}

static void test_predict(void **state) {
    (void)state;
    static const float levels[2 * ROWS] = { 0.8f, 0.6f, 0.1f, 0.99f, 14.6f, 0.3f };
    for (int s = 0; s < N_SIZES; s++) {
        const size_t n = (size_t)sizes[s], all = ROWS * n;
        float *x = random_floats(all, 30), *p = random_floats(all, 31), *got = random_floats(all, 32);
        float *want = random_floats(all, 33);
        for (int what = DF_CUDA_CLEAN; what <= DF_CUDA_CLEAN_OF_SIGMA; what++)
            for (int kind = DF_PREDICT_EPSILON; kind <= DF_PREDICT_SAMPLE; kind++) {
                for (size_t i = 0; i < all; i++)
                    want[i] =
                        predicted_on_cpu((df_cuda_predicted)what, (df_prediction)kind, levels + i / n * 2, x[i], p[i]);
                assert_int_equal(df_cuda_predict(got, (df_cuda_predicted)what, (df_prediction)kind, levels, x, p, ROWS,
                                                 (int64_t)n, NULL),
                                 cudaSuccess);
                assert_same(got, want, all, "prediction");
            }
        free(x);
        free(p);
        free(got);
        free(want);
    }
}

static void test_divide_clip_and_blend(void **state) {
    (void)state;
    static const float by[ROWS] = { 14.6f, 0.03f, 3.0f }, limit[ROWS] = { 1.0f, 0.5f, INFINITY };
    for (int s = 0; s < N_SIZES; s++) {
        const size_t n = (size_t)sizes[s] * 2, plane = n / 2, all = ROWS * n; /* two channels */
        float *x = random_floats(all, 40), *y = random_floats(all, 41), *mask = random_floats(ROWS * plane, 42);
        float *got = random_floats(all, 43), *want = random_floats(all, 44);
        for (size_t i = 0; i < all; i++) want[i] = (x[i] - y[i]) / by[i / n];
        assert_int_equal(df_cuda_divide(got, x, y, by, ROWS, (int64_t)n, NULL), cudaSuccess);
        assert_same(got, want, all, "slope");
        for (size_t i = 0; i < all; i++) want[i] = x[i] / by[i / n];
        assert_int_equal(df_cuda_divide(got, x, NULL, by, ROWS, (int64_t)n, NULL), cudaSuccess);
        assert_same(got, want, all, "scaled input");
        for (size_t i = 0; i < all; i++) want[i] = fminf(fmaxf(got[i], -limit[i / n]), limit[i / n]);
        assert_int_equal(df_cuda_clip(got, limit, ROWS, (int64_t)n, NULL), cudaSuccess);
        assert_same(got, want, all, "clip");
        for (size_t i = 0; i < all; i++) {
            const float m = mask[i / n * plane + i % plane];
            want[i] = (1.0f - m) * y[i] + m * x[i];
        }
        assert_int_equal(df_cuda_blend(x, y, mask, ROWS, (int64_t)n, (int64_t)plane, NULL), cudaSuccess);
        assert_same(x, want, all, "blend");
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

static df_scheduler diffusion(df_scheduler_class klass) {
    return (df_scheduler) { .klass = klass,
                            .n_train_timesteps = 1000,
                            .beta_schedule = DF_BETA_SCALED_LINEAR,
                            .beta_start = 0.00085,
                            .beta_end = 0.012,
                            .prediction = DF_PREDICT_EPSILON,
                            .spacing = DF_SPACING_LEADING,
                            .steps_offset = 1,
                            .clip_sample_range = 1,
                            .name = "test" };
}

/* A walk of Euler's by these kernels is df_sampler's, byte by byte. */
static void test_euler_walk(void **state) {
    (void)state;
    enum { STEPS = 6 };
    const size_t n = 96;
    const df_scheduler cfg = diffusion(DF_SCHEDULER_EULER);
    df_sampler *s = NULL;
    df_err err = { 0 };
    if (df_sampler_new(&s, &cfg, STEPS, 0, n, &err)) fail_msg("%s", err.text);
    float *x = random_floats(n, 60), *want = random_floats(n, 60), *slope = random_floats(n, 61);
    int n_sigmas;
    const float *sigmas = df_sampler_sigmas(s, &n_sigmas);
    for (int call = 0; call < STEPS; call++) {
        float *model_output = random_floats(n, 70 + (uint64_t)call);
        const float levels[2] = { sigmas[call], 0 }, coef[2] = { 1, sigmas[call + 1] - sigmas[call] };
        if (df_sampler_step(s, call, model_output, want, NULL, NULL, &err)) fail_msg("%s", err.text);
        df_cuda_predict(slope, DF_CUDA_CLEAN_OF_SIGMA, cfg.prediction, levels, x, model_output, 1, (int64_t)n, NULL);
        df_cuda_divide(slope, x, slope, levels, 1, (int64_t)n, NULL);
        df_cuda_combine(x, &(df_cuda_terms) { { x, slope }, 2 }, coef, 1, (int64_t)n, NULL);
        assert_same(x, want, n, "a step of Euler's");
        free(model_output);
    }
    df_sampler_free(&s);
    free(x);
    free(want);
    free(slope);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise),   cmocka_unit_test(test_guidance),   cmocka_unit_test(test_guidance_rescale),
        cmocka_unit_test(test_combine), cmocka_unit_test(test_predict),    cmocka_unit_test(test_divide_clip_and_blend),
        cmocka_unit_test(test_picture), cmocka_unit_test(test_euler_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
