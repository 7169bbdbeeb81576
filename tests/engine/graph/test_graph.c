#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "engine/graph/fuse.h"
#include "engine/graph/graph.h"

static const df_conv_attr conv3 = { .kernel = 3, .stride = 1, .pad = { 1, 1, 1, 1 } };

static void fails(df_graph *g, df_code code, const char *text) {
    df_err err = { 0 };
    assert_int_equal(df_graph_finish(g, &err), code);
    if (!strstr(err.text, text)) fail_msg("'%s' does not say '%s'", err.text, text);
    df_graph_free(&g);
    assert_null(g);
}

static void test_builds_in_order(void **state) {
    (void)state;
    df_err err = { 0 };
    df_graph *g = df_graph_new("unet");
    df_value_id x = df_graph_input(g, "sample", DF_F32, DF_SHAPE(16, 12, 4));
    char name[] = "conv_in";
    x = df_g_conv2d(g, name, x, 320, conv3);
    memset(name, 'x', sizeof name - 1); /* names are copied */
    df_value_id y = df_g_group_norm(g, "norm", x, 32, 1e-5);
    df_graph_output(g, "out", y);
    assert_int_equal(df_graph_finish(g, &err), DF_OK);
    assert_int_equal(df_graph_finish(g, &err), DF_OK); /* again: nothing to do */
    assert_int_equal(g->n_nodes, 2);
    assert_string_equal(g->nodes[0].name, "conv_in");
    assert_int_equal(g->nodes[0].out, x);
    assert_int_equal(g->values[x].producer, 0);
    assert_int_equal(g->values[g->inputs[0].value].producer, -1);
    assert_int_equal(g->n_weights, 4);
    assert_string_equal(g->weights[0].name, "conv_in.weight");
    assert_int_equal(df_shape_elements(g->weights[0].shape), 320 * 4 * 9);
    assert_string_equal(g->weights[3].name, "norm.bias");
    assert_int_equal(df_graph_shape(g, y).dim[2], 320);
    assert_int_equal(df_graph_shape(g, DF_NO_VALUE).rank, 0);
    assert_int_equal(df_graph_find_output(g, "out"), y);
    assert_int_equal(df_graph_find_input(g, "sample"), 0);
    assert_int_equal(df_graph_find_output(g, "sample"), DF_NO_VALUE);
    df_graph_free(&g);
}

static void test_first_error_sticks(void **state) {
    (void)state;
    df_graph *g = df_graph_new("unet");
    df_value_id x = df_graph_input(g, "sample", DF_F32, DF_SHAPE(4, 4, 30));
    x = df_g_group_norm(g, "first", x, 32, 1e-5); /* 30 channels, 32 groups */
    assert_int_equal(x, DF_NO_VALUE);
    assert_int_equal(df_g_conv2d(g, "second", x, 0, conv3), DF_NO_VALUE);
    df_graph_output(g, "out", x);
    df_graph_fail(g, DF_EUNSUPPORTED, "third");
    assert_int_equal(g->n_nodes, 0);
    fails(g, DF_ESHAPE, "graph 'unet': group_norm 'first': 30 channels do not split into 32 groups");
}

static void test_builders_may_refuse(void **state) {
    (void)state;
    df_graph *g = df_graph_new("unet");
    df_graph_fail(g, DF_EUNSUPPORTED, "block type '%s'", "Strange");
    fails(g, DF_EUNSUPPORTED, "graph 'unet': block type 'Strange'");
}

static void test_foreign_value(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_g_linear(g, "l", 7, 4, false);
    fails(g, DF_EINVAL, "linear 'l': input 0 is no value of the graph");
    g = df_graph_new("g");
    df_graph_output(g, "out", 0);
    fails(g, DF_EINVAL, "output 'out'");
}

static void test_needs_an_output(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_graph_input(g, "x", DF_F32, DF_SHAPE(1));
    fails(g, DF_EINVAL, "no output");
}

static void test_needs_names(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_g_linear(g, "", df_graph_input(g, "x", DF_F32, DF_SHAPE(1)), 1, false);
    fails(g, DF_EINVAL, "needs a name");
}

static void test_names_are_unique(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(4));
    x = df_g_activation(g, "a", x, DF_ACT_SILU);
    x = df_g_activation(g, "b", x, DF_ACT_SILU);
    df_graph_output(g, "out", df_g_activation(g, "a", x, DF_ACT_SILU));
    fails(g, DF_EEXIST, "two nodes are called 'a'");

    g = df_graph_new("g");
    df_graph_output(g, "out", df_graph_input(g, "x", DF_F32, DF_SHAPE(4)));
    df_graph_output(g, "out", df_graph_input(g, "y", DF_F32, DF_SHAPE(4)));
    fails(g, DF_EEXIST, "two outputs are called 'out'");

    g = df_graph_new("g");
    df_graph_output(g, "out", df_graph_input(g, "x", DF_F32, DF_SHAPE(4)));
    df_graph_input(g, "x", DF_F32, DF_SHAPE(4));
    fails(g, DF_EEXIST, "two inputs are called 'x'");
}

/* Tied embeddings: a head that reads the token table. */
static df_graph *tied(int64_t vocab) {
    df_graph *g = df_graph_new("text");
    df_value_id x = df_graph_input(g, "ids", DF_I32, DF_SHAPE(7));
    x = df_g_embedding(g, "text", x, 100, 77, 16);
    df_graph_output(g, "logits", df_g_linear(g, "text.token_embedding", x, vocab, true));
    return g;
}

static void test_weights_are_shared_by_name(void **state) {
    (void)state;
    df_err err = { 0 };
    df_graph *g = tied(100);
    assert_int_equal(df_graph_finish(g, &err), DF_OK);
    assert_int_equal(g->n_weights, 2);
    assert_int_equal(g->nodes[1].weight[0], g->nodes[0].weight[0]);
    df_graph_free(&g);
    fails(tied(99), DF_ESHAPE, "'text.token_embedding.weight' is wanted as [100, 16] and as [99, 16]");
}

static void test_finished_is_read_only(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(4));
    df_graph_output(g, "out", x);
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    assert_int_equal(df_g_activation(g, "late", x, DF_ACT_SILU), DF_NO_VALUE);
    fails(g, DF_EINVAL, "changed after it was finished");
}

static void test_grows(void **state) {
    (void)state;
    df_err err = { 0 };
    df_graph *g = df_graph_new("g");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(2));
    for (int i = 0; i < 1000; i++) x = df_g_linear(g, df_graph_name(g, "layers.%d", i), x, 2, false);
    df_graph_output(g, "out", x);
    assert_int_equal(df_graph_finish(g, &err), DF_OK);
    assert_int_equal(g->n_nodes, 1000);
    assert_int_equal(g->n_weights, 2000);
    assert_string_equal(g->nodes[999].name, "layers.999");
    df_graph_free(&g);
}

static void test_long_names_are_refused(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_graph_name(g, "%0600d", 1);
    fails(g, DF_ELIMIT, "a name is longer");
}

static void test_names_of_ops(void **state) {
    (void)state;
    assert_string_equal(df_op_name(DF_OP_UPSAMPLE_NEAREST), "upsample_nearest");
    assert_string_equal(df_op_name(DF_OP_COUNT), "?");
    assert_string_equal(df_act_name(DF_ACT_QUICK_GELU), "quick_gelu");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builds_in_order),        cmocka_unit_test(test_first_error_sticks),
        cmocka_unit_test(test_builders_may_refuse),    cmocka_unit_test(test_foreign_value),
        cmocka_unit_test(test_needs_an_output),        cmocka_unit_test(test_needs_names),
        cmocka_unit_test(test_names_are_unique),       cmocka_unit_test(test_weights_are_shared_by_name),
        cmocka_unit_test(test_finished_is_read_only),  cmocka_unit_test(test_grows),
        cmocka_unit_test(test_long_names_are_refused), cmocka_unit_test(test_names_of_ops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
