/* Rows that run through a segment in lanes: the bytes of rows that run together, in whatever order lanes get on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/engine/graph/graph_fixture.h"

enum { LANES = 3, GRAPHS = 25 };

/* The reference backend with lanes that run one after the other, each to its end before the next begins: what one
 * writes over another's rows is found every time. */
static bool last_first;
static int lanes_run, failing_lane = -1;

static int n_lanes(const void *ctx) {
    (void)ctx;
    return LANES;
}

static void each_lane(void *ctx, void (*fn)(void *arg, int lane), void *arg) {
    (void)ctx;
    for (int i = 0; i < LANES; i++) fn(arg, last_first ? LANES - 1 - i : i);
    lanes_run++;
}

static df_code lane_run(df_kernel *k, int lane, int64_t n_rows, const void *const *in, const void *add_channel,
                        const void *residual, void *out, void *scratch, df_err *err) {
    if (lane == failing_lane) return df_err_set(err, DF_EBACKEND, "lane %d fails", lane);
    return df_backend_reference.node_run(k, n_rows, in, add_channel, residual, out, scratch, err);
}

static df_backend reference_in_lanes(void) {
    df_backend b = df_backend_reference;
    b.n_lanes = n_lanes;
    b.each_lane = each_lane;
    b.lane_prepare = b.node_prepare;
    b.lane_run = lane_run;
    return b;
}

static void compare(const fixture_run *want_run, const fixture_run *got_run, uint64_t seed) {
    size_t want_bytes, got_bytes;
    void *want = fixture_outputs(want_run, &want_bytes), *got = fixture_outputs(got_run, &got_bytes);
    assert_int_equal(got_bytes, want_bytes);
    if (memcmp(got, want, want_bytes))
        fail_msg("graph %d, %d rows, %d stages: other bytes", (int)seed, (int)got_run->n_rows, got_run->cut->n_stages);
    free(want);
    free(got);
}

static void each_cut(const df_graph *g, uint64_t seed, fixture_run *want, fixture_run *got) {
    for (int n_stages = 1; n_stages <= 3; n_stages++) {
        df_cut *cut = NULL;
        int *stage_of = fixture_random_stages(g, seed, n_stages, n_stages == 3);
        assert_int_equal(df_cut_new(&cut, g, stage_of, n_stages, NULL), DF_OK);
        want->cut = got->cut = cut;
        compare(want, got, seed);
        df_cut_free(&cut);
        free(stage_of);
    }
}

static void test_lanes_keep_to_their_rows(void **state) {
    (void)state;
    const df_backend in_lanes = reference_in_lanes();
    lanes_run = 0;
    for (uint64_t seed = 0; seed < GRAPHS; seed++) {
        df_graph *g = fixture_fused_graph(seed);
        df_weights *weights = fixture_weights(g, NULL, 0);
        int64_t n_rows = seed % 2 ? 2 * LANES : 4 * LANES + 1;
        fixture_run want = { .g = g, .weights = weights, .dtype = DF_F32, .n_rows = n_rows };
        fixture_run got = want;
        got.backend = &in_lanes;
        for (int order = 0; order < 2; order++) {
            last_first = order;
            each_cut(g, seed, &want, &got);
        }
        df_weights_close(&weights);
        df_graph_free(&g);
    }
    assert_true(lanes_run > GRAPHS);
}

/* Threads for real; those that rows do not share well among run them together. */
static void test_threads_compute_the_same_bytes(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < GRAPHS; seed++) {
        df_graph *g = fixture_fused_graph(seed);
        df_weights *weights = fixture_weights(g, NULL, 0);
        fixture_run want = { .g = g, .weights = weights, .dtype = DF_F32, .n_rows = 4, .backend = &df_backend_cpu };
        fixture_run got = want;
        for (got.threads = 2; got.threads <= 4; got.threads++) each_cut(g, seed, &want, &got);
        df_weights_close(&weights);
        df_graph_free(&g);
    }
}

static void test_too_few_rows_run_together(void **state) {
    (void)state;
    const df_backend in_lanes = reference_in_lanes();
    df_graph *g = fixture_fused_graph(1);
    df_weights *weights = fixture_weights(g, NULL, 0);
    fixture_run want = { .g = g, .weights = weights, .dtype = DF_F32 }, got = want;
    got.backend = &in_lanes;
    lanes_run = 0;
    for (int64_t n = 1; n <= LANES + 1; n++) {
        if (n == LANES) continue;
        want.n_rows = got.n_rows = n;
        each_cut(g, 1, &want, &got);
    }
    assert_int_equal(lanes_run, 0);
    df_weights_close(&weights);
    df_graph_free(&g);
}

static void test_a_lane_that_fails(void **state) {
    (void)state;
    const df_backend in_lanes = reference_in_lanes();
    df_graph *g = fixture_fused_graph(2);
    df_cut *cut = NULL;
    df_err err = { 0 };
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    fixture_run run = { .g = g, .cut = cut, .dtype = DF_F32, .n_rows = LANES, .backend = &in_lanes };
    df_stage *s = fixture_stage(&run, 0, 1);
    failing_lane = 1;
    assert_int_equal(df_stage_run(s, 0, 0, LANES, &err), DF_EBACKEND);
    assert_non_null(strstr(err.text, "lane 1 fails"));
    assert_non_null(strstr(err.text, "stage 0"));
    assert_int_equal(df_stage_run(s, 0, 0, LANES, NULL), DF_EBACKEND);
    failing_lane = -1;
    assert_int_equal(df_stage_run(s, 0, 0, LANES, &err), DF_OK);
    df_stage_close(&s);
    df_cut_free(&cut);
    df_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lanes_keep_to_their_rows),
        cmocka_unit_test(test_threads_compute_the_same_bytes),
        cmocka_unit_test(test_too_few_rows_run_together),
        cmocka_unit_test(test_a_lane_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
