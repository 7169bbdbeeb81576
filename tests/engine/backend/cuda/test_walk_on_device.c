/* Whole walks of each task with their latents on a GPU's double: the bytes of a walk in the host's memory, and one wait
 * of the host, for the flags at the end. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/sampling/walk.h"
#include "tests/engine/backend/cuda/latents_on_double.h"
#include "tests/engine/samplers/step_cases.h"
#include "tests/support/golden.h"

enum { SIDE = 4, N = 4 * SIDE * SIDE, PIXELS = 16, STEPS = 6 }; /* the starter's autoencoder shrinks by 4 */

static df_model *model;
static uint8_t rgb[3 * PIXELS * PIXELS], white[PIXELS * PIXELS];
static const df_image image = { PIXELS, PIXELS, 3, rgb }, mask = { PIXELS, PIXELS, 1, white };

static int open_model(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 7);
    memset(white + sizeof white / 2, 255, sizeof white / 2); /* the lower half is drawn anew */
    return df_model_open(&model, golden_source_path("models/starter"), NULL);
}

static int close_model(void **state) {
    (void)state;
    df_model_close(&model);
    return 0;
}

typedef struct results {
    float samples[STEPS * 2][N], latents[N], z[N]; /* the denoiser's inputs, and what is left */
    int n_steps, n_waits; /* the host's, from after the first draw to the check */
    df_err failure; /* of the check */
} results;

static float *vector(const df_vectors *v) {
    df_err err;
    float *x = v->ops->alloc(v->ctx, N * sizeof *x, &err);
    if (!x) fail_msg("%s", err.text);
    return x;
}

/* What the denoiser says: bad at the step bad_step, -1: nowhere. */
static void say(const df_vectors *v, float *out, int step, int half, int bad_step) {
    float numbers[N];
    df_err err;
    step_numbers(numbers, N, step_output_seed(2 * step + half));
    if (step == bad_step) numbers[N / 2] = NAN;
    if (df_vectors_upload(v, out, numbers, N, &err)) fail_msg("%s", err.text);
}

static void encode(df_walk *w) {
    float moments[2 * N];
    df_err err;
    while (df_walk_next(w) == DF_WALK_ENCODE) {
        step_numbers(moments, 2 * N, 77);
        if (df_walk_take_moments(w, moments, &err)) fail_msg("%s", err.text);
    }
}

static void walk(const df_vectors *v, df_task task, const char *scheduler, int bad_step, results *r) {
    df_scheduler sched;
    df_err err;
    df_walk *w = NULL;
    int n_draws = 0;
    if (df_scheduler_named(&sched, scheduler, df_model_scheduler_path(model), &err)) fail_msg("%s", err.text);
    df_walk_cfg cfg = { .task = task,
                        .scheduler = &sched,
                        .steps = STEPS,
                        .guidance = 3,
                        .strength = 0.7,
                        .latent_h = SIDE,
                        .latent_w = SIDE,
                        .image = &image,
                        .mask = &mask,
                        .draw = step_draw,
                        .draw_ctx = &n_draws,
                        .vectors = v };
    if (df_walk_new(&w, model, &cfg, &err)) fail_msg("%s", err.text);
    encode(w);
    float *cond = vector(v), *uncond = vector(v), *samples[STEPS * 2], *z = vector(v);
    r->n_steps = df_walk_end_call(w) - df_walk_first_call(w);
    for (int i = 0; i < r->n_steps; i++) samples[i] = vector(v);
    r->n_waits = gpu_double_waits();
    for (int i = 0; df_walk_next(w) == DF_WALK_DENOISE; i++) {
        df_walk_write_sample(w, samples[i]);
        say(v, cond, i, 0, bad_step);
        say(v, uncond, i, 1, -1);
        df_walk_guide(w, cond, uncond);
        if (df_walk_step(w, &err)) break; /* the host knows at once */
        df_walk_blend(w);
    }
    df_walk_write_z(w, z);
    r->failure.code = DF_OK;
    df_walk_check(w, &r->failure);
    r->n_waits = gpu_double_waits() - r->n_waits;
    for (int i = 0; i < r->n_steps; i++) {
        v->ops->read(v->ctx, r->samples[i], samples[i], N * sizeof(float), &err);
        v->ops->free(v->ctx, samples[i]);
    }
    v->ops->read(v->ctx, r->latents, df_walk_latents(w), N * sizeof(float), &err);
    v->ops->read(v->ctx, r->z, z, N * sizeof(float), &err);
    float *rest[] = { cond, uncond, z };
    for (int i = 0; i < 3; i++) v->ops->free(v->ctx, rest[i]);
    df_walk_free(&w);
}

static void each_task_gives_the_bytes_of_the_host(void **state) {
    (void)state;
    static const df_task tasks[] = { DF_TASK_TXT2IMG, DF_TASK_IMG2IMG, DF_TASK_INPAINT };
    static const char *const schedulers[] = { "ddim", "euler_a", "dpmpp_2m", "heun", "unipc", "lms" };
    for (int k = 0; k < 3 * 6; k++) {
        results host, gpu;
        const char *scheduler = schedulers[k / 3];
        walk(&df_vectors_host, tasks[k % 3], scheduler, -1, &host);
        walk(&latents_gpu, tasks[k % 3], scheduler, -1, &gpu);
        if (host.failure.code || gpu.failure.code) fail_msg("%s: a bad step", scheduler);
        assert_int_equal(gpu.n_steps, host.n_steps);
        for (int i = 0; i < host.n_steps; i++) assert_memory_equal(gpu.samples[i], host.samples[i], sizeof host.z);
        assert_memory_equal(gpu.latents, host.latents, sizeof host.latents);
        assert_memory_equal(gpu.z, host.z, sizeof host.z);
        assert_int_equal(host.n_waits, 0);
        assert_int_equal(gpu.n_waits, 1);
    }
}

/* The step is named as the host names it, only later. */
static void the_first_bad_step_is_named(void **state) {
    (void)state;
    results host, gpu;
    walk(&df_vectors_host, DF_TASK_TXT2IMG, "ddim", 3, &host);
    walk(&latents_gpu, DF_TASK_TXT2IMG, "ddim", 3, &gpu);
    assert_int_equal(gpu.failure.code, DF_ENUMERIC);
    assert_string_equal(gpu.failure.text, "step 4 of 6: the model's output is not finite");
    assert_string_equal(gpu.failure.text, host.failure.text);
    assert_int_equal(gpu.n_waits, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_task_gives_the_bytes_of_the_host, latents_open, latents_close),
        cmocka_unit_test_setup_teardown(the_first_bad_step_is_named, latents_open, latents_close),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
