/* Arithmetic and elements that move, counted by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/node_work.h"

static df_graph *g;

static df_node_work finish(df_value_id y) {
    df_err err;
    df_graph_output(g, "y", y);
    assert_int_equal(df_graph_finish(g, &err), DF_OK);
    df_node_work w = df_node_work_of(g, &g->nodes[g->n_nodes - 1]);
    df_graph_free(&g);
    return w;
}

static df_value_id begin(df_shape shape) {
    g = df_graph_new("work");
    assert_non_null(g);
    return df_graph_input(g, "x", DF_F32, shape);
}

static void check(df_node_work got, df_work_kind kind, double flops, double values, double weights) {
    assert_int_equal(got.kind, kind);
    assert_float_equal(got.flops, flops, 0);
    assert_float_equal(got.fused_flops, 0, 0);
    assert_float_equal(got.values, values, 0);
    assert_float_equal(got.weights, weights, 0);
}

static void products(void **state) {
    (void)state;
    df_value_id x = begin(DF_SHAPE(7, 12));
    check(finish(df_g_linear(g, "l", x, 5, true)), DF_WORK_PRODUCT, 2.0 * 7 * 12 * 5, 7 * 12 + 7 * 5, 12 * 5);
    x = begin(DF_SHAPE(7, 12));
    check(finish(df_g_linear(g, "l", x, 5, false)), DF_WORK_PRODUCT, 2.0 * 7 * 12 * 5, 7 * 12 + 7 * 5, 12 * 5 + 5);
    x = begin(DF_SHAPE(8, 6, 4));
    df_conv_attr conv = { .kernel = 3, .stride = 2, .pad = { 1, 1, 1, 1 } };
    check(finish(df_g_conv2d(g, "c", x, 16, conv)), DF_WORK_PRODUCT, 2.0 * 4 * 3 * 16 * 4 * 9, 8 * 6 * 4 + 4 * 3 * 16,
          16 * 4 * 9 + 16);
}

static void attention(void **state) {
    (void)state;
    df_value_id x = begin(DF_SHAPE(9, 32)), z = df_graph_input(g, "z", DF_F32, DF_SHAPE(5, 32));
    check(finish(df_g_attention(g, "a", x, z, z, 4, false)), DF_WORK_ATTENTION,
          2.0 * 9 * 5 * (32 + 32) + 10.0 * 4 * 9 * 5, 9 * 32 + 5 * 32 + 5 * 32 + 9 * 32, 0);
}

static void the_rest(void **state) {
    (void)state;
    df_value_id x = begin(DF_SHAPE(4, 4, 32));
    check(finish(df_g_group_norm(g, "n", x, 8, 1e-5)), DF_WORK_POINTWISE, 8.0 * 4 * 4 * 32, 2 * 4 * 4 * 32, 2 * 32);
    x = begin(DF_SHAPE(6, 10));
    check(finish(df_g_geglu(g, "g", x)), DF_WORK_POINTWISE, 24.0 * 6 * 5, 6 * 10 + 6 * 5, 0);
    x = begin(DF_SHAPE(6, 10));
    check(finish(df_g_reshape(g, "r", x, DF_SHAPE(3, 20))), DF_WORK_POINTWISE, 0, 0, 0);
}

static void what_is_folded_in_counts_apart(void **state) {
    (void)state;
    df_err err;
    df_value_id x = begin(DF_SHAPE(7, 12));
    df_graph_output(g, "y", df_g_linear(g, "l", x, 5, false));
    assert_int_equal(df_graph_finish(g, &err), DF_OK);
    df_node n = g->nodes[0];
    df_node_work plain = df_node_work_of(g, &n);
    n.act = DF_ACT_SILU;
    n.residual = n.out;
    df_node_work w = df_node_work_of(g, &n);
    assert_float_equal(w.flops, plain.flops, 0);
    assert_float_equal(w.fused_flops, 12.0 * 35 + 35, 0);
    assert_float_equal(w.values, plain.values + 35, 0);
    df_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products),
        cmocka_unit_test(attention),
        cmocka_unit_test(the_rest),
        cmocka_unit_test(what_is_folded_in_counts_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
