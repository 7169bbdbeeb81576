/* The same bytes for every depth of a pipeline, alone and beside replicas: rows of mixed samplers, steps, guidance
 * and prompts, dealt to D pipelines of P ranks each (threads), against one rank. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/cluster/album.h"
#include "tests/cluster/thread_farm.h"

enum { DEPTH_MOST = 8, REPLICAS_MOST = 4, SIDE = 32, ROWS = 8 };

static void make_requests(const df_model *m, df_request q[ROWS]) {
    static const struct {
        const char *scheduler, *prompt;
        int steps;
        double guidance;
    } is[ROWS] = {
        { "ddim", "red apple", 2, 4 }, { "euler_a", "ghost", 1, 1 }, /* one model row beside two */
        { "pndm", "octopus", 2, 6 },   { "dpmpp_2m_karras", "red apple", 3, 2 },
        { "euler", "pizza", 1, 4 },    { "ddpm", "ghost", 2, 1 },
        { "heun", "rocket", 1, 3 },    { "lcm", "frog", 2, 0.5 },
    };
    df_err err;
    for (int i = 0; i < ROWS; i++) {
        q[i] = (df_request) { .prompt = is[i].prompt,
                              .negative = i % 3 ? "" : "blue",
                              .seed = (uint64_t)(100 + i),
                              .width = SIDE,
                              .height = SIDE,
                              .steps = is[i].steps,
                              .guidance = is[i].guidance };
        if (df_scheduler_named(&q[i].scheduler, is[i].scheduler, df_model_scheduler_path(m), &err))
            fail_msg("%s", err.text);
    }
}

typedef struct replica {
    thread_farm farm;
    df_renderer *renderer;
} replica;

static void open_replica(replica *r, const df_model *m, int depth, df_dtype dtype, album *out) {
    const df_pipeline_cfg cfg = {
        .backend = &df_backend_cpu, .backend_cfg = { .dtype = dtype, .threads = 1 }, .max_rows = 4, .n_slots = 3
    };
    const df_renderer_cfg how = {
        .micro_batch = 2, .ctx = out, .on_image = album_on_image, .on_step = album_on_step, .on_failed = album_on_failed
    };
    df_err err;
    thread_farm_open(&r->farm, m, depth, &cfg, false);
    if (df_renderer_open(&r->renderer, r->farm.pipeline, m, &how, &err)) fail_msg("%s", err.text);
}

/* Row i goes to replica i mod D; this thread is rank 0 of all, in turns. */
static void render(const df_model *m, const df_request *q, int depth, int replicas, df_dtype dtype, album *out) {
    replica r[REPLICAS_MOST];
    df_err err;
    for (int d = 0; d < replicas; d++) open_replica(&r[d], m, depth, dtype, out);
    for (int i = 0; i < ROWS; i++)
        if (df_renderer_add(r[i % replicas].renderer, (uint64_t)i, &q[i], &err)) fail_msg("%s", err.text);
    for (bool busy = true; busy;) {
        busy = false;
        for (int d = 0; d < replicas; d++) {
            if (!df_renderer_busy(r[d].renderer)) continue;
            busy = true;
            if (df_renderer_step(r[d].renderer, 200, &err)) fail_msg("%s", err.text);
        }
    }
    for (int d = 0; d < replicas; d++) {
        df_renderer_close(&r[d].renderer);
        thread_farm_close(&r[d].farm);
    }
}

static void render_and_compare(const df_model *m, const df_request *q, int depth, int replicas, df_dtype dtype,
                               const album *one) {
    const album_setup setup = { &df_backend_cpu, depth, 2, 3, dtype }; /* for the message */
    album all = { 0 };
    render(m, q, depth, replicas, dtype, &all);
    for (int i = 0; i < ROWS; i++) album_assert_same(&one->shot[i], &all.shot[i], i, &setup);
    album_free(&all);
}

static void check(df_dtype dtype) {
    if (df_backend_can_compute_in(&df_backend_cpu, dtype, NULL)) skip();
    df_request q[ROWS];
    df_model *m = thread_farm_starter();
    album one = { 0 };
    make_requests(m, q);
    render(m, q, 1, 1, dtype, &one);
    for (int depth = 1; depth <= DEPTH_MOST; depth++) {
        render_and_compare(m, q, depth, 1, dtype, &one);
        render_and_compare(m, q, depth, 2 + depth % (REPLICAS_MOST - 1), dtype, &one);
    }
    album_free(&one);
    df_model_close(&m);
}

static void test_in_f32(void **state) {
    (void)state;
    check(DF_F32);
}

static void test_in_bf16(void **state) {
    (void)state;
    check(DF_BF16);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_in_f32), cmocka_unit_test(test_in_bf16) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
