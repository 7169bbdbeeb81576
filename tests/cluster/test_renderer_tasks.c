/* The starter model from pictures, with and without masks, beside rows that start from noise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/album.h"
#include "tests/cluster/thread_farm.h"

enum { SIDE = 64, WIDE = 80, HIGH = 48 };

static uint8_t square[3 * SIDE * SIDE], oblong[3 * WIDE * HIGH], half[SIDE * SIDE];
static const df_image picture = { SIDE, SIDE, 3, square }, other = { WIDE, HIGH, 3, oblong },
                      mask = { SIDE, SIDE, 1, half };

/* A red disc on a gradient; the mask is white on the right. */
static int paint(void **state) {
    (void)state;
    for (int i = 0; i < SIDE * SIDE; i++) {
        int x = i % SIDE - SIDE / 2, y = i / SIDE - SIDE / 2;
        bool in = x * x + y * y < 300;
        square[3 * i] = in ? 220 : (uint8_t)(3 * (i % SIDE));
        square[3 * i + 1] = in ? 30 : (uint8_t)(2 * (i / SIDE));
        square[3 * i + 2] = 40;
        half[i] = i % SIDE < SIDE / 2 ? 127 : 128; /* black and white as far as a mask goes */
    }
    for (int i = 0; i < 3 * WIDE * HIGH; i++) oblong[i] = (uint8_t)(i % 251);
    return 0;
}

static df_request request_of(const df_model *m, df_task task, const char *scheduler, int steps, double strength) {
    df_request q = { .task = task, .prompt = "red apple", .seed = 7, .steps = steps, .guidance = 4 };
    df_err err;
    q.strength = strength;
    if (task != DF_TASK_TXT2IMG) q.image = &picture;
    if (task == DF_TASK_INPAINT) q.mask = &mask;
    if (df_scheduler_named(&q.scheduler, scheduler, df_model_scheduler_path(m), &err)) fail_msg("%s", err.text);
    return q;
}

static int mixed_requests(const df_model *m, df_request *q) {
    int n = 0;
    q[n++] = request_of(m, DF_TASK_TXT2IMG, "ddim", 3, 0);
    q[n++] = request_of(m, DF_TASK_IMG2IMG, "euler_a", 5, 0.6);
    q[n++] = request_of(m, DF_TASK_INPAINT, "ddim", 3, 1);
    q[n++] = request_of(m, DF_TASK_INPAINT, "heun", 4, 0.7);
    q[n] = request_of(m, DF_TASK_IMG2IMG, "dpmpp_2m", 4, 0.5); /* the size is the picture's */
    q[n++].image = &other;
    q[n] = request_of(m, DF_TASK_IMG2IMG, "pndm", 4, 1); /* one model row */
    q[n++].guidance = 1;
    q[n] = request_of(m, DF_TASK_INPAINT, "euler_a", 4, 0.5);
    q[n++].prompt = "octopus";
    return n;
}

static void test_same_bytes_however_it_runs(void **state) {
    (void)state;
    static const album_setup setups[] = {
        { &df_backend_cpu, 1, 7, 1, DF_F32 }, { &df_backend_cpu, 1, 3, 2, DF_F32 },
        { &df_backend_cpu, 2, 4, 3, DF_F32 }, { &df_backend_cpu, 3, 2, 4, DF_F32 },
        { &df_backend_cpu, 4, 1, 6, DF_F32 },
    };
    df_model *m = thread_farm_starter();
    df_request q[ALBUM_MOST];
    int n = mixed_requests(m, q);
    album alone = { 0 };
    for (int i = 0; i < n; i++) {
        album one = { 0 };
        album_render(m, &(album_setup) { &df_backend_cpu, 1, 1, 1, DF_F32 }, &q[i], 1, &one);
        alone.shot[i] = one.shot[0];
    }
    assert_int_equal(alone.shot[1].n_steps, 3); /* 2 of 5 left out */
    assert_int_equal(alone.shot[4].width, WIDE);
    assert_int_equal(alone.shot[4].height, HIGH);
    for (size_t k = 0; k < sizeof setups / sizeof *setups; k++) {
        album all = { 0 };
        album_render(m, &setups[k], q, n, &all);
        for (int i = 0; i < n; i++) album_assert_same(&alone.shot[i], &all.shot[i], i, &setups[k]);
        album_free(&all);
    }
    album_free(&alone);
    df_model_close(&m);
}

/* Mean difference from ref, over columns first..end-1. */
static double distance(const album_shot *s, const uint8_t *ref, int first, int end) {
    double sum = 0;
    assert_int_equal(s->n_images, 1);
    for (int y = 0; y < SIDE; y++)
        for (int i = 3 * first; i < 3 * end; i++) sum += abs(s->rgb[3 * SIDE * y + i] - ref[3 * SIDE * y + i]);
    return sum / (3.0 * SIDE * (end - first));
}

/* The source is a picture that the model knows; what is drawn shall be another. */
static void test_what_is_kept(void **state) {
    (void)state;
    enum { EDGE = SIDE / 2, NEAR = 8 }; /* of the mask; what the decoder mixes */
    df_model *m = thread_farm_starter();
    album_setup s = { &df_backend_cpu, 1, 3, 1, DF_F32 };
    album source = { 0 }, a = { 0 };
    df_request apple = request_of(m, DF_TASK_TXT2IMG, "ddim", 20, 1);
    album_render(m, &s, &apple, 1, &source);
    uint8_t *ref = source.shot[0].rgb;
    const df_image drawn = { SIDE, SIDE, 3, ref };
    df_request q[3] = {
        request_of(m, DF_TASK_IMG2IMG, "ddim", 20, 0.1),
        request_of(m, DF_TASK_IMG2IMG, "ddim", 20, 1),
        request_of(m, DF_TASK_INPAINT, "ddim", 20, 1),
    };
    for (int i = 0; i < 3; i++) {
        q[i].image = &drawn;
        q[i].prompt = "octopus";
    }
    album_render(m, &s, q, 3, &a);
    assert_true(3 * distance(&a.shot[0], ref, 0, SIDE) < distance(&a.shot[1], ref, 0, SIDE));
    assert_true(3 * distance(&a.shot[2], ref, 0, EDGE - NEAR) < distance(&a.shot[1], ref, 0, EDGE - NEAR));
    assert_true(3 * distance(&a.shot[2], ref, 0, EDGE - NEAR) < distance(&a.shot[2], ref, EDGE + NEAR, SIDE));
    album_free(&source);
    album_free(&a);
    df_model_close(&m);
}

/* Decoded in tiles, a picture is what it is else but for rounding, and the same bytes however many run beside it. */
static void test_decoded_in_tiles(void **state) {
    (void)state;
    static const album_setup alone = { &df_backend_cpu, 1, 1, 1, DF_F32 }, setups[] = {
        { &df_backend_cpu, 1, 4, 2, DF_F32 },
        { &df_backend_cpu, 3, 2, 4, DF_F32 },
    };
    df_model *m = thread_farm_starter();
    df_request q[ALBUM_MOST];
    int n = mixed_requests(m, q);
    album whole = { 0 }, first = { .tile = 32 };
    album_render(m, &setups[0], q, n, &whole);
    album_render(m, &alone, q, n, &first);
    for (int i = 0; i < n; i++) {
        const album_shot *a = &whole.shot[i], *b = &first.shot[i];
        assert_int_equal(b->n_images, 1);
        assert_true(a->width == b->width && a->height == b->height);
        for (int k = 0; k < 3 * a->width * a->height; k++) assert_true(abs(a->rgb[k] - b->rgb[k]) <= 1);
    }
    for (size_t k = 0; k < sizeof setups / sizeof *setups; k++) {
        album all = { .tile = 32 };
        album_render(m, &setups[k], q, n, &all);
        for (int i = 0; i < n; i++) album_assert_same(&first.shot[i], &all.shot[i], i, &setups[k]);
        album_free(&all);
    }
    album_free(&first);
    album_free(&whole);
    df_model_close(&m);
}

/* Draws that are given replace the generator, in the order posterior, noise. */
typedef struct tape {
    df_noise *noise;
    int n_draws;
} tape;

static df_code draw(void *ctx, float *out, size_t n, df_err *err) {
    (void)err;
    tape *t = ctx;
    t->n_draws++;
    df_noise_normal(t->noise, out, n);
    return DF_OK;
}

static void test_draws_that_are_given(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_request q[2] = { request_of(m, DF_TASK_INPAINT, "euler_a", 4, 0.5) };
    tape t = { .noise = df_noise_new(DF_NOISE_TORCH_CPU, q[0].seed) };
    album a = { 0 };
    q[1] = q[0];
    q[1].draw = draw;
    q[1].draw_ctx = &t;
    album_setup s = { &df_backend_cpu, 1, 2, 1, DF_F32 };
    album_render(m, &s, q, 2, &a);
    album_assert_same(&a.shot[0], &a.shot[1], 1, &s);
    assert_int_equal(t.n_draws, 3 + 2); /* posterior, noise, masked posterior; two steps */
    df_noise_free(&t.noise);
    album_free(&a);
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes_however_it_runs),
        cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_draws_that_are_given),
        cmocka_unit_test(test_decoded_in_tiles),
    };
    return cmocka_run_group_tests(tests, paint, NULL);
}
