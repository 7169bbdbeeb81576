#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "engine/exec/node_timer.h"
#include "engine/graph/fuse.h"
#include "tests/engine/graph/graph_fixture.h"

/* Every operation of random graphs, on both backends: each takes a time, and weights come from nowhere. */
static void test_all_operations(void **state) {
    (void)state;
    const df_backend *const backends[] = { &df_backend_reference, df_backend_find("cpu") };
    for (uint64_t seed = 0; seed < 8; seed++)
        for (int b = 0; b < 2; b++) {
            df_graph *g = fixture_random_graph(seed);
            df_err err;
            int n = 0;
            assert_int_equal(df_graph_fuse(g, NULL), DF_OK);
            int *nodes = calloc((size_t)g->n_nodes, sizeof *nodes);
            double *seconds = calloc((size_t)g->n_nodes, sizeof *seconds);
            for (int i = 0; i < g->n_nodes; i++)
                if (g->nodes[i].op != DF_OP_RESHAPE) nodes[n++] = i;
            const df_node_timer_cfg cfg = { backends[b], { .dtype = DF_F32, .threads = 1 + b }, 2 };
            if (df_nodes_time(seconds, g, nodes, n, &cfg, &err)) fail_msg("%s", err.text);
            for (int k = 0; k < n; k++) assert_true(seconds[k] >= 0 && seconds[k] < 10);
            free(nodes);
            free(seconds);
            df_graph_free(&g);
        }
}

/* A hundred times the arithmetic takes longer, whichever comes first. */
static void test_more_work_takes_longer(void **state) {
    (void)state;
    df_graph *g = df_graph_new("two");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(256, 32));
    df_value_id y = df_g_linear(g, "small", x, 32, false);
    y = df_g_linear(g, "large", y, 3200, false);
    df_graph_output(g, "out", df_g_linear(g, "small_again", x, 32, false));
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    double seconds[3];
    const df_node_timer_cfg cfg = { &df_backend_reference, { .dtype = DF_F32, .threads = 1 }, 1 };
    assert_int_equal(df_nodes_time(seconds, g, (int[]) { 0, 1, 2 }, 3, &cfg, NULL), DF_OK);
    assert_true(seconds[1] > 5 * seconds[0]);
    assert_true(seconds[1] > 5 * seconds[2]);
    df_graph_free(&g);
}

static void test_what_a_backend_cannot_do_is_an_error(void **state) {
    (void)state;
    df_graph *g = df_graph_new("one");
    df_err err;
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(4, 8));
    df_graph_output(g, "out", df_g_linear(g, "a", x, 8, false));
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    double seconds;
    const df_node_timer_cfg cfg = { df_backend_find("cpu"), { .dtype = DF_F64, .threads = 1 }, 1 };
    assert_int_equal(df_nodes_time(&seconds, g, (int[]) { 0 }, 1, &cfg, &err), DF_EUNSUPPORTED);
    df_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_operations),
        cmocka_unit_test(test_more_work_takes_longer),
        cmocka_unit_test(test_what_a_backend_cannot_do_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
