/* A denoiser is cut anew where ranks turn out slower than planned; the picture stays the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cluster/rank_pace.h"
#include "cluster/renderer.h"
#include "tests/cluster/album.h"

enum { SIDE = 32, PICTURES = 3, STEPS = 12, AFTER = 4, SLOWER = 20 };

static void test_speeds(void **state) {
    (void)state;
    const double planned[] = { 1, 2, 0, 1 };
    double speed[4] = { 1, 1, 0.25, 1 };
    df_rank_pace *p = df_rank_pace_new(4);
    assert_non_null(p);
    for (int i = 0; i < 20; i++) {
        bool held_up = i % 5 == 0; /* once in a while a pass takes ten times as long: nobody is slow for it */
        df_rank_pace_note(p, 0, 0, 0.010 * (held_up ? 10 : 1));
        df_rank_pace_note(p, 0, 1, 0.040);
        df_rank_pace_note(p, 0, 2, 0);
        if (i < 18) df_rank_pace_note(p, 0, 3, 0.0101);
    }
    assert_int_equal(df_rank_pace_passes(p), 18);
    df_rank_pace_speeds(p, planned, speed);
    assert_true(speed[0] == 1 && speed[1] == 0.5);
    assert_true(speed[2] == 0.25); /* it has no nodes: what was known of it stays */
    assert_true(speed[3] == 1); /* a hundredth is no difference */
    df_rank_pace_note(p, 1, 0, 0.020); /* of two halves the slower counts */
    df_rank_pace_speeds(p, planned, speed);
    assert_true(speed[0] > 0.49 && speed[0] < 0.53 && speed[3] == 1);
    df_rank_pace_free(&p);
}

/* The rank with this backend sleeps with each node many times as long as that took: on a busy machine, where the others
 * wait for a core, it still is the slow one. */
static df_code slow_run(df_kernel *k, int64_t n_rows, const void *const *in, const void *add_channel,
                        const void *residual, void *out, void *scratch, df_err *err) {
    int64_t start = df_clock_ns();
    df_code rc = df_backend_cpu.node_run(k, n_rows, in, add_channel, residual, out, scratch, err);
    usleep((useconds_t)(SLOWER * (df_clock_ns() - start) / 1000));
    return rc;
}

typedef struct told {
    int n, n_stages;
    double speed[THREAD_FARM_MOST]; /* the first time: a second cut refines, as the load of the machine has it */
} told;

static void on_recut(void *ctx, const double *speed, int n_stages) {
    told *t = ctx;
    t->n_stages = n_stages;
    if (!t->n++) memcpy(t->speed, speed, (size_t)n_stages * sizeof *speed);
}

/* slow: this rank; -1: none. *first_bytes, *last_bytes: what rank 0 holds of weights before and after. */
static void render(const df_model *m, int n_ranks, int n_halves, int slow, album *out, told *t, size_t *first_bytes,
                   size_t *last_bytes) {
    df_backend odd = df_backend_cpu;
    df_pipeline_cfg cfg[THREAD_FARM_MOST];
    thread_farm f;
    df_err err;
    odd.node_run = slow_run;
    *t = (told) { 0 };
    for (int r = 0; r < n_ranks; r++)
        cfg[r] = (df_pipeline_cfg) { .backend = r == slow ? &odd : &df_backend_cpu,
                                     .backend_cfg = { .dtype = DF_F32, .threads = 1 },
                                     .max_rows = 2,
                                     .n_slots = 2,
                                     .n_halves = n_halves,
                                     .recut_after = slow < 0 ? 0 : AFTER,
                                     .on_recut = on_recut,
                                     .on_recut_ctx = t };
    thread_farm_open(&f, m, n_ranks, cfg, true);
    const df_renderer_cfg how = {
        .micro_batch = 1, .ctx = out, .on_image = album_on_image, .on_step = album_on_step, .on_failed = album_on_failed
    };
    if (df_renderer_open(&out->renderer, f.pipeline, m, &how, &err)) fail_msg("%s", err.text);
    *first_bytes = 0;
    for (int next = 0; next < PICTURES || df_renderer_busy(out->renderer);) {
        for (; next < PICTURES && df_renderer_room(out->renderer) > 0; next++) {
            df_request q = { .prompt = "ghost",
                             .seed = (uint64_t)next,
                             .width = SIDE,
                             .height = SIDE,
                             .steps = STEPS,
                             .guidance = next ? 4 : 1 };
            assert_int_equal(df_scheduler_named(&q.scheduler, "ddim", df_model_scheduler_path(m), &err), DF_OK);
            assert_int_equal(df_renderer_add(out->renderer, (uint64_t)next, &q, &err), DF_OK);
        }
        if (df_renderer_step(out->renderer, 100000, &err)) fail_msg("%s", err.text);
        if (!t->n && out->shot[0].n_steps) *first_bytes = df_pipeline_memory(f.pipeline).weight_bytes;
    }
    *last_bytes = df_pipeline_memory(f.pipeline).weight_bytes;
    assert_int_equal(df_pipeline_recuts(f.pipeline), t->n);
    df_renderer_close(&out->renderer);
    thread_farm_close(&f);
    for (int r = 1; r < n_ranks; r++) assert_int_equal(f.rank[r].rc, DF_OK);
}

static void check(int n_ranks, int n_halves, int slow) {
    df_model *m = thread_farm_starter();
    album one = { 0 }, all = { 0 };
    told t;
    size_t first, last;
    const album_setup setup = { &df_backend_cpu, n_ranks, 1, 2, DF_F32 }; /* for the message */
    render(m, 1, 1, -1, &one, &t, &first, &last);
    assert_int_equal(t.n, 0);
    render(m, n_ranks, n_halves, slow, &all, &t, &first, &last);
    assert_true(t.n >= 1 && t.n <= 2);
    assert_int_equal(t.n_stages, n_ranks / n_halves);
    int stage = slow % t.n_stages;
    for (int i = 0; i < t.n_stages; i++)
        if (i != stage) assert_true(t.speed[i] > t.speed[stage]);
    if (slow > 0) assert_true(last > first); /* rank 0 has taken weights over */
    for (int i = 0; i < PICTURES; i++) album_assert_same(&one.shot[i], &all.shot[i], i, &setup);
    album_free(&one);
    album_free(&all);
    df_model_close(&m);
}

static void test_a_slow_rank_gets_less(void **state) {
    (void)state;
    check(2, 1, 1);
    check(3, 1, 0);
}

static void test_a_slow_rank_of_a_half(void **state) {
    (void)state;
    check(4, 2, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_speeds), cmocka_unit_test(test_a_slow_rank_gets_less),
                                        cmocka_unit_test(test_a_slow_rank_of_a_half) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
