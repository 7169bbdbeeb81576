/* The state machine and the draws of a walk, with a network of the test's own; numbers are held against diffusers in
 * test_renderer_golden and client/eval. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "engine/sampling/walk.h"
#include "tests/support/golden.h"

enum { SIDE = 4, N = 4 * SIDE * SIDE, PIXELS = 16 }; /* the starter's autoencoder shrinks by 4 */

static df_model *model;
static uint8_t rgb[3 * PIXELS * PIXELS], white[PIXELS * PIXELS];
static const df_image image = { PIXELS, PIXELS, 3, rgb }, mask = { PIXELS, PIXELS, 1, white };

static int open_model(void **state) {
    (void)state;
    memset(white + sizeof white / 2, 255, sizeof white / 2); /* the lower half is drawn anew */
    return df_model_open(&model, golden_source_path("models/starter"), NULL);
}

static int close_model(void **state) {
    (void)state;
    df_model_close(&model);
    return 0;
}

typedef struct tape {
    int n_draws, fail_at;
} tape;

/* The k-th draw is k everywhere. */
static df_code draw(void *ctx, float *out, size_t n, df_err *err) {
    tape *t = ctx;
    if (++t->n_draws == t->fail_at) return df_err_set(err, DF_ENOTFOUND, "no draw %d", t->n_draws);
    for (size_t i = 0; i < n; i++) out[i] = (float)t->n_draws;
    return DF_OK;
}

static df_walk_cfg cfg_of(df_task task, const char *scheduler, df_scheduler *sched, tape *t) {
    df_err err;
    if (df_scheduler_named(sched, scheduler, df_model_scheduler_path(model), &err)) fail_msg("%s", err.text);
    return (df_walk_cfg) { .task = task,
                           .scheduler = sched,
                           .steps = 4,
                           .guidance = 3,
                           .strength = 0.5,
                           .latent_h = SIDE,
                           .latent_w = SIDE,
                           .image = &image,
                           .mask = &mask,
                           .draw = draw,
                           .draw_ctx = t };
}

static df_walk *walk_of(const df_walk_cfg *cfg) {
    df_walk *w = NULL;
    df_err err;
    if (df_walk_new(&w, model, cfg, &err)) fail_msg("%s", err.text);
    return w;
}

/* Mean `value`, no variance to speak of. */
static void encode(df_walk *w, float value) {
    float moments[2 * N];
    df_err err;
    assert_int_equal(df_walk_next(w), DF_WALK_ENCODE);
    for (int i = 0; i < 2 * N; i++) moments[i] = i < N ? value : -1e9f;
    if (df_walk_take_moments(w, moments, &err)) fail_msg("%s", err.text);
}

/* The network finds no noise at all. */
static void denoise(df_walk *w) {
    static const float out[N];
    float sample[N];
    df_err err;
    assert_int_equal(df_walk_next(w), DF_WALK_DENOISE);
    df_walk_write_sample(w, sample);
    df_walk_guide(w, out, df_walk_is_guided(w) ? out : NULL);
    if (df_walk_step(w, &err)) fail_msg("%s", err.text);
    df_walk_blend(w);
}

static void test_from_noise(void **state) {
    (void)state;
    df_scheduler sched;
    tape t = { 0 };
    df_walk_cfg cfg = cfg_of(DF_TASK_TXT2IMG, "ddim", &sched, &t);
    df_walk *w = walk_of(&cfg);
    assert_int_equal(t.n_draws, 1);
    assert_int_equal(df_walk_elements(w), N);
    assert_true(df_walk_latents(w)[N - 1] == 1);
    assert_true(df_walk_is_guided(w));
    for (int i = 0; i < 4; i++) denoise(w);
    assert_int_equal(df_walk_next(w), DF_WALK_DECODE);
    df_walk_free(&w);
    float start[N] = { [0] = 5 };
    cfg.start = start;
    cfg.guidance = 1;
    w = walk_of(&cfg);
    assert_int_equal(t.n_draws, 1); /* none */
    assert_true(df_walk_latents(w)[0] == 5);
    assert_false(df_walk_is_guided(w));
    df_walk_free(&w);
}

static void test_from_a_picture(void **state) {
    (void)state;
    df_scheduler sched;
    tape t = { 0 };
    df_walk_cfg cfg = cfg_of(DF_TASK_IMG2IMG, "heun", &sched, &t);
    df_walk *w = walk_of(&cfg);
    assert_true(df_walk_picture(w)[0] == -1); /* black */
    assert_int_equal(t.n_draws, 0);
    encode(w, 1);
    assert_int_equal(t.n_draws, 2); /* posterior, noise */
    assert_int_equal(df_walk_first_call(w), 4); /* two steps of two calls each */
    assert_int_equal(df_walk_end_call(w), 7);
    for (int i = 4; i < 7; i++) denoise(w);
    assert_int_equal(df_walk_next(w), DF_WALK_DECODE);
    df_walk_free(&w);
}

/* Blending ends with the source itself where the mask is black. */
static void test_the_source_is_kept(void **state) {
    (void)state;
    df_scheduler sched;
    tape t = { 0 };
    df_walk_cfg cfg = cfg_of(DF_TASK_INPAINT, "ddim", &sched, &t);
    df_walk *w = walk_of(&cfg);
    encode(w, 2);
    encode(w, 3); /* what the mask leaves: not used without a 9-channel U-Net, but drawn for */
    assert_int_equal(t.n_draws, 3);
    while (df_walk_next(w) == DF_WALK_DENOISE) denoise(w);
    float z[N];
    df_walk_write_z(w, z);
    for (int i = 0; i < N; i++) {
        bool upper = i % (SIDE * SIDE) < SIDE * SIDE / 2;
        assert_int_equal(fabsf(z[i] - 2) < 1e-4f, upper);
    }
    df_walk_free(&w);
}

static void test_what_goes_wrong_comes_back(void **state) {
    (void)state;
    df_scheduler sched;
    df_err err;
    tape t = { .fail_at = 1 };
    df_walk *w = NULL;
    df_walk_cfg cfg = cfg_of(DF_TASK_TXT2IMG, "ddim", &sched, &t);
    assert_int_equal(df_walk_new(&w, model, &cfg, &err), DF_ENOTFOUND);
    assert_string_equal(err.text, "no draw 1");
    assert_null(w);
    w = walk_of(&cfg);
    float out[N] = { [3] = NAN };
    df_walk_guide(w, out, NULL);
    assert_int_equal(df_walk_step(w, &err), DF_ENUMERIC);
    assert_non_null(strstr(err.text, "step 1 of 4"));
    df_walk_free(&w);
    cfg = cfg_of(DF_TASK_IMG2IMG, "ddim", &sched, &t);
    w = walk_of(&cfg);
    float moments[2 * N] = { INFINITY };
    assert_int_equal(df_walk_take_moments(w, moments, &err), DF_ENUMERIC);
    df_walk_free(&w);
}

/* As on a device: a step cannot say whether its numbers were finite, the check names the first that were not. */
static void test_a_late_place_is_checked_later(void **state) {
    (void)state;
    df_vectors_ops ops = *df_vectors_host.ops;
    ops.immediate = false;
    const df_vectors late = { &ops, NULL };
    df_scheduler sched;
    df_err err;
    tape t = { 0 };
    df_walk_cfg cfg = cfg_of(DF_TASK_TXT2IMG, "ddim", &sched, &t);
    cfg.vectors = &late;
    df_walk *w = walk_of(&cfg);
    for (int call = 0; call < 4; call++) {
        float out[N] = { [3] = call == 1 ? NAN : 0 };
        df_walk_guide(w, out, NULL);
        assert_int_equal(df_walk_step(w, &err), DF_OK);
        if (call == 0) assert_int_equal(df_walk_check(w, &err), DF_OK);
    }
    assert_int_equal(df_walk_next(w), DF_WALK_DECODE);
    assert_int_equal(df_walk_check(w, &err), DF_ENUMERIC);
    assert_non_null(strstr(err.text, "step 2 of 4"));
    df_walk_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_noise),
        cmocka_unit_test(test_from_a_picture),
        cmocka_unit_test(test_the_source_is_kept),
        cmocka_unit_test(test_what_goes_wrong_comes_back),
        cmocka_unit_test(test_a_late_place_is_checked_later),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
