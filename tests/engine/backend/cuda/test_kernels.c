/* Every CUDA kernel, run by the grid simulator, against the reference backend in f64 arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backend/backend.h"
#include "kernels.h"

enum { ROWS = 3, MAX_IN = 2 };

/* f32 rounding of the result and of what is summed; the reference accumulates in f64 and rounds once. */
static const double worst_allowed = 4e-6;

typedef struct bench {
    df_graph *graph;
    const float *weights[DF_NODE_MAX_WEIGHTS];
    void *in[DF_NODE_MAX_IN];
    float *expected, *got;
    size_t n_out;
} bench;

static float *random_floats(size_t n, unsigned seed) {
    float *x = malloc(n * sizeof *x + 1);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = ((float)(seed >> 8) / 8388608.0f - 1.0f) * 3.0f;
    }
    return x;
}

/* Runs the graph's one node on the reference backend. */
static void run_reference(bench *b, df_value_id out) {
    df_err err;
    df_graph_output(b->graph, "out", out);
    if (df_graph_finish(b->graph, &err)) fail_msg("%s", err.text);
    const df_node *node = &b->graph->nodes[b->graph->n_nodes - 1];
    const df_backend *ref = &df_backend_reference;
    const df_backend_cfg cfg = { .dtype = DF_F32, .threads = 1 };
    void *ctx = NULL;
    df_kernel *kernel = NULL;
    size_t scratch_bytes = 0;
    b->n_out = (size_t)(df_shape_elements(df_graph_shape(b->graph, out)) * ROWS);
    b->expected = calloc(b->n_out, sizeof *b->expected);
    b->got = calloc(b->n_out, sizeof *b->got);
    assert_int_equal(ref->open(&ctx, &cfg, &err), DF_OK);
    if (ref->node_open(ctx, &kernel, b->graph, node, b->weights, &err)) fail_msg("%s", err.text);
    assert_int_equal(ref->node_prepare(kernel, ROWS, &scratch_bytes, &err), DF_OK);
    void *scratch = aligned_alloc(64, (scratch_bytes + 127) / 64 * 64);
    const void *in[DF_NODE_MAX_IN] = { b->in[0], b->in[1] };
    if (ref->node_run(kernel, ROWS, in, NULL, NULL, b->expected, scratch, &err)) fail_msg("%s", err.text);
    free(scratch);
    ref->node_close(&kernel);
    ref->close(&ctx);
}

static void check_and_free(bench *b) {
    double worst = 0.0, largest = 0.0;
    for (size_t i = 0; i < b->n_out; i++) {
        double difference = fabs((double)b->got[i] - b->expected[i]);
        if (!(difference <= worst)) worst = difference;
        if (fabs((double)b->expected[i]) > largest) largest = fabs((double)b->expected[i]);
    }
    if (!(largest > 0.0) || !(worst <= worst_allowed * largest)) fail_msg("worst difference %g of %g", worst, largest);
    for (int i = 0; i < MAX_IN; i++) free(b->in[i]);
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++) free((void *)b->weights[i]);
    free(b->expected);
    free(b->got);
    df_graph_free(&b->graph);
}

static df_value_id input(bench *b, int i, const char *name, df_shape shape) {
    b->in[i] = random_floats((size_t)(df_shape_elements(shape) * ROWS), 77u + (unsigned)i);
    return df_graph_input(b->graph, name, DF_F32, shape);
}

static bench begin(void) {
    return (bench) { .graph = df_graph_new("kernel") };
}

static void test_activations(void **state) {
    (void)state;
    for (int act = DF_ACT_SILU; act <= DF_ACT_RELU; act++) {
        bench b = begin();
        run_reference(&b, df_g_activation(b.graph, "a", input(&b, 0, "x", DF_SHAPE(9, 37)), (df_act)act));
        assert_int_equal(df_cuda_activation(b.got, b.in[0], (int64_t)b.n_out, act, 0), cudaSuccess);
        check_and_free(&b);
    }
}

static void test_add(void **state) {
    (void)state;
    bench b = begin();
    df_value_id x = input(&b, 0, "x", DF_SHAPE(7, 5, 33)), y = input(&b, 1, "y", DF_SHAPE(7, 5, 33));
    run_reference(&b, df_g_add(b.graph, "a", x, y));
    assert_int_equal(df_cuda_add(b.got, b.in[0], b.in[1], (int64_t)b.n_out, 0), cudaSuccess);
    check_and_free(&b);
}

static void test_add_channel(void **state) {
    (void)state;
    bench b = begin();
    df_value_id x = input(&b, 0, "x", DF_SHAPE(7, 5, 33)), v = input(&b, 1, "v", DF_SHAPE(33));
    run_reference(&b, df_g_add_channel(b.graph, "a", x, v));
    assert_int_equal(df_cuda_add_channel(b.got, b.in[0], b.in[1], ROWS, 35, 33, 0), cudaSuccess);
    check_and_free(&b);
}

static void test_geglu(void **state) {
    (void)state;
    bench b = begin();
    run_reference(&b, df_g_geglu(b.graph, "g", input(&b, 0, "x", DF_SHAPE(11, 2 * 45))));
    assert_int_equal(df_cuda_geglu(b.got, b.in[0], ROWS * 11, 45, 0), cudaSuccess);
    check_and_free(&b);
}

static void test_concat(void **state) {
    (void)state;
    bench b = begin();
    df_value_id x = input(&b, 0, "x", DF_SHAPE(3, 5, 20)), y = input(&b, 1, "y", DF_SHAPE(3, 5, 13));
    run_reference(&b, df_g_concat(b.graph, "c", x, y));
    assert_int_equal(df_cuda_concat(b.got, b.in[0], 20, b.in[1], 13, ROWS * 15, 0), cudaSuccess);
    check_and_free(&b);
}

static void test_upsample(void **state) {
    (void)state;
    static const int to[][2] = { { 6, 8 }, { 5, 7 }, { 3, 4 }, { 10, 13 } };
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
        bench b = begin();
        run_reference(&b,
                      df_g_upsample_nearest(b.graph, "u", input(&b, 0, "x", DF_SHAPE(3, 4, 9)), to[i][0], to[i][1]));
        assert_int_equal(df_cuda_upsample_nearest(b.got, b.in[0], ROWS, 3, 4, to[i][0], to[i][1], 9, 0), cudaSuccess);
        check_and_free(&b);
    }
}

static void test_embedding(void **state) {
    (void)state;
    enum { VOCAB = 19, TOKENS = 7, POSITIONS = 9, D = 13 };
    bench b = begin();
    int32_t *ids = malloc(sizeof(int32_t) * ROWS * TOKENS);
    for (int i = 0; i < ROWS * TOKENS; i++) ids[i] = i * 5 % VOCAB;
    b.in[0] = ids;
    b.weights[0] = random_floats(VOCAB * D, 5);
    b.weights[1] = random_floats(POSITIONS * D, 6);
    df_value_id x = df_graph_input(b.graph, "ids", DF_I32, DF_SHAPE(TOKENS));
    run_reference(&b, df_g_embedding(b.graph, "e", x, VOCAB, POSITIONS, D));
    assert_int_equal(df_cuda_embedding(b.got, ids, b.weights[0], b.weights[1], ROWS, TOKENS, D, 0), cudaSuccess);
    check_and_free(&b);
}

static void test_timestep_embedding(void **state) {
    (void)state;
    static const df_timestep_attr cases[] = {
        { .dim = 32, .flip_sin_to_cos = true, .max_period = 10000, .scale = 1 },
        { .dim = 33, .flip_sin_to_cos = false, .freq_shift = 1, .max_period = 10000, .scale = 2 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const df_timestep_attr a = cases[i];
        bench b = begin();
        df_value_id t = df_graph_input(b.graph, "t", DF_F64, DF_SHAPE(2));
        double *numbers = b.in[0] = malloc(2 * ROWS * sizeof *numbers);
        for (int k = 0; k < 2 * ROWS; k++) numbers[k] = 37.5 + 200.0 * k;
        run_reference(&b, df_g_timestep_embedding(b.graph, "t", t, a));
        assert_int_equal(df_cuda_timestep_embedding(b.got, numbers, 2 * ROWS, a.dim, a.flip_sin_to_cos, a.freq_shift,
                                                    a.max_period, a.scale, 0),
                         cudaSuccess);
        check_and_free(&b);
    }
}

static void test_group_norm(void **state) {
    (void)state;
    static const struct { int h, w, c, groups; } cases[] = { { 3, 5, 32, 8 }, { 9, 7, 20, 4 }, { 1, 1, 8, 8 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int h = cases[i].h, w = cases[i].w, c = cases[i].c, groups = cases[i].groups;
        bench b = begin();
        b.weights[0] = random_floats((size_t)c, 8);
        b.weights[1] = random_floats((size_t)c, 9);
        run_reference(&b, df_g_group_norm(b.graph, "n", input(&b, 0, "x", DF_SHAPE(h, w, c)), groups, 1e-5));
        assert_int_equal(df_cuda_group_norm(b.got, b.in[0], b.weights[0], b.weights[1], ROWS, h * w, c, groups, 1e-5,
                                            DF_ACT_NONE, 0),
                         cudaSuccess);
        check_and_free(&b);
    }
}

static void test_group_norm_in_place_with_silu(void **state) {
    (void)state;
    bench b = begin();
    b.weights[0] = random_floats(24, 8);
    b.weights[1] = random_floats(24, 9);
    df_value_id x = input(&b, 0, "x", DF_SHAPE(4, 6, 24));
    df_value_id y = df_g_group_norm(b.graph, "n", x, 3, 1e-6);
    b.graph->nodes[0].act = DF_ACT_SILU;
    run_reference(&b, y);
    memcpy(b.got, b.in[0], b.n_out * sizeof(float));
    assert_int_equal(
        df_cuda_group_norm(b.got, b.got, b.weights[0], b.weights[1], ROWS, 24, 24, 3, 1e-6, DF_ACT_SILU, 0),
        cudaSuccess);
    check_and_free(&b);
}

static void test_layer_norm(void **state) {
    (void)state;
    bench b = begin();
    b.weights[0] = random_floats(300, 8);
    b.weights[1] = random_floats(300, 9);
    run_reference(&b, df_g_layer_norm(b.graph, "n", input(&b, 0, "x", DF_SHAPE(5, 300)), 1e-5));
    assert_int_equal(df_cuda_layer_norm(b.got, b.in[0], b.weights[0], b.weights[1], ROWS * 5, 300, 1e-5, 0),
                     cudaSuccess);
    check_and_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations), cmocka_unit_test(test_add),
        cmocka_unit_test(test_add_channel), cmocka_unit_test(test_geglu),
        cmocka_unit_test(test_concat),      cmocka_unit_test(test_upsample),
        cmocka_unit_test(test_embedding),   cmocka_unit_test(test_timestep_embedding),
        cmocka_unit_test(test_group_norm),  cmocka_unit_test(test_group_norm_in_place_with_silu),
        cmocka_unit_test(test_layer_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
