/* Ranks that hang are found and named; ranks that are merely slow are not given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "tests/cluster/thread_farm.h"

enum { RANKS = 3, ODD_RANK = 1, STALL_MS = 1000 };

/* What the odd rank's kernels do before they run. */
static atomic_int node_ms; /* each takes so much longer */
static atomic_int one_node_ms; /* the next one does, once */
static atomic_bool hanging; /* the next one waits until this is over */

static df_code odd_run(df_kernel *k, int64_t n_rows, const void *const *in, const void *add_channel,
                       const void *residual, void *out, void *scratch, df_err *err) {
    int ms = atomic_load(&node_ms) + atomic_exchange(&one_node_ms, 0);
    if (ms) df_clock_sleep_ms(ms);
    while (atomic_load(&hanging)) df_clock_sleep_ms(10);
    return df_backend_cpu.node_run(k, n_rows, in, add_channel, residual, out, scratch, err);
}

typedef struct bench {
    df_model *model;
    df_backend odd;
    thread_farm farm;
    int unet;
} bench;

static int n_watched, n_loads; /* by rank 0's thread */

static void watch(void *nothing, const df_pipeline *p, bool now) {
    char where[160];
    (void)nothing;
    n_watched++;
    if (!now) return;
    n_loads++;
    assert_non_null(strstr(df_pipeline_where(p, 1, where, sizeof where), "load, command "));
}

static void open_bench(bench *b) {
    df_pipeline_cfg cfg[RANKS];
    df_err err;
    b->odd = df_backend_cpu;
    b->odd.node_run = odd_run;
    b->model = thread_farm_starter();
    for (int r = 0; r < RANKS; r++)
        cfg[r] = (df_pipeline_cfg) { .backend = r == ODD_RANK ? &b->odd : &df_backend_cpu,
                                     .backend_cfg = { .dtype = DF_F32, .threads = 1 },
                                     .max_rows = 1,
                                     .n_slots = 2,
                                     .watch = watch,
                                     .stall_timeout_ms = STALL_MS };
    thread_farm_open(&b->farm, b->model, RANKS, cfg, true);
    n_loads = 0;
    if (df_pipeline_load(b->farm.pipeline, DF_UNET, 16, 16, &b->unet, &err)) fail_msg("%s", err.text);
    assert_int_equal(n_loads, 1);
}

static df_code run_step(bench *b, int step, df_err *err) {
    df_pipeline_set_steps(b->farm.pipeline, 0, step, step);
    return thread_farm_run(&b->farm, 0, b->unet, 1, err);
}

static void close_bench(bench *b) {
    thread_farm_close(&b->farm);
    df_model_close(&b->model);
}

static void test_the_rank_that_hangs_is_named(void **state) {
    (void)state;
    bench b;
    df_err err;
    char where[160];
    open_bench(&b);
    assert_int_equal(run_step(&b, 0, &err), DF_OK);
    assert_string_equal(df_pipeline_where(b.farm.pipeline, 1, where, sizeof where), "idle");
    int n_before = n_watched;
    atomic_store(&hanging, true);
    df_code rc = run_step(&b, 7, &err);
    atomic_store(&hanging, false);
    assert_int_equal(rc, DF_ETIMEOUT);
    assert_non_null(strstr(err.text, "rank 1 hangs: silent for "));
    assert_non_null(strstr(err.text, "in stage 1 of unet 16x16, step 7, command "));
    assert_null(strstr(err.text, "more")); /* rank 2 only waits for it */
    assert_true(n_watched > n_before);
    df_pipeline_where(b.farm.pipeline, 1, where, sizeof where);
    assert_non_null(strstr(where, "stage 1 of unet 16x16, step 7, command "));
    assert_true(df_pipeline_is_broken(b.farm.pipeline));
    close_bench(&b);
}

/* In halves a rank's stage is told with its half. */
static void test_a_half_that_hangs_is_named(void **state) {
    (void)state;
    bench b = { .odd = df_backend_cpu };
    df_pipeline_cfg cfg[2];
    df_err err;
    int program, slot = -1;
    b.odd.node_run = odd_run;
    b.model = thread_farm_starter();
    for (int r = 0; r < 2; r++)
        cfg[r] = (df_pipeline_cfg) { .backend = r ? &b.odd : &df_backend_cpu,
                                     .backend_cfg = { .dtype = DF_F32, .threads = 1 },
                                     .max_rows = 2,
                                     .n_slots = 1,
                                     .n_halves = 2,
                                     .stall_timeout_ms = STALL_MS };
    thread_farm_open(&b.farm, b.model, 2, cfg, true);
    df_pipeline *p = b.farm.pipeline;
    if (df_pipeline_load(p, DF_UNET, 16, 16, &program, &err)) fail_msg("%s", err.text);
    df_code rc = DF_OK;
    for (int hang = 0; hang < 2 && !rc; hang++) {
        atomic_store(&hanging, hang);
        df_pipeline_set_steps(p, 0, 3, 3);
        assert_int_equal(df_pipeline_start_halves(p, 0, program, (const int64_t[]) { 1, 1 }, &err), DF_OK);
        for (slot = -1; !rc && slot < 0;) rc = df_pipeline_advance(p, 100000, &slot, &err);
    }
    atomic_store(&hanging, false);
    assert_int_equal(rc, DF_ETIMEOUT);
    assert_non_null(strstr(err.text, "rank 1 hangs: silent for "));
    assert_non_null(strstr(err.text, "in stage 0 of the second half of unet 16x16, step 3, command "));
    close_bench(&b);
}

/* Each segment of the odd rank takes longer than the time that was asked for; between nodes it is heard. */
static void test_a_long_segment_is_no_hang(void **state) {
    (void)state;
    bench b;
    df_err err;
    open_bench(&b);
    assert_int_equal(run_step(&b, 0, &err), DF_OK);
    atomic_store(&node_ms, 60);
    int64_t start = df_clock_ms();
    df_code rc = run_step(&b, 1, &err);
    atomic_store(&node_ms, 0);
    if (rc) fail_msg("%s", err.text);
    assert_true(df_clock_ms() - start > 2 * STALL_MS);
    close_bench(&b);
}

/* Before a pass has ended nobody knows what is long; later it is what has been seen. */
static void test_a_long_node_is_no_hang(void **state) {
    (void)state;
    bench b;
    df_err err;
    open_bench(&b);
    atomic_store(&one_node_ms, 2 * STALL_MS);
    if (run_step(&b, 0, &err)) fail_msg("%s", err.text);
    atomic_store(&one_node_ms, 4 * STALL_MS);
    if (run_step(&b, 1, &err)) fail_msg("%s", err.text);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_rank_that_hangs_is_named),
        cmocka_unit_test(test_a_half_that_hangs_is_named),
        cmocka_unit_test(test_a_long_segment_is_no_hang),
        cmocka_unit_test(test_a_long_node_is_no_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
