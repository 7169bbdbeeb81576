#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/node_costs.h"
#include "engine/models/model.h"
#include "tests/cluster/cost_files.h"
#include "tests/support/golden.h"

enum { MOST = 1000 };

static df_graph *unet(void) {
    df_model *m = NULL;
    df_graph *g = NULL;
    df_err err;
    if (df_model_open(&m, golden_source_path("models/starter"), &err)) fail_msg("%s", err.text);
    if (df_model_graph(m, DF_DENOISER, 8, 8, &g, &err)) fail_msg("%s", err.text);
    df_model_close(&m);
    assert_true(g->n_nodes < MOST);
    return g;
}

static int n_warned;

static void warn(void *nothing, const char *text) {
    (void)nothing, (void)text;
    n_warned++;
}

static bool find(const df_graph *g, df_costs_mode mode, const char *dir, int max_rows, double *seconds) {
    const df_costs_terms terms = { .cfg = { .mode = mode, .dir = dir, .warn = warn },
                                   .backend = df_backend_find("cpu"),
                                   .backend_cfg = { .dtype = DF_F32, .threads = 1 },
                                   .max_rows = max_rows };
    bool found;
    df_err err;
    n_warned = 0;
    if (df_node_costs_find(seconds, &found, g, &terms, &err)) fail_msg("%s", err.text);
    return found;
}

static void are_times(const df_graph *g, const double *seconds) {
    for (int i = 0; i < g->n_nodes; i++)
        assert_true(g->nodes[i].op == DF_OP_RESHAPE ? seconds[i] == 0 : seconds[i] > 0 && seconds[i] < 10);
}

/* Measured once, they are known; also to who looks without measuring. */
static void test_measured_once(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_graph *g = unet();
    double first[MOST], again[MOST];
    assert_false(find(g, DF_COSTS_KNOWN, dir, 8, first));
    assert_true(find(g, DF_COSTS_MEASURED, dir, 8, first));
    are_times(g, first);
    assert_true(find(g, DF_COSTS_MEASURED, dir, 8, again));
    assert_memory_equal(first, again, (size_t)g->n_nodes * sizeof *first);
    assert_true(find(g, DF_COSTS_KNOWN, dir, 8, again));
    assert_memory_equal(first, again, (size_t)g->n_nodes * sizeof *first);
    assert_false(find(g, DF_COSTS_MODELLED, dir, 8, again));
    assert_false(find(g, DF_COSTS_KNOWN, dir, 1, again)); /* other rows */
    assert_int_equal(n_warned, 0);
    df_graph_free(&g);
}

static double hours(const char *signature, double seconds) {
    (void)signature, (void)seconds;
    return 3600;
}

static void test_anew_does_not_look(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_graph *g = unet();
    double seconds[MOST];
    assert_true(find(g, DF_COSTS_MEASURED, dir, 2, seconds));
    assert_int_equal(cost_files_change(dir, hours), 1);
    assert_true(find(g, DF_COSTS_MEASURED, dir, 2, seconds));
    assert_true(seconds[0] == 3600);
    assert_true(find(g, DF_COSTS_ANEW, dir, 2, seconds));
    are_times(g, seconds);
    assert_true(find(g, DF_COSTS_KNOWN, dir, 2, seconds));
    are_times(g, seconds);
    df_graph_free(&g);
}

/* Measured anew with one warning, and mended; one who may not measure models. */
static void test_a_bad_file(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_graph *g = unet();
    double seconds[MOST];
    assert_true(find(g, DF_COSTS_MEASURED, dir, 2, seconds));
    cost_files_overwrite(dir, "{\"diffarm_node_costs\": 1");
    assert_false(find(g, DF_COSTS_KNOWN, dir, 2, seconds));
    assert_int_equal(n_warned, 1);
    assert_true(find(g, DF_COSTS_MEASURED, dir, 2, seconds));
    assert_int_equal(n_warned, 1);
    are_times(g, seconds);
    assert_true(find(g, DF_COSTS_KNOWN, dir, 2, seconds));
    assert_int_equal(n_warned, 0);
    df_graph_free(&g);
}

/* They hold for this run; a warning says that they will be measured again. */
static void test_nowhere_to_keep_them(void **state) {
    (void)state;
    df_graph *g = unet();
    double seconds[MOST];
    assert_true(find(g, DF_COSTS_MEASURED, "/dev/null/costs", 2, seconds));
    are_times(g, seconds);
    assert_int_equal(n_warned, 1);
    assert_true(find(g, DF_COSTS_MEASURED, NULL, 2, seconds));
    are_times(g, seconds);
    assert_int_equal(n_warned, 0);
    df_graph_free(&g);
}

static void test_names_of_modes(void **state) {
    (void)state;
    df_costs_mode mode;
    for (int i = DF_COSTS_MODELLED; i <= DF_COSTS_ANEW; i++) {
        assert_true(df_costs_mode_of(df_costs_mode_name((df_costs_mode)i), &mode));
        assert_int_equal(mode, i);
    }
    assert_false(df_costs_mode_of("guessed", &mode));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measured_once),  cmocka_unit_test(test_anew_does_not_look),
        cmocka_unit_test(test_a_bad_file),     cmocka_unit_test(test_nowhere_to_keep_them),
        cmocka_unit_test(test_names_of_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
