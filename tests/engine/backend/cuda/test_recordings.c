/* CUDA graphs of a stage, on the doubles: a recording gives the bytes of a plain pass, and none outlives the memory
 * that it writes to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backend/cuda/backend.h"
#include "engine/exec/stage.h"
#include "engine/models/model.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"

enum { SIDE = 4, CHANNELS = 4, PASSES = 4, ROWS = 3 };

typedef struct bench {
    df_model *m;
    df_graph *g;
    df_cut *cut;
    df_stage *stage;
    size_t out_bytes; /* of a row */
} bench;

static void must(df_code rc, const df_err *err) {
    if (rc) fail_msg("%s: %s", df_code_name(rc), err->text);
}

static bench bench_open(unsigned seed) {
    bench b;
    df_err err = { 0 };
    gpu_double_reset(seed);
    must(df_model_open(&b.m, DF_SOURCE_DIR "/models/starter", &err), &err);
    must(df_model_graph(b.m, DF_VAE_DECODER, SIDE, SIDE, &b.g, &err), &err);
    must(df_cut_whole(&b.cut, b.g, &err), &err);
    const df_stage_cfg cfg = { .graph = b.g,
                               .cut = b.cut,
                               .weights = df_model_weights(b.m, DF_VAE_DECODER),
                               .backend = &df_backend_cuda,
                               .backend_cfg = { .dtype = DF_F32 } };
    must(df_stage_open(&b.stage, &cfg, &err), &err);
    b.out_bytes =
        (size_t)df_shape_elements(df_graph_shape(b.g, df_graph_find_output(b.g, "image"))) * df_dtype_bytes(DF_F32);
    return b;
}

static void bench_close(bench *b) {
    df_stage_close(&b->stage);
    df_cut_free(&b->cut);
    df_graph_free(&b->g);
    df_model_close(&b->m);
    assert_string_equal(gpu_double_end(), "");
}

/* Row r is a function of r alone. Caller frees. */
static char *run(bench *b, int64_t n_rows) {
    df_err err = { 0 };
    float *z = df_stage_value(b->stage, 0, df_graph_find_input(b->g, "z"), n_rows);
    assert_non_null(z);
    for (int64_t i = 0; i < n_rows * SIDE * SIDE * CHANNELS; i++) z[i] = (float)(i % 37) / 10 - 1.5f;
    for (int s = 0; s < b->cut->n_segments; s++) must(df_stage_run(b->stage, 0, s, n_rows, &err), &err);
    const char *out = df_stage_value(b->stage, 0, df_graph_find_output(b->g, "image"), n_rows);
    char *copy = malloc((size_t)n_rows * b->out_bytes);
    if (!out || !copy) fail_msg("no result");
    return memcpy(copy, out, (size_t)n_rows * b->out_bytes);
}

static void assert_passes(bench *b, int64_t n_rows, const char *first, size_t bytes) {
    for (int i = 0; i < PASSES; i++) {
        char *got = run(b, n_rows);
        assert_memory_equal(got, first, bytes);
        free(got);
    }
}

static void test_memory_that_is_new(void **state) {
    (void)state;
    for (unsigned seed = 1; seed < 3; seed++) {
        bench b = bench_open(seed);
        df_err err = { 0 };
        must(df_stage_reserve(b.stage, 1, 1, &err), &err);
        char *first = run(&b, 1);
        assert_passes(&b, 1, first, b.out_bytes);
        must(df_stage_reserve(b.stage, ROWS, 1, &err), &err);
        assert_passes(&b, 1, first, b.out_bytes);
        char *rows = run(&b, ROWS);
        assert_memory_equal(rows, first, b.out_bytes);
        assert_passes(&b, ROWS, rows, ROWS * b.out_bytes);
        free(rows);
        free(first);
        bench_close(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_memory_that_is_new) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
