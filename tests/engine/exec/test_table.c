/* A table that a model's builder brings: copied into the graph, added at every row, looked for in no file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "engine/exec/stage.h"
#include "engine/graph/fuse.h"

enum { H = 2, W = 3, D = 4, ROW = H * W * D, ROWS = 2 };

static df_graph *graph_with_table(df_err *err) {
    float table[ROW];
    df_graph *g = df_graph_new("table");
    assert_non_null(g);
    for (int i = 0; i < ROW; i++) table[i] = (float)i * 0.25f;
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(H, W, D));
    df_graph_output(g, "y", df_g_add_table(g, "positions", x, table));
    memset(table, 0, sizeof table); /* the graph has a copy */
    if (df_graph_finish(g, err) || df_graph_fuse(g, err)) fail_msg("%s", err->text);
    return g;
}

static void check(const char *backend, df_dtype dtype) {
    df_err err = { 0 };
    df_graph *g = graph_with_table(&err);
    df_cut *cut = NULL;
    df_stage *stage = NULL;
    assert_int_equal(df_cut_whole(&cut, g, &err), DF_OK);
    df_stage_cfg cfg = { .graph = g,
                         .cut = cut,
                         .backend = df_backend_find(backend), /* and no file of weights */
                         .backend_cfg = { .dtype = dtype, .threads = 1 } };
    if (df_stage_open(&stage, &cfg, &err) || df_stage_reserve(stage, ROWS, 1, &err)) fail_msg("%s", err.text);
    void *x = df_stage_value(stage, 0, df_graph_find_input(g, "x"), ROWS);
    for (int i = 0; i < ROWS * ROW; i++) {
        if (dtype == DF_F64)
            ((double *)x)[i] = i;
        else
            ((float *)x)[i] = (float)i;
    }
    if (df_stage_run(stage, 0, 0, ROWS, &err)) fail_msg("%s", err.text);
    const void *y = df_stage_value(stage, 0, df_graph_find_output(g, "y"), ROWS);
    for (int i = 0; i < ROWS * ROW; i++) {
        double got = dtype == DF_F64 ? ((const double *)y)[i] : (double)((const float *)y)[i];
        assert_true(got == i + i % ROW * 0.25);
    }
    df_stage_close(&stage);
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_reference(void **state) {
    (void)state;
    check("reference", DF_F32);
    check("reference", DF_F64);
}

static void test_cpu(void **state) {
    (void)state;
    if (!df_backend_find("cpu")) skip();
    check("cpu", DF_F32);
}

/* Two tables of one name would be one weight with the values of the last. */
static void test_one_name(void **state) {
    (void)state;
    df_err err = { 0 };
    const float table[D] = { 0 };
    df_graph *g = df_graph_new("table");
    assert_non_null(g);
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(1, D));
    x = df_g_add_table(g, "positions", x, table);
    df_graph_output(g, "y", df_g_add_table(g, "positions", x, table));
    assert_int_equal(df_graph_finish(g, &err), DF_EEXIST);
    df_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_one_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
