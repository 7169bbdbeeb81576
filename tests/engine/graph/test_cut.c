#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/graph/cut.h"

/* A small U: values are x 0 (input), c 1 (input), then node i makes value i + 2.
 *   0 in, 1 down, 2 mid(c), 3 up, 4 skip + up, 5 out; "mid" is an output too */
static df_graph *small_u(void) {
    df_graph *g = df_graph_new("u");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(4, 8)), c = df_graph_input(g, "c", DF_F32, DF_SHAPE(8));
    df_value_id in = df_g_linear(g, "in", x, 8, false);
    df_value_id down = df_g_linear(g, "down", in, 8, false);
    df_value_id mid = df_g_add_channel(g, "mid", down, c);
    df_value_id up = df_g_linear(g, "up", mid, 8, false);
    df_value_id skip = df_g_add(g, "skip", up, in);
    df_graph_output(g, "out", df_g_linear(g, "out", skip, 8, false));
    df_graph_output(g, "mid", mid);
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    return g;
}

static void same_segments(const df_cut *cut, const df_segment *want, int n) {
    assert_int_equal(cut->n_segments, n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(cut->segments[i].stage, want[i].stage);
        assert_int_equal(cut->segments[i].first_node, want[i].first_node);
        assert_int_equal(cut->segments[i].end_node, want[i].end_node);
    }
}

static void same_edges(const df_cut *cut, const df_edge *want, int n) {
    assert_int_equal(cut->n_edges, n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(cut->edges[i].value, want[i].value);
        assert_int_equal(cut->edges[i].from_stage, want[i].from_stage);
        assert_int_equal(cut->edges[i].to_stage, want[i].to_stage);
        assert_int_equal(cut->edges[i].from_segment, want[i].from_segment);
        assert_int_equal(cut->edges[i].to_segment, want[i].to_segment);
    }
}

static void test_whole(void **state) {
    (void)state;
    df_graph *g = small_u();
    df_cut *cut = NULL;
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    same_segments(cut, (df_segment[]) { { 0, 0, 6 } }, 1);
    assert_int_equal(cut->n_edges, 0);
    df_cut_free(&cut);
    assert_null(cut);
    df_graph_free(&g);
}

static void test_folded(void **state) {
    (void)state;
    df_graph *g = small_u();
    df_cut *cut = NULL;
    assert_int_equal(df_cut_new(&cut, g, (int[]) { 0, 1, 1, 1, 0, 0 }, 2, NULL), DF_OK);
    same_segments(cut, (df_segment[]) { { 0, 0, 1 }, { 1, 1, 4 }, { 0, 4, 6 } }, 3);
    /* down: the condition and in; up: the slice's result; the skip stays at home; mid goes to stage 0 at the end */
    same_edges(cut, (df_edge[]) { { 1, 0, 1, -1, 1 }, { 2, 0, 1, 0, 1 }, { 5, 1, 0, 1, 2 }, { 4, 1, 0, 1, 3 } }, 4);
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_linear(void **state) {
    (void)state;
    df_graph *g = small_u();
    df_cut *cut = NULL;
    assert_int_equal(df_cut_new(&cut, g, (int[]) { 0, 0, 1, 1, 2, 2 }, 3, NULL), DF_OK);
    same_segments(cut, (df_segment[]) { { 0, 0, 2 }, { 1, 2, 4 }, { 2, 4, 6 } }, 3);
    /* the skip (value 2) goes from stage 0 to stage 2; both outputs end on stage 0 */
    same_edges(cut,
               (df_edge[]) { { 1, 0, 1, -1, 1 },
                             { 3, 0, 1, 0, 1 },
                             { 2, 0, 2, 0, 2 },
                             { 5, 1, 2, 1, 2 },
                             { 4, 1, 0, 1, 3 },
                             { 7, 2, 0, 2, 3 } },
               6);
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_a_value_travels_once(void **state) {
    (void)state;
    df_graph *g = small_u();
    df_cut *cut = NULL;
    /* stage 1 reads `in` in two segments; stage 0 reads `mid` before it is due as an output */
    assert_int_equal(df_cut_new(&cut, g, (int[]) { 0, 1, 1, 0, 1, 1 }, 2, NULL), DF_OK);
    same_segments(cut, (df_segment[]) { { 0, 0, 1 }, { 1, 1, 3 }, { 0, 3, 4 }, { 1, 4, 6 } }, 4);
    same_edges(
        cut,
        (df_edge[]) { { 1, 0, 1, -1, 1 }, { 2, 0, 1, 0, 1 }, { 4, 1, 0, 1, 2 }, { 5, 0, 1, 2, 3 }, { 7, 1, 0, 3, 4 } },
        5);
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_fused_operands_travel(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_value_id a = df_graph_input(g, "a", DF_F32, DF_SHAPE(4, 8)), v = df_graph_input(g, "v", DF_F32, DF_SHAPE(8));
    df_value_id y = df_g_linear(g, "first", a, 8, false);
    df_graph_output(g, "out", df_g_linear(g, "second", y, 8, false));
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    g->nodes[1].residual = a;
    g->nodes[1].fused_add_channel = v;
    df_cut *cut = NULL;
    assert_int_equal(df_cut_new(&cut, g, (int[]) { 0, 1 }, 2, NULL), DF_OK);
    same_edges(cut, (df_edge[]) { { 0, 0, 1, -1, 1 }, { 1, 0, 1, -1, 1 }, { 2, 0, 1, 0, 1 }, { 3, 1, 0, 1, 2 } }, 4);
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_stages_without_nodes(void **state) {
    (void)state;
    df_graph *g = small_u();
    df_cut *cut = NULL;
    assert_int_equal(df_cut_new(&cut, g, (int[]) { 3, 3, 3, 3, 3, 3 }, 5, NULL), DF_OK);
    same_segments(cut, (df_segment[]) { { 3, 0, 6 } }, 1);
    same_edges(cut, (df_edge[]) { { 0, 0, 3, -1, 0 }, { 1, 0, 3, -1, 0 }, { 4, 3, 0, 0, 1 }, { 7, 3, 0, 0, 1 } }, 4);
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_no_nodes(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_graph_output(g, "out", df_graph_input(g, "x", DF_F32, DF_SHAPE(1)));
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    df_cut *cut = NULL;
    assert_int_equal(df_cut_new(&cut, g, NULL, 2, NULL), DF_OK);
    assert_int_equal(cut->n_segments, 0);
    assert_int_equal(cut->n_edges, 0); /* the input is on stage 0 already */
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_stage_out_of_range(void **state) {
    (void)state;
    df_graph *g = small_u();
    df_cut *cut = NULL;
    df_err err = { 0 };
    assert_int_equal(df_cut_new(&cut, g, (int[]) { 0, 0, 2, 0, 0, 0 }, 2, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "'mid' is put on stage 2 of 2"));
    assert_int_equal(df_cut_new(&cut, g, (int[]) { 0, 0, -1, 0, 0, 0 }, 2, &err), DF_EINVAL);
    assert_int_equal(df_cut_new(&cut, g, (int[]) { 0, 0, 0, 0, 0, 0 }, 0, &err), DF_EINVAL);
    assert_null(cut);
    df_graph_free(&g);
}

static void test_has_weight(void **state) {
    (void)state;
    df_graph *g = small_u();
    df_cut *cut = NULL;
    assert_int_equal(df_cut_new(&cut, g, (int[]) { 0, 1, 1, 1, 0, 0 }, 2, NULL), DF_OK);
    for (df_weight_id w = 0; w < g->n_weights; w++) {
        bool inner = !strncmp(g->weights[w].name, "down.", 5) || !strncmp(g->weights[w].name, "up.", 3);
        assert_int_equal(df_cut_has_weight(cut, g, 1, w), inner);
        assert_int_equal(df_cut_has_weight(cut, g, 0, w), !inner);
    }
    df_cut_free(&cut);
    df_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_folded),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_a_value_travels_once),
        cmocka_unit_test(test_fused_operands_travel),
        cmocka_unit_test(test_stages_without_nodes),
        cmocka_unit_test(test_no_nodes),
        cmocka_unit_test(test_stage_out_of_range),
        cmocka_unit_test(test_has_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
