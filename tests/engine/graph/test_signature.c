#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "engine/graph/fuse.h"
#include "engine/graph/signature.h"

static void signature_is(const df_graph *g, int node, const char *wanted) {
    df_buf text = { 0 };
    df_node_signature(&text, g, &g->nodes[node]);
    assert_false(text.failed);
    assert_string_equal(text.data, wanted);
    df_buf_free(&text);
}

static bool same(const df_graph *g, int a, int b) {
    df_buf x = { 0 }, y = { 0 };
    df_node_signature(&x, g, &g->nodes[a]);
    df_node_signature(&y, g, &g->nodes[b]);
    bool is = !strcmp(x.data, y.data);
    df_buf_free(&x);
    df_buf_free(&y);
    return is;
}

static const df_conv_attr three = { .kernel = 3, .stride = 1, .pad = { 1, 1, 1, 1 } };

static void test_all_that_counts_is_in_it(void **state) {
    (void)state;
    df_graph *g = df_graph_new("small");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(8, 8, 4));
    df_value_id y = df_g_conv2d(g, "conv", x, 6, three);
    y = df_g_activation(g, "act", y, DF_ACT_SILU);
    y = df_g_linear(g, "linear", y, 4, true);
    y = df_g_add(g, "add", y, x);
    df_graph_output(g, "out", y);
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    assert_int_equal(df_graph_fuse(g, NULL), DF_OK);
    assert_int_equal(g->n_nodes, 2);
    signature_is(g, 0, "conv2d 3/1 pad 1,1,1,1 in F32[8,8,4] weights [6,4,3,3] [6] out [8,8,6] silu");
    signature_is(g, 1, "linear in F32[8,8,6] weights [4,6] out [8,8,4] residual F32[8,8,4]");
    df_graph_free(&g);
}

/* Nodes that differ in one thing alone, and one that differs in its name. */
static void test_names_do_not_count_and_attributes_do(void **state) {
    (void)state;
    df_conv_attr wide = three, even = three;
    wide.pad.left = 2;
    even.stride = 2;
    df_graph *g = df_graph_new("small");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(9, 9, 4)),
                t = df_graph_input(g, "t", DF_F32, DF_SHAPE(9, 4));
    df_g_conv2d(g, "a", x, 4, three);
    df_g_conv2d(g, "b", x, 4, three);
    df_g_conv2d(g, "c", x, 5, three);
    df_g_conv2d(g, "d", x, 4, wide);
    df_g_conv2d(g, "e", x, 4, even);
    df_g_group_norm(g, "f", x, 2, 1e-5);
    df_g_group_norm(g, "g", x, 4, 1e-5);
    df_g_attention(g, "h", t, t, t, 1, false);
    df_g_attention(g, "i", t, t, t, 2, false);
    df_g_attention(g, "j", t, t, t, 1, true);
    df_g_slice_tokens(g, "k", t, 0, 3);
    df_g_slice_tokens(g, "l", t, 1, 3);
    df_graph_output(g, "out", 2);
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    assert_true(same(g, 0, 1));
    for (int i = 1; i < g->n_nodes; i++)
        for (int k = i + 1; k < g->n_nodes; k++)
            if (same(g, i, k)) fail_msg("%s and %s are different", g->nodes[i].name, g->nodes[k].name);
    df_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_that_counts_is_in_it),
        cmocka_unit_test(test_names_do_not_count_and_attributes_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
