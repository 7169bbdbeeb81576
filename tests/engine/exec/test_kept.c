/* Keys and values that a row keeps from step to step: not made again, and never stale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/engine/graph/graph_fixture.h"

enum { X, C, FIRST = 0, K, V, Y, LAST, N_NODES, MAX_ROWS = 3 };

typedef struct setup {
    df_graph *g;
    df_cut *cut;
    df_weights *weights;
    fixture_run run;
    df_stage *stages[2];
    int n_stages;
    int64_t ns[N_NODES]; /* of the last run */
} setup;

static void open_all(setup *s, const int *stage_of, int n_stages, int n_slots) {
    *s = (setup) { .g = fixture_cross_attention(), .n_stages = n_stages };
    assert_int_equal(df_cut_new(&s->cut, s->g, stage_of, n_stages, NULL), DF_OK);
    s->weights = fixture_weights(s->g, NULL, 0);
    s->run = (fixture_run) { .g = s->g, .cut = s->cut, .weights = s->weights, .dtype = DF_F32, .n_rows = MAX_ROWS };
    for (int i = 0; i < n_stages; i++) {
        s->stages[i] = fixture_stage(&s->run, i, n_slots);
        for (int64_t n = 1; n <= MAX_ROWS; n++) assert_int_equal(df_stage_prepare(s->stages[i], n, NULL), DF_OK);
    }
}

static void close_all(setup *s) {
    for (int i = 0; i < s->n_stages; i++) df_stage_close(&s->stages[i]);
    df_weights_close(&s->weights);
    df_cut_free(&s->cut);
    df_graph_free(&s->g);
}

static const float *run(setup *s, int slot, int64_t x, int64_t c, int64_t n) {
    df_value_id out = df_graph_find_output(s->g, "out");
    s->run.n_rows = n;
    fixture_fill_input(s->g, X, x, n, DF_F32, df_stage_value(s->stages[0], slot, s->g->inputs[X].value, n));
    fixture_fill_input(s->g, C, c, n, DF_F32, df_stage_value(s->stages[0], slot, s->g->inputs[C].value, n));
    memset(s->ns, 0, sizeof s->ns);
    for (int i = 0; i < s->cut->n_segments; i++) {
        fixture_copy_edges(&s->run, s->stages, slot, i);
        df_stage *stage = s->stages[s->cut->segments[i].stage];
        assert_int_equal(df_stage_run_timed(stage, slot, i, n, s->ns, NULL), DF_OK);
    }
    fixture_copy_edges(&s->run, s->stages, slot, s->cut->n_segments);
    return df_stage_value(s->stages[0], slot, out, n);
}

/* Runs x and c; the result is that of stages that have never run before, and k and v have run if `made`. */
static void check(setup *s, int slot, int64_t x, int64_t c, int64_t n, bool made) {
    static const int whole[N_NODES] = { 0 };
    setup fresh;
    open_all(&fresh, whole, 1, 1);
    const float *want = run(&fresh, 0, x, c, n), *got = run(s, slot, x, c, n);
    assert_memory_equal(got, want, (size_t)n * 32 * sizeof *got);
    assert_int_equal(s->ns[K] > 0, made);
    assert_int_equal(s->ns[V] > 0, made);
    assert_true(s->ns[FIRST] > 0 && s->ns[Y] > 0 && s->ns[LAST] > 0);
    close_all(&fresh);
}

static void steps(setup *s) {
    check(s, 0, 0, 0, 3, true);
    check(s, 0, 10, 0, 3, false); /* the next step of the same rows */
    check(s, 0, 20, 1, 3, true); /* other prompts */
    check(s, 0, 30, 1, 3, false);
    check(s, 0, 40, 1, 2, true); /* other rows, also in number */
    check(s, 0, 50, 1, 2, false);
    check(s, 0, 60, 1, 3, true);
    check(s, 1, 70, 1, 3, true); /* another slot */
    check(s, 0, 80, 1, 3, false);
    check(s, 1, 90, 1, 3, false);
}

static void test_whole(void **state) {
    (void)state;
    static const int whole[N_NODES] = { 0 };
    setup s;
    open_all(&s, whole, 1, 2);
    steps(&s);
    assert_int_equal(df_stage_reserve(s.stages[0], MAX_ROWS, 2, NULL), DF_OK);
    check(&s, 0, 0, 1, 3, true); /* what was there is lost */
    close_all(&s);
}

/* What is made where it is read stays there; what travels is made for each pass. */
static void test_stages(void **state) {
    (void)state;
    static const int away[N_NODES] = { 0, 1, 1, 1, 0 }, between[N_NODES] = { 0, 0, 1, 1, 0 };
    setup s;
    open_all(&s, away, 2, 2);
    steps(&s);
    close_all(&s);
    open_all(&s, between, 2, 1);
    for (int64_t x = 0; x < 3; x++) {
        run(&s, 0, x, 5, 3);
        assert_true(s.ns[K] > 0);
        assert_int_equal(s.ns[V] > 0, x == 0);
    }
    close_all(&s);
}

static void count(void *ctx, const df_node *node, const void *out, int64_t n_rows) {
    (void)node;
    (void)out;
    (void)n_rows;
    ++*(int *)ctx;
}

static void test_a_tap_sees_every_node(void **state) {
    (void)state;
    static const int whole[N_NODES] = { 0 };
    setup s;
    int n = 0;
    open_all(&s, whole, 1, 1);
    run(&s, 0, 0, 0, 3);
    df_stage_set_tap(s.stages[0], count, &n);
    run(&s, 0, 1, 0, 3);
    assert_int_equal(n, N_NODES);
    close_all(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_a_tap_sees_every_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
