#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/graph/fuse.h"
#include "tests/engine/graph/graph_fixture.h"

static df_cut *whole(const df_graph *g) {
    df_cut *cut = NULL;
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    return cut;
}

/* Every cut, run stage by stage with the edges copied, gives the bytes of the whole run. */
static void test_every_cut_computes_the_same_bytes(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 25; seed++) {
        df_graph *g = fixture_fused_graph(seed);
        df_cut *one = whole(g);
        size_t bytes, cut_bytes;
        df_weights *weights = fixture_weights(g, NULL, 0);
        fixture_run run = { .g = g, .cut = one, .weights = weights, .dtype = DF_F32, .n_rows = 2 };
        void *want = fixture_outputs(&run, &bytes);
        for (int n_stages = 1; n_stages <= 4; n_stages++)
            for (int kind = 0; kind < 3; kind++) {
                df_cut *cut = fixture_random_cut(g, seed, n_stages, kind);
                run.cut = cut;
                void *got = fixture_outputs(&run, &cut_bytes);
                assert_int_equal(cut_bytes, bytes);
                if (memcmp(got, want, bytes))
                    fail_msg("graph %d in %d stages, kind %d: other bytes", (int)seed, n_stages, kind);
                free(got);
                df_cut_free(&cut);
            }
        free(want);
        df_weights_close(&weights);
        df_cut_free(&one);
        df_graph_free(&g);
    }
}

/* Outputs lie one after the other, each [n_rows][row]: row 2 of three against the only row of one. */
static void test_rows_are_independent(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        df_graph *g = fixture_fused_graph(seed);
        df_cut *cut = whole(g);
        size_t bytes;
        df_weights *weights = fixture_weights(g, NULL, 0);
        fixture_run run = { .g = g, .cut = cut, .weights = weights, .dtype = DF_F32, .n_rows = 3 };
        char *three = fixture_outputs(&run, &bytes), *at_three = three;
        run.first_row = 2;
        run.n_rows = 1;
        char *alone = fixture_outputs(&run, &bytes), *at_alone = alone;
        for (int i = 0; i < g->n_outputs; i++) {
            size_t row = (size_t)df_shape_elements(df_graph_shape(g, g->outputs[i].value)) * sizeof(float);
            assert_memory_equal(at_three + 2 * row, at_alone, row);
            at_three += 3 * row;
            at_alone += row;
        }
        free(three);
        free(alone);
        df_weights_close(&weights);
        df_cut_free(&cut);
        df_graph_free(&g);
    }
}

/* Two micro-batches in flight on the same stages, their segments interleaved: scratch is shared, slots are not. */
static void test_slots_do_not_disturb_each_other(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        df_graph *g = fixture_fused_graph(seed);
        df_cut *cut = fixture_random_cut(g, seed, 3, 1);
        df_stage *stages[3];
        void *want[2];
        size_t bytes;
        df_weights *weights = fixture_weights(g, NULL, 0);
        fixture_run run = { .g = g, .cut = cut, .weights = weights, .dtype = DF_F32, .n_rows = 2 };
        for (int slot = 0; slot < 2; slot++) {
            run.first_row = 10 * slot;
            want[slot] = fixture_outputs(&run, &bytes);
        }
        for (int s = 0; s < 3; s++) stages[s] = fixture_stage(&run, s, 2);
        for (int slot = 0; slot < 2; slot++)
            for (int i = 0; i < g->n_inputs; i++)
                fixture_fill_input(g, i, 10 * slot, 2, DF_F32, df_stage_value(stages[0], slot, g->inputs[i].value, 2));
        for (int s = 0; s <= cut->n_segments; s++)
            for (int slot = 0; slot < 2; slot++) {
                fixture_copy_edges(&run, stages, slot, s);
                if (s == cut->n_segments) continue;
                assert_int_equal(df_stage_run(stages[cut->segments[s].stage], slot, s, 2, NULL), DF_OK);
            }
        for (int slot = 0; slot < 2; slot++) {
            char *at = want[slot];
            for (int i = 0; i < g->n_outputs; i++) {
                size_t n = df_stage_value_bytes(stages[0], g->outputs[i].value, 2);
                assert_memory_equal(df_stage_value(stages[0], slot, g->outputs[i].value, 2), at, n);
                at += n;
            }
            free(want[slot]);
        }
        for (int s = 0; s < 3; s++) df_stage_close(&stages[s]);
        df_weights_close(&weights);
        df_cut_free(&cut);
        df_graph_free(&g);
    }
}

/* in -> linear "first" -> gelu, reshape -> linear "second" -> out; 4 tokens of 8 */
static df_graph *small_graph(void) {
    df_graph *g = df_graph_new("small");
    df_value_id x = df_graph_input(g, "in", DF_F32, DF_SHAPE(4, 8));
    x = df_g_activation(g, "act", df_g_linear(g, "first", x, 8, false), DF_ACT_GELU);
    x = df_g_reshape(g, "reshape", x, DF_SHAPE(2, 2, 8));
    df_graph_output(g, "out", df_g_linear(g, "second", x, 6, false));
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    assert_int_equal(df_graph_fuse(g, NULL), DF_OK);
    return g;
}

static df_code open_stage(df_stage **s, const df_graph *g, const df_cut *cut, int stage, const df_weights *weights,
                          df_dtype dtype, df_err *err) {
    df_stage_cfg cfg = { .graph = g,
                         .cut = cut,
                         .stage = stage,
                         .weights = weights,
                         .backend = &df_backend_reference,
                         .backend_cfg = { .dtype = dtype, .threads = 1 } };
    return df_stage_open(s, &cfg, err);
}

/* Stage 0 has "first", stage 1 the reshape and "second". */
static df_cut *small_cut(const df_graph *g) {
    df_cut *cut = NULL;
    assert_int_equal(g->n_nodes, 3);
    assert_int_equal(df_cut_new(&cut, g, (int[]) { 0, 1, 1 }, 2, NULL), DF_OK);
    return cut;
}

static void test_reads_only_its_own_weights(void **state) {
    (void)state;
    df_graph *g = small_graph();
    df_cut *cut = small_cut(g);
    df_weights *weights = fixture_weights(g, cut, 1); /* no "first" in the file */
    df_stage *s = NULL;
    df_err err = { 0 };
    assert_int_equal(open_stage(&s, g, cut, 1, weights, DF_F32, &err), DF_OK);
    assert_int_equal(df_stage_memory_of(s).weight_bytes, (6 * 8 + 6) * 4);
    df_stage_close(&s);
    df_code rc = open_stage(&s, g, cut, 0, weights, DF_F32, &err);
    assert_int_not_equal(rc, DF_OK);
    assert_int_equal(err.code, rc);
    assert_null(s);
    assert_non_null(strstr(err.text, "graph 'small', stage 0, linear 'first'"));
    assert_non_null(strstr(err.text, "'first.weight'"));
    df_weights_close(&weights);
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_open_refuses(void **state) {
    (void)state;
    df_graph *g = small_graph();
    df_cut *cut = small_cut(g);
    df_weights *weights = fixture_weights(g, NULL, 0);
    df_stage *s = NULL;
    df_err err = { 0 };
    assert_int_equal(open_stage(&s, g, cut, 2, weights, DF_F32, &err), DF_EINVAL);
    assert_int_equal(open_stage(&s, g, cut, -1, weights, DF_F32, &err), DF_EINVAL);
    assert_int_equal(open_stage(&s, g, cut, 0, weights, DF_U8, &err), DF_EUNSUPPORTED);
    assert_int_equal(open_stage(&s, g, cut, 0, weights, DF_U8, NULL), DF_EUNSUPPORTED);
    assert_null(s);
    g->weights[0].shape.dim[1] = 9; /* as if the file had another shape than the graph */
    assert_int_equal(open_stage(&s, g, cut, 0, weights, DF_F32, &err), DF_ESHAPE);
    assert_non_null(strstr(err.text, "[8, 8]"));
    assert_non_null(strstr(err.text, "[8, 9]"));
    df_weights_close(&weights);
    df_cut_free(&cut);
    df_graph_free(&g);
}

typedef struct opened {
    df_graph *g;
    df_cut *cut;
    df_stage *s;
} opened;

static opened open_whole(int64_t rows, int slots, df_dtype dtype) {
    opened o = { .g = small_graph() };
    o.cut = whole(o.g);
    fixture_run run = { .g = o.g, .cut = o.cut, .dtype = dtype, .n_rows = rows };
    o.s = fixture_stage(&run, 0, slots);
    return o;
}

static void close_all(opened *o) {
    df_stage_close(&o->s);
    assert_null(o->s);
    df_cut_free(&o->cut);
    df_graph_free(&o->g);
}

static void test_runs_only_what_was_prepared(void **state) {
    (void)state;
    opened o = open_whole(4, 2, DF_F32);
    df_value_id in = df_graph_find_input(o.g, "in");
    memset(df_stage_value(o.s, 0, in, 2), 0, df_stage_value_bytes(o.s, in, 2));
    assert_int_equal(df_stage_run(o.s, 0, 0, 2, NULL), DF_EINVAL);
    assert_int_equal(df_stage_prepare(o.s, 5, NULL), DF_EINVAL); /* over the capacity */
    assert_int_equal(df_stage_prepare(o.s, 0, NULL), DF_EINVAL);
    assert_int_equal(df_stage_prepare(o.s, 2, NULL), DF_OK);
    assert_int_equal(df_stage_prepare(o.s, 2, NULL), DF_OK);
    assert_int_equal(df_stage_run(o.s, 0, 0, 2, NULL), DF_OK);
    assert_int_equal(df_stage_run(o.s, 2, 0, 2, NULL), DF_EINVAL); /* no such slot */
    assert_int_equal(df_stage_run(o.s, 0, 1, 2, NULL), DF_EINVAL); /* no such segment */
    assert_int_equal(df_stage_run(o.s, 0, -1, 2, NULL), DF_EINVAL);
    assert_int_equal(df_stage_reserve(o.s, 0, 1, NULL), DF_EINVAL);
    assert_int_equal(df_stage_reserve(o.s, DF_MAX_ROWS + 1, 1, NULL), DF_EINVAL);
    assert_int_equal(df_stage_reserve(o.s, 1, 0, NULL), DF_EINVAL);
    close_all(&o);
}

static void test_another_stages_segment(void **state) {
    (void)state;
    df_graph *g = small_graph();
    df_cut *cut = small_cut(g);
    fixture_run run = { .g = g, .cut = cut, .dtype = DF_F32, .n_rows = 1 };
    df_stage *s = fixture_stage(&run, 1, 1);
    assert_int_equal(df_stage_run(s, 0, 0, 1, NULL), DF_EINVAL);
    assert_null(df_stage_value(s, 0, df_graph_find_input(g, "in"), 1)); /* not here */
    assert_non_null(df_stage_value(s, 0, g->nodes[0].out, 1)); /* received */
    assert_ptr_equal(df_stage_value(s, 0, g->nodes[0].out, 1), df_stage_value(s, 0, g->nodes[1].out, 1)); /* alias */
    df_stage_close(&s);
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_addresses(void **state) {
    (void)state;
    opened o = open_whole(3, 2, DF_F64);
    df_value_id in = df_graph_find_input(o.g, "in");
    assert_int_equal(df_stage_value_bytes(o.s, in, 3), 3 * 4 * 8 * sizeof(double));
    char *a = df_stage_value(o.s, 0, in, 3), *b = df_stage_value(o.s, 1, in, 3);
    assert_true(a + df_stage_value_bytes(o.s, in, 3) <= b);
    assert_int_equal((uintptr_t)a % 64, 0);
    assert_int_equal((uintptr_t)b % 64, 0);
    assert_null(df_stage_value(o.s, 2, in, 3));
    assert_null(df_stage_value(o.s, 0, in, 4));
    assert_null(df_stage_value(o.s, 0, DF_NO_VALUE, 3));
    assert_null(df_stage_value(o.s, 0, 1000, 3));
    assert_null(df_stage_value(o.s, 0, o.g->nodes[0].out, 3)); /* scratch */
    df_stage_memory m = df_stage_memory_of(o.s);
    assert_int_equal(m.weight_bytes, (8 * 8 + 8 + 6 * 8 + 6) * 4);
    assert_true(m.slot_bytes >= 2 * df_stage_value_bytes(o.s, in, 3));
    assert_true(m.scratch_bytes >= 3 * 4 * 8 * sizeof(double));
    close_all(&o);
}

/* Growing keeps what was prepared, and the numbers. */
static void test_grows(void **state) {
    (void)state;
    opened o = open_whole(2, 1, DF_F32);
    df_value_id in = df_graph_find_input(o.g, "in"), out = df_graph_find_output(o.g, "out");
    size_t bytes = df_stage_value_bytes(o.s, out, 2);
    fixture_fill_input(o.g, 0, 0, 2, DF_F32, df_stage_value(o.s, 0, in, 2));
    assert_int_equal(df_stage_run(o.s, 0, 0, 2, NULL), DF_OK);
    char *before = malloc(bytes);
    memcpy(before, df_stage_value(o.s, 0, out, 2), bytes);
    assert_int_equal(df_stage_reserve(o.s, 5, 3, NULL), DF_OK);
    fixture_fill_input(o.g, 0, 0, 2, DF_F32, df_stage_value(o.s, 2, in, 2));
    assert_int_equal(df_stage_run(o.s, 2, 0, 2, NULL), DF_OK);
    assert_memory_equal(df_stage_value(o.s, 2, out, 2), before, bytes);
    assert_int_equal(df_stage_reserve(o.s, 1, 1, NULL), DF_OK); /* smaller: two rows do not fit any more */
    assert_int_equal(df_stage_run(o.s, 0, 0, 2, NULL), DF_EINVAL);
    free(before);
    close_all(&o);
}

typedef struct seen {
    int n;
    char names[8][32];
    float first_of_last;
} seen;

static void tap(void *ctx, const df_node *node, const void *out, int64_t n_rows) {
    seen *s = ctx;
    assert_int_equal(n_rows, 1);
    strncpy(s->names[s->n++], node->name, sizeof s->names[0] - 1);
    s->first_of_last = *(const float *)out;
}

static void test_tap_sees_every_node(void **state) {
    (void)state;
    opened o = open_whole(1, 1, DF_F32);
    seen s = { 0 };
    fixture_fill_input(o.g, 0, 0, 1, DF_F32, df_stage_value(o.s, 0, df_graph_find_input(o.g, "in"), 1));
    df_stage_set_tap(o.s, tap, &s);
    assert_int_equal(df_stage_run(o.s, 0, 0, 1, NULL), DF_OK);
    assert_int_equal(s.n, 3);
    assert_string_equal(s.names[0], "first");
    assert_string_equal(s.names[1], "reshape");
    assert_string_equal(s.names[2], "second");
    const float *out = df_stage_value(o.s, 0, df_graph_find_output(o.g, "out"), 1);
    assert_memory_equal(&s.first_of_last, out, sizeof(float));
    df_stage_set_tap(o.s, NULL, NULL);
    assert_int_equal(df_stage_run(o.s, 0, 0, 1, NULL), DF_OK);
    assert_int_equal(s.n, 3);
    close_all(&o);
}

typedef struct told {
    int n, nodes[8];
} told;

static void on_node(void *ctx, int node) {
    told *t = ctx;
    t->nodes[t->n++] = node;
}

static void test_tells_each_node(void **state) {
    (void)state;
    opened o = open_whole(2, 1, DF_F32);
    told t = { 0 };
    fixture_fill_input(o.g, 0, 0, 1, DF_F32, df_stage_value(o.s, 0, df_graph_find_input(o.g, "in"), 1));
    df_stage_set_on_node(o.s, on_node, &t);
    assert_int_equal(df_stage_prepare(o.s, 1, NULL), DF_OK);
    assert_int_equal(t.n, 2); /* the reshape has no kernel */
    assert_int_equal(df_stage_run(o.s, 0, 0, 1, NULL), DF_OK);
    assert_int_equal(t.n, 5);
    for (int i = 0; i < 3; i++) assert_int_equal(t.nodes[2 + i], i);
    df_stage_set_on_node(o.s, NULL, NULL);
    assert_int_equal(df_stage_run(o.s, 0, 0, 1, NULL), DF_OK);
    assert_int_equal(t.n, 5);
    close_all(&o);
}

static void test_times_nodes(void **state) {
    (void)state;
    opened o = open_whole(1, 1, DF_F32);
    int64_t ns[3] = { 1000, 0, 0 };
    fixture_fill_input(o.g, 0, 0, 1, DF_F32, df_stage_value(o.s, 0, df_graph_find_input(o.g, "in"), 1));
    assert_int_equal(df_stage_run_timed(o.s, 0, 0, 1, ns, NULL), DF_OK);
    assert_true(ns[0] > 1000); /* added to */
    assert_true(ns[2] > 0);
    close_all(&o);
}

static void check_finite(df_dtype dtype) {
    opened o = open_whole(3, 1, dtype);
    df_value_id in = df_graph_find_input(o.g, "in");
    int64_t bad = -1;
    char *x = df_stage_value(o.s, 0, in, 3);
    fixture_fill_input(o.g, 0, 0, 3, dtype, x);
    assert_true(df_stage_all_finite(o.s, 0, in, 3, &bad));
    if (dtype == DF_F32)
        ((float *)(void *)x)[2 * 32 + 31] = NAN;
    else
        ((double *)(void *)x)[2 * 32 + 31] = -INFINITY;
    assert_false(df_stage_all_finite(o.s, 0, in, 3, &bad));
    assert_int_equal(bad, 2);
    assert_false(df_stage_all_finite(o.s, 0, in, 3, NULL));
    assert_true(df_stage_all_finite(o.s, 0, in, 2, &bad)); /* the first two rows of the same memory */
    assert_false(df_stage_all_finite(o.s, 0, DF_NO_VALUE, 3, NULL));
    close_all(&o);
}

static void test_finds_what_is_not_finite(void **state) {
    (void)state;
    check_finite(DF_F32);
    check_finite(DF_F64);
}

/* A run's error names the node. */
static void test_run_errors_name_the_node(void **state) {
    (void)state;
    df_graph *g = df_graph_new("text");
    df_value_id ids = df_graph_input(g, "ids", DF_I32, DF_SHAPE(3));
    df_graph_output(g, "out", df_g_embedding(g, "embeddings", ids, 10, 3, 4));
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    df_cut *cut = whole(g);
    fixture_run run = { .g = g, .cut = cut, .dtype = DF_F32, .n_rows = 1 };
    df_stage *s = fixture_stage(&run, 0, 1);
    df_err err = { 0 };
    memcpy(df_stage_value(s, 0, ids, 1), (int32_t[]) { 0, 10, 0 }, 3 * sizeof(int32_t));
    assert_int_equal(df_stage_run(s, 0, 0, 1, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "embedding 'embeddings': id 10"));
    assert_int_equal(df_stage_run(s, 0, 0, 1, NULL), DF_EINVAL);
    assert_true(df_stage_all_finite(s, 0, ids, 1, NULL)); /* ids always are */
    df_stage_close(&s);
    df_cut_free(&cut);
    df_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut_computes_the_same_bytes),
        cmocka_unit_test(test_rows_are_independent),
        cmocka_unit_test(test_slots_do_not_disturb_each_other),
        cmocka_unit_test(test_reads_only_its_own_weights),
        cmocka_unit_test(test_open_refuses),
        cmocka_unit_test(test_runs_only_what_was_prepared),
        cmocka_unit_test(test_another_stages_segment),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_tap_sees_every_node),
        cmocka_unit_test(test_tells_each_node),
        cmocka_unit_test(test_times_nodes),
        cmocka_unit_test(test_finds_what_is_not_finite),
        cmocka_unit_test(test_run_errors_name_the_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
