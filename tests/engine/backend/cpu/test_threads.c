/* Contexts with numbers of threads of their own, run side by side by several callers: none disturbs another's bytes or
 * its caller's OpenMP setting. */
#include <omp.h>
#include <pthread.h>

#include "tests/engine/backend/cpu/run_graph.h"

enum { ROUNDS = 12, CALLERS = 3, ROWS = 3 };

static df_graph *build(void) {
    df_graph *g = df_graph_new("block");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(16, 16, 32)), y;
    df_conv_attr conv = { .kernel = 3, .stride = 1, .pad = { 1, 1, 1, 1 } };
    y = df_g_group_norm(g, "norm", x, 8, 1e-5);
    y = df_g_conv2d(g, "conv", y, 64, conv);
    y = df_g_linear(g, "linear", y, 96, false);
    y = df_g_reshape(g, "tokens", y, DF_SHAPE(256, 96));
    df_graph_output(g, "out", df_g_attention(g, "attention", y, y, y, 3, false));
    df_err err = { 0 };
    test_check(df_graph_finish(g, &err), &err);
    return g;
}

typedef struct caller {
    const df_graph *g;
    const float *want;
    int threads, wrong;
} caller;

static void *call(void *arg) {
    caller *c = arg;
    size_t bytes = (size_t)(ROWS * df_shape_elements(df_graph_shape(c->g, df_graph_find_output(c->g, "out")))) * 4;
    omp_set_num_threads(7);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t n = 1 + i % ROWS;
        run_cfg cfg = { .backend = &df_backend_cpu, .dtype = DF_F32, .threads = c->threads, .direct = true };
        float *y = run_graph(c->g, &cfg, n);
        c->wrong += memcmp(y, c->want, bytes / ROWS * (size_t)n) != 0;
        c->wrong += omp_get_max_threads() != 7;
        free(y);
    }
    return NULL;
}

static void test_side_by_side(void **state) {
    (void)state;
    df_graph *g = build();
    run_cfg one = {
        .backend = &df_backend_cpu, .dtype = DF_F32, .threads = 1, .way = DF_PRODUCT_STRIPS, .direct = true
    };
    float *want = run_graph(g, &one, ROWS);
    pthread_t threads[CALLERS];
    caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (caller) { g, want, i + 1, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < CALLERS; i++) assert_int_equal(callers[i].wrong, 0);
    free(want);
    df_graph_free(&g);
}

static void test_refusals(void **state) {
    (void)state;
    void *ctx = NULL;
    df_err err;
    assert_int_equal(df_backend_cpu.open(&ctx, &(df_backend_cfg) { .dtype = DF_F64, .threads = 1 }, &err),
                     DF_EUNSUPPORTED);
    assert_int_equal(df_backend_cpu.open(&ctx, &(df_backend_cfg) { .dtype = DF_F32, .threads = -1 }, &err), DF_EINVAL);
    assert_null(ctx);
    assert_int_equal(df_backend_cpu.open(&ctx, &(df_backend_cfg) { .dtype = DF_F32, .threads = 0 }, &err), DF_OK);
    assert_int_equal(((df_cpu_ctx *)ctx)->threads, omp_get_num_procs());

    df_graph *g = df_graph_new("refused");
    df_graph_output(g, "out", df_g_linear(g, "fc", df_graph_input(g, "x", DF_F32, DF_SHAPE(8)), 8, true));
    test_check(df_graph_finish(g, &err), &err);
    float data[64] = { 0 };
    df_kernel *k = NULL;
    size_t bytes;
    test_check(df_backend_cpu.node_open(ctx, &k, g, g->nodes, (const float *[]) { data, NULL }, &err), &err);
    assert_int_equal(df_backend_cpu.node_prepare(k, 0, &bytes, &err), DF_EINVAL);
    const void *in[] = { data };
    assert_int_equal(df_backend_cpu.node_run(k, 2, in, NULL, NULL, data + 16, NULL, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "fc"));
    df_backend_cpu.node_close(&k);
    df_backend_cpu.close(&ctx);
    df_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_side_by_side),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
