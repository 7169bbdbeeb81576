#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "engine/graph/fuse.h"
#include "engine/graph/sample.h"
#include "engine/graph/shape.h"
#include "engine/graph/signature.h"
#include "tests/engine/graph/graph_fixture.h"

static int all_nodes(const df_graph *g, int *nodes) {
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op != DF_OP_RESHAPE) nodes[n++] = i;
    return n;
}

static void same_node(const df_graph *a, int i, const df_graph *b, int k) {
    df_buf x = { 0 }, y = { 0 };
    df_node_signature(&x, a, &a->nodes[i]);
    df_node_signature(&y, b, &b->nodes[k]);
    assert_string_equal(x.data, y.data);
    assert_string_equal(a->nodes[i].name, b->nodes[k].name);
    df_buf_free(&x);
    df_buf_free(&y);
}

/* Whatever nodes there are, with all that fusion made of them: what they read is an input, each operand another. */
static void test_nodes_are_taken_as_they_are(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 25; seed++) {
        df_graph *g = fixture_random_graph(seed), *s = NULL;
        df_err err;
        assert_int_equal(df_graph_fuse(g, NULL), DF_OK);
        int *nodes = calloc((size_t)g->n_nodes, sizeof *nodes), n = all_nodes(g, nodes);
        if (df_graph_sample(&s, g, nodes, n, &err)) fail_msg("%s", err.text);
        assert_int_equal(df_graph_check(s, NULL), DF_OK);
        assert_int_equal(s->n_nodes, n);
        for (int k = 0; k < n; k++) {
            df_value_id reads[DF_NODE_MAX_READS];
            int n_reads = df_node_reads(&s->nodes[k], reads);
            same_node(g, nodes[k], s, k);
            for (int i = 0; i < n_reads; i++) {
                assert_true(s->values[reads[i]].producer < 0);
                for (int j = 0; j < i; j++) assert_int_not_equal(reads[i], reads[j]);
            }
        }
        for (int w = 0; w < s->n_weights; w++) assert_non_null(s->weights[w].values);
        free(nodes);
        df_graph_free(&s);
        df_graph_free(&g);
    }
}

static void test_inputs_are_shared(void **state) {
    (void)state;
    df_graph *g = df_graph_new("small"), *s = NULL;
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(4, 8));
    df_value_id a = df_g_linear(g, "a", x, 8, false), b = df_g_linear(g, "b", a, 8, false);
    df_graph_output(g, "out", df_g_add(g, "c", a, b));
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    assert_int_equal(df_graph_sample(&s, g, (int[]) { 0, 1, 2 }, 3, NULL), DF_OK);
    assert_int_equal(s->n_inputs, 2); /* the sum reads two of them */
    df_graph_free(&s);
    df_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_are_taken_as_they_are),
        cmocka_unit_test(test_inputs_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
