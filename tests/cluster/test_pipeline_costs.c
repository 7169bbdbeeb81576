#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cluster/cost_files.h"
#include "tests/cluster/thread_farm.h"
#include "tests/support/golden.h"

enum { SIDE = 16, TOKENS = 77, ROWS = 2 };

static df_pipeline_cfg config(df_costs_mode mode, const char *dir) {
    return (df_pipeline_cfg) { .backend = df_backend_find("cpu"),
                               .backend_cfg = { .dtype = DF_F32, .threads = 1 },
                               .max_rows = ROWS,
                               .n_slots = 2,
                               .costs = { .mode = mode, .dir = dir } };
}

static void fill(thread_farm *f, int program, const char *port, unsigned seed) {
    const df_graph *g = df_pipeline_graph(f->pipeline, program);
    size_t n = (size_t)df_shape_elements(df_graph_shape(g, df_graph_find_input(g, port))) * ROWS;
    thread_farm_fill(df_pipeline_input(f->pipeline, 0, program, port, ROWS), n, seed);
}

/* One pass of the denoiser. The bytes that it gives; what rank 0 holds of it. */
static float *run(const df_model *m, int n_ranks, df_costs_mode mode, const char *dir, size_t *bytes, size_t *held) {
    const df_pipeline_cfg cfg = config(mode, dir);
    thread_farm f;
    df_err err;
    int program;
    thread_farm_open(&f, m, n_ranks, &cfg, false);
    if (df_pipeline_load(f.pipeline, DF_DENOISER, SIDE, SIDE, &program, &err)) fail_msg("%s", err.text);
    const df_graph *g = df_pipeline_graph(f.pipeline, program);
    fill(&f, program, "sample", 1);
    fill(&f, program, "encoder_hidden_states", 2);
    double *time = df_pipeline_input(f.pipeline, 0, program, "timestep", ROWS);
    time[0] = time[1] = 300;
    if (thread_farm_run(&f, 0, program, ROWS, &err)) fail_msg("%s", err.text);
    *bytes = (size_t)df_shape_elements(df_graph_shape(g, df_graph_find_output(g, "out"))) * ROWS * sizeof(float);
    float *out = malloc(*bytes);
    assert_non_null(out);
    memcpy(out, df_pipeline_output(f.pipeline, 0, program, "out", ROWS), *bytes);
    *held = df_pipeline_memory(f.pipeline).weight_bytes;
    const df_graph_size size = { .latent_h = SIDE, .latent_w = SIDE };
    bool known = df_cost_book_page(df_pipeline_costs(f.pipeline), &size);
    assert_int_equal(known, n_ranks > 1 && mode != DF_COSTS_MODELLED);
    thread_farm_close(&f);
    for (int r = 1; r < n_ranks; r++) assert_int_equal(f.rank[r].rc, DF_OK);
    return out;
}

static double attention_is_dear(const char *signature, double seconds) {
    return strstr(signature, "attention") == signature ? seconds * 300 : seconds;
}

/* Ranks that were given other costs cut otherwise, all of them alike, and the picture is the same. */
static void test_other_costs_other_cut_same_bytes(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_model *m = thread_farm_starter();
    size_t bytes, n, held, held_then;
    float *want = run(m, 1, DF_COSTS_MEASURED, dir, &bytes, &held);
    for (int n_ranks = 2; n_ranks <= 4; n_ranks++) {
        float *got = run(m, n_ranks, DF_COSTS_MEASURED, dir, &n, &held);
        assert_memory_equal(got, want, bytes);
        free(got);
    }
    assert_int_equal(cost_files_change(dir, attention_is_dear), 1);
    float *got = run(m, 4, DF_COSTS_KNOWN, dir, &n, &held_then);
    assert_memory_equal(got, want, bytes);
    assert_int_not_equal(held_then, held);
    free(got);
    free(want);
    df_model_close(&m);
}

static void test_nobody_measures_unasked(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    size_t bytes, held;
    free(run(m, 2, DF_COSTS_MODELLED, "/dev/null/costs", &bytes, &held));
    df_model_close(&m);
}

/* Link speeds count in the cut; the picture does not depend on them. */
static void test_slow_links_other_cut_same_bytes(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    size_t held[2];
    for (int slow = 0; slow < 2; slow++) {
        df_hops hops;
        df_pipeline_cfg cfg = config(DF_COSTS_MODELLED, NULL);
        thread_farm f;
        df_err err;
        int program;
        assert_int_equal(df_hops_open(&hops, 2, &err), DF_OK);
        if (slow) assert_int_equal(df_hops_set(&hops, "80Mb/s", &err), DF_OK);
        cfg.hops = &hops;
        thread_farm_open(&f, m, 2, &cfg, false);
        if (df_pipeline_load(f.pipeline, DF_DENOISER, SIDE, SIDE, &program, &err)) fail_msg("%s", err.text);
        held[slow] = df_pipeline_memory(f.pipeline).weight_bytes;
        thread_farm_close(&f);
        df_hops_close(&hops);
    }
    assert_int_not_equal(held[0], held[1]);
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_costs_other_cut_same_bytes),
        cmocka_unit_test(test_nobody_measures_unasked),
        cmocka_unit_test(test_slow_links_other_cut_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
