/* Runs a small graph node by node, with inputs and weights that are a function of (value, row, element): the same row
 * has the same data in every batch. */
#ifndef DF_TESTS_ENGINE_BACKEND_CPU_RUN_GRAPH_H
#define DF_TESTS_ENGINE_BACKEND_CPU_RUN_GRAPH_H

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "engine/backend/cpu/product.h"
#include "engine/graph/fuse.h"

typedef struct run_cfg {
    const df_backend *backend;
    df_dtype dtype;
    df_dtype given; /* the type that inputs and weights are numbers of; 0 (F64): as they are made */
    int threads;
    df_product_way way; /* cpu only */
    const char *simd; /* cpu only; NULL: the best */
    bool direct, fast_conv; /* cpu only: convolutions */
    bool over_residual; /* results lie on the residual, where there is one */
    float offset; /* added to all inputs */
} run_cfg;

static inline float test_number(uint32_t seed, int64_t i) { /* in -1..1 */
    uint32_t x = seed * 2654435761u + (uint32_t)i * 0x9E3779B9u;
    x = (x ^ x >> 15) * 0x85EBCA6Bu;
    x = (x ^ x >> 13) * 0xC2B2AE35u;
    return (float)((x ^ x >> 16) >> 8) * 0x1p-23f - 1.0f;
}

static inline void test_check(df_code rc, const df_err *err) {
    if (rc) fail_msg("%s: %s", df_code_name(rc), err->text);
}

/* bf16 needs more of a machine than f32 does. */
static inline bool test_computes_in(df_dtype dtype) {
    return !df_backend_can_compute_in(&df_backend_cpu, dtype, NULL);
}

static inline double test_rounded(df_dtype type, double x) {
    double kept;
    df_dtype_store(type, &kept, 0, x);
    return df_dtype_load(type, &kept, 0);
}

static inline void fill_input(const df_graph *g, df_value_id v, void *to, const run_cfg *cfg, int64_t n_rows) {
    df_dtype type = df_value_held_as(&g->values[v], cfg->dtype);
    int64_t n = df_shape_elements(g->values[v].shape);
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t i = 0; i < n; i++) {
            float x = test_number((uint32_t)(v * 1000 + r), i);
            if (type == DF_I32)
                ((int32_t *)to)[r * n + i] = (int32_t)((x + 1) * 20);
            else
                df_dtype_store(type, to, (size_t)(r * n + i), test_rounded(cfg->given, (double)(x + cfg->offset)));
        }
}

/* Scaled so that sums of any length stay near 1. */
static inline float *test_weight(const df_graph *g, df_weight_id w, df_dtype given) {
    if (w == DF_NO_WEIGHT) return NULL;
    df_shape s = g->weights[w].shape;
    int64_t n = df_shape_elements(s), fan = s.rank > 1 ? n / s.dim[0] : 3;
    float *x = malloc((size_t)n * sizeof *x), by = sqrtf(3.0f / (float)fan);
    for (int64_t i = 0; i < n; i++) x[i] = (float)test_rounded(given, (double)(test_number((uint32_t)w + 77, i) * by));
    return x;
}

/* How often a product ran in another way than the one it was told to, and in that one. Of some shapes the library's
 * batches are not what single rows are on some processors, and the check of invariance.h refuses them. */
static int test_ways[2];

static inline void run_node_of(void *ctx, const run_cfg *cfg, const df_graph *g, int i, void **values, int64_t n_rows) {
    const df_node *n = &g->nodes[i];
    float *weights[DF_NODE_MAX_WEIGHTS];
    for (int w = 0; w < DF_NODE_MAX_WEIGHTS; w++) weights[w] = test_weight(g, n->weight[w], cfg->given);
    df_err err = { 0 };
    df_kernel *k = NULL;
    size_t bytes = 0;
    test_check(cfg->backend->node_open(ctx, &k, g, n, (const float *const *)weights, &err), &err);
    for (int w = 0; w < DF_NODE_MAX_WEIGHTS; w++) free(weights[w]);
    test_check(cfg->backend->node_prepare(k, n_rows, &bytes, &err), &err);
    bool product = n->op == DF_OP_CONV2D || n->op == DF_OP_LINEAR;
    if (product && cfg->way != DF_PRODUCT_AUTO && df_product_strips_of(k) == 1 && (n_rows > 1 || cfg->threads > 1))
        test_ways[df_product_way_of(k, n_rows) == cfg->way]++;
    void *scratch = aligned_alloc(64, bytes + 64 - bytes % 64);
    memset(scratch, 0xff, bytes); /* NaN: nothing may count on what it holds */
    const void *in[DF_NODE_MAX_IN] = { 0 };
    for (int j = 0; j < n->n_in; j++) in[j] = values[n->in[j]];
    if (cfg->over_residual && n->residual != DF_NO_VALUE) {
        free(values[n->out]);
        values[n->out] = values[n->residual];
    }
    test_check(cfg->backend->node_run(k, n_rows, in, n->fused_add_channel < 0 ? NULL : values[n->fused_add_channel],
                                      n->residual < 0 ? NULL : values[n->residual], values[n->out], scratch, &err),
               &err);
    if (cfg->over_residual && n->residual != DF_NO_VALUE) values[n->residual] = NULL;
    free(scratch);
    cfg->backend->node_close(&k);
    assert_null(k);
}

/* The output "out": [n_rows][row] of cfg->dtype; to be freed. */
static inline void *run_graph(const df_graph *g, const run_cfg *cfg, int64_t n_rows) {
    df_err err = { 0 };
    void *ctx = NULL;
    test_check(cfg->backend->open(
                   &ctx,
                   &(df_backend_cfg) { .dtype = cfg->dtype, .threads = cfg->threads, .fast_conv = cfg->fast_conv },
                   &err),
               &err);
    if (cfg->backend == &df_backend_cpu) {
        ((df_cpu_ctx *)ctx)->way = cfg->way;
        ((df_cpu_ctx *)ctx)->direct = cfg->direct;
        if (cfg->simd) ((df_cpu_ctx *)ctx)->simd = df_simd_find(cfg->simd, cfg->dtype);
    }
    void **values = calloc((size_t)g->n_values, sizeof *values);
    for (df_value_id v = 0; v < g->n_values; v++) {
        df_dtype type = df_value_held_as(&g->values[v], cfg->dtype);
        size_t bytes = (size_t)(n_rows * df_shape_elements(g->values[v].shape)) * df_dtype_bytes(type);
        values[v] = aligned_alloc(64, (bytes + 63) / 64 * 64);
        if (g->values[v].producer < 0) fill_input(g, v, values[v], cfg, n_rows);
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const df_node *n = &g->nodes[i];
        if (n->op == DF_OP_RESHAPE) /* the memory plan's work, not a backend's */
            memcpy(values[n->out], values[n->in[0]],
                   (size_t)(n_rows * df_shape_elements(g->values[n->out].shape)) * df_dtype_bytes(cfg->dtype));
        else
            run_node_of(ctx, cfg, g, i, values, n_rows);
    }
    df_value_id out = df_graph_find_output(g, "out");
    void *result = values[out];
    for (df_value_id v = 0; v < g->n_values; v++)
        if (v != out) free(values[v]);
    free(values);
    cfg->backend->close(&ctx);
    return result;
}

/* Sum of squares of the difference over that of the reference, and the worst element over the largest. */
typedef struct test_error {
    double rms, worst;
} test_error;

static inline test_error compare(const void *x, df_dtype dtype, const double *ref, int64_t n) {
    double diff = 0, all = 0, worst = 0, largest = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs(df_dtype_load(dtype, x, (size_t)i) - ref[i]);
        diff += d * d;
        all += ref[i] * ref[i];
        if (!(d <= worst)) worst = d;
        if (fabs(ref[i]) > largest) largest = fabs(ref[i]);
    }
    return (test_error) { sqrt(diff / all), worst / largest };
}

#endif
