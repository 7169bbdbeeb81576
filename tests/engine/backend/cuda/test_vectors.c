/* Walks on a GPU's double against walks in the host's memory: the same bytes for every class of sampler, and nothing
 * that the host waits for on the way. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/activations.h"
#include "engine/backend/cuda/parcels.h"
#include "tests/engine/backend/cuda/latents_on_double.h"
#include "tests/engine/samplers/step_cases.h"

enum { N = STEP_ELEMENTS, MOST_CALLS = 32 };

static float *vector(const df_vectors *v, size_t n) {
    df_err err;
    float *x = v->ops->alloc(v->ctx, n * sizeof *x, &err);
    if (!x) fail_msg("%s", err.text);
    return x;
}

static float *numbers(const df_vectors *v, size_t n, uint64_t seed) {
    df_err err;
    float *x = vector(v, n), *host = malloc(n * sizeof *host);
    step_numbers(host, n, seed);
    if (df_vectors_upload(v, x, host, n, &err)) fail_msg("%s", err.text);
    free(host);
    return x;
}

static void read_back(const df_vectors *v, float *to, float *x, size_t n) {
    df_err err;
    if (v->ops->read(v->ctx, to, x, n * sizeof *x, &err)) fail_msg("%s", err.text);
}

/* The model's input and x of every call, [2 * calls][N]; returns the calls. */
static int walk(const df_vectors *v, const step_run *run, df_torch_cuda *g, float *trace) {
    int n_draws = 0;
    df_err err;
    df_sampler *s = NULL;
    if (df_sampler_new_in(&s, v, &run->config, run->n_steps, run->eta, N, &err))
        fail_msg("%s: %s", run->name, err.text);
    df_sampler_draws_are_increments(s, run->increments);
    df_sampler_draw_from(s, g);
    const int first = run->first_call, n_calls = df_sampler_n_calls(s) - first;
    float *outputs[MOST_CALLS], *kept = vector(v, (size_t)(2 * n_calls * N));
    float *x = numbers(v, N, 2), *clean = numbers(v, N, 1);
    for (int i = 0; i < n_calls; i++) outputs[i] = numbers(v, N, step_output_seed(first + i));
    df_sampler_add_noise(s, first, clean, x, x);
    const int waits = gpu_double_waits();
    for (int i = 0; i < n_calls; i++) {
        df_sampler_scale_input(s, first + i, x, kept + (2 * i) * N);
        if (df_sampler_step(s, first + i, outputs[i], x, step_draw, &n_draws, &err)) fail_msg("%s", err.text);
        v->ops->copy(v->ctx, kept + (2 * i + 1) * N, x, N * sizeof *x);
    }
    if (!run->config.thresholding) assert_int_equal(gpu_double_waits(), waits);
    read_back(v, trace, kept, (size_t)(2 * n_calls * N));
    for (int i = 0; i < n_calls; i++) v->ops->free(v->ctx, outputs[i]);
    v->ops->free(v->ctx, kept);
    v->ops->free(v->ctx, x);
    v->ops->free(v->ctx, clean);
    df_sampler_free(&s);
    return n_calls;
}

static void assert_same_walk(const step_run *run, const float *got, const float *want, int n_calls) {
    for (int i = 0; i < 2 * n_calls * N; i++)
        if (memcmp(&got[i], &want[i], sizeof *got))
            fail_msg("%s, prediction %d, call %d: %s %d is %.9g, must be %.9g", run->name, run->config.prediction,
                     i / (2 * N), i / N % 2 ? "latent" : "model input", i % N, (double)got[i], (double)want[i]);
}

static void every_class_gives_the_bytes_of_the_host(void **state) {
    (void)state;
    static float got[2 * MOST_CALLS * N], want[2 * MOST_CALLS * N];
    for (int c = 0; c < step_n_cases(); c++)
        for (int kind = DF_PREDICT_EPSILON; kind <= DF_PREDICT_SAMPLE; kind++) {
            step_run run;
            step_run_of(&run, c, (df_prediction)kind);
            int n_calls = walk(&df_vectors_host, &run, NULL, want);
            assert_int_equal(walk(&latents_gpu, &run, NULL, got), n_calls);
            assert_same_walk(&run, got, want, n_calls);
        }
}

/* The host's generator and the device's stay in step, whoever draws. */
static df_code draw_on_host(void *ctx, float *out, size_t n, df_err *err) {
    (void)err;
    df_torch_cuda_normal(ctx, out, n);
    return DF_OK;
}

static void the_gpu_draws_its_own_noise(void **state) {
    (void)state;
    enum { MANY = 3000 };
    static float got[MANY], want[MANY];
    df_torch_cuda device, host;
    df_err err;
    df_torch_cuda_seed(&device, 7, 2);
    df_torch_cuda_seed(&host, 7, 2);
    float *x = vector(&latents_gpu, MANY);
    for (int draw = 0; draw < 4; draw++) {
        df_draw by_host = { draw_on_host, &device };
        if (df_vectors_draw(&latents_gpu, x, MANY, by_host, draw % 2 ? NULL : &device, &err)) fail_msg("%s", err.text);
        df_torch_cuda_normal(&host, want, MANY);
        read_back(&latents_gpu, got, x, MANY);
        assert_memory_equal(got, want, sizeof want);
    }
    latents_gpu.ops->free(latents_gpu.ctx, x);
}

/* More draws than parcels, none of which the host waits for until they run out. */
static void the_host_draws_ahead(void **state) {
    (void)state;
    enum { DRAWS = DF_CUDA_MOST_PARCELS };
    static float got[DRAWS * N];
    int n_draws = 0;
    df_err err;
    float *x = vector(&latents_gpu, DRAWS * N);
    const int waits = gpu_double_waits();
    for (int i = 0; i < DRAWS; i++)
        if (latents_gpu.ops->fill(latents_gpu.ctx, x + i * N, N, (df_draw) { step_draw, &n_draws }, &err))
            fail_msg("%s", err.text);
    assert_int_equal(gpu_double_waits(), waits);
    for (int i = 0; i < DRAWS; i++)
        if (latents_gpu.ops->fill(latents_gpu.ctx, x + i * N, N, (df_draw) { step_draw, &n_draws }, &err))
            fail_msg("%s", err.text);
    read_back(&latents_gpu, got, x, DRAWS * N);
    for (int i = 0, again = DRAWS; i < DRAWS; i++) {
        float want[N];
        step_draw(&again, want, N, &err);
        assert_memory_equal(got + i * N, want, sizeof want);
    }
    latents_gpu.ops->free(latents_gpu.ctx, x);
}

static df_code draw_fails(void *ctx, float *out, size_t n, df_err *err) {
    (void)ctx, (void)out, (void)n;
    return df_err_set(err, DF_EIO, "no noise today");
}

/* A stage's value, in memory and on a stream of its own, is written and read in each type; the double finds a missing
 * order, and memory of the host that a step would need. */
static void a_stage_gets_and_gives_numbers(void **state) {
    (void)state;
    enum { C = 4, AREA = 35, ALL = C * AREA };
    static const df_dtype types[] = { DF_F32, DF_F16, DF_BF16 };
    const df_vectors_ops *ops = latents_gpu.ops;
    float *x = numbers(&latents_gpu, ALL, 5), *back = vector(&latents_gpu, ALL);
    float from[ALL], want_back[ALL], got_back[ALL];
    char want[ALL * sizeof(float)], got[sizeof want];
    cudaStream_t stage;
    void *value, *seen;
    assert_int_equal(gpu_double.stream_create(&stage), cudaSuccess);
    assert_int_equal(gpu_double.alloc(&value, sizeof want), cudaSuccess);
    assert_int_equal(gpu_double.host_alloc(&seen, sizeof want), cudaSuccess);
    step_numbers(from, ALL, 5);
    for (int t = 0; t < 3; t++) {
        const size_t bytes = ALL * df_dtype_bytes(types[t]);
        const int waits = gpu_double_waits();
        ops->after(latents_gpu.ctx, stage); /* it has read what was there before */
        ops->to_stage(latents_gpu.ctx, value, types[t], x, C, AREA);
        ops->before(latents_gpu.ctx, stage);
        gpu_double.copy(seen, value, bytes, cudaMemcpyDeviceToHost, stage);
        ops->after(latents_gpu.ctx, stage);
        ops->from_stage(latents_gpu.ctx, back, types[t], value, C, AREA);
        assert_int_equal(gpu_double_waits(), waits);
        read_back(&latents_gpu, got_back, back, ALL); /* behind the stage's copy too */
        gpu_double_touch(seen, bytes, false);
        memcpy(got, seen, bytes);
        df_activations_write(want, from, C, AREA, types[t]);
        df_activations_read(want_back, want, C, AREA, types[t]);
        assert_memory_equal(got, want, bytes);
        assert_memory_equal(got_back, want_back, sizeof want_back);
    }
    gpu_double.stream_wait(stage);
    gpu_double.host_free(seen);
    gpu_double.free(value);
    gpu_double.stream_destroy(stage);
    ops->free(latents_gpu.ctx, x);
    ops->free(latents_gpu.ctx, back);
}

static void errors_are_told(void **state) {
    (void)state;
    df_err err;
    float *x = vector(&latents_gpu, N), host[N];
    assert_int_equal(latents_gpu.ops->fill(latents_gpu.ctx, x, N, (df_draw) { draw_fails, NULL }, &err), DF_EIO);
    latents_gpu.ops->combine(latents_gpu.ctx, x, NULL, 0, N); /* no term */
    assert_int_equal(latents_gpu.ops->read(latents_gpu.ctx, host, x, sizeof host, &err), DF_EBACKEND);
    assert_non_null(strstr(err.text, "a step's sum"));
    assert_int_equal(latents_gpu.ops->read(latents_gpu.ctx, host, x, sizeof host, &err), DF_OK); /* told once */
    for (int i = 0; i < N; i++) assert_true(host[i] == 0); /* as alloc left it */
    gpu_machine full = gpu_machine_usual;
    full.refused = 1;
    gpu_double_machine(&full);
    latents_gpu.ops->free(latents_gpu.ctx, x);
    assert_ptr_equal(x, latents_gpu.ops->alloc(latents_gpu.ctx, N * sizeof *x, &err)); /* kept: nothing is asked for */
    full.memory = gpu_double_allocated();
    full.refused = 0;
    gpu_double_machine(&full);
    assert_null(latents_gpu.ops->alloc(latents_gpu.ctx, (size_t)1 << 30, &err));
    assert_int_equal(err.code, DF_ENOMEM);
    latents_gpu.ops->free(latents_gpu.ctx, x);
}

static void what_is_not_finite_is_found(void **state) {
    (void)state;
    static const float bad[] = { 1, -INFINITY, 2 };
    df_err err;
    int32_t found[2];
    float *x = numbers(&latents_gpu, N, 1);
    int32_t *flags = latents_gpu.ops->alloc(latents_gpu.ctx, sizeof found, &err);
    latents_gpu.ops->find_not_finite(latents_gpu.ctx, flags, x, N);
    if (df_vectors_upload(&latents_gpu, x + N - 3, bad, 3, &err)) fail_msg("%s", err.text);
    latents_gpu.ops->find_not_finite(latents_gpu.ctx, flags + 1, x, N);
    if (latents_gpu.ops->read(latents_gpu.ctx, found, flags, sizeof found, &err)) fail_msg("%s", err.text);
    assert_int_equal(found[0], 0);
    assert_int_equal(found[1], 1);
    latents_gpu.ops->free(latents_gpu.ctx, flags);
    latents_gpu.ops->free(latents_gpu.ctx, x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_class_gives_the_bytes_of_the_host, latents_open, latents_close),
        cmocka_unit_test_setup_teardown(the_gpu_draws_its_own_noise, latents_open, latents_close),
        cmocka_unit_test_setup_teardown(the_host_draws_ahead, latents_open, latents_close),
        cmocka_unit_test_setup_teardown(a_stage_gets_and_gives_numbers, latents_open, latents_close),
        cmocka_unit_test_setup_teardown(errors_are_told, latents_open, latents_close),
        cmocka_unit_test_setup_teardown(what_is_not_finite_is_found, latents_open, latents_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
