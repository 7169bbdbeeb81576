#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/exec/stage_fill.h"
#include "tests/engine/graph/graph_fixture.h"
#include <cmocka.h>

/* Every kind of input gets what it may hold, and all rows of it. */
static void test_inputs_are_filled(void **state) {
    (void)state;
    df_graph *g = df_graph_new("inputs");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(3, 8)), t = df_graph_input(g, "t", DF_F64, DF_SHAPE(1));
    df_value_id y = df_g_layer_norm_plain(g, "norm", x, 1e-5);
    y = df_g_add_channel(
        g, "add", y,
        df_g_timestep_embedding(g, "time", t, (df_timestep_attr) { .dim = 8, .max_period = 10000, .scale = 1 }));
    df_graph_output(g, "out", y);
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    df_cut *cut = NULL;
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    df_stage *s = fixture_stage(&(fixture_run) { .g = g, .cut = cut, .dtype = DF_F32, .n_rows = 2 }, 0, 1);
    df_stage_fill_inputs(s, g, DF_F32, 2);
    const float *at = df_stage_value(s, 0, x, 2);
    const double *time = df_stage_value(s, 0, t, 2);
    float sum = 0;
    for (int i = 0; i < 48; i++) {
        assert_true(at[i] >= -1.01f && at[i] <= 1.01f);
        sum += at[i] * at[i];
    }
    assert_true(sum > 1);
    assert_true(time[0] == 500 && time[1] == 500);
    assert_int_equal(df_stage_run(s, 0, 0, 2, NULL), DF_OK);
    df_stage_close(&s);
    df_cut_free(&cut);
    df_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_inputs_are_filled) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
