/* Times single nodes of the cpu backend at the shapes of the starter model (16 rows) and of SD 1.5 (2 rows).
 *
 *   bench_ops [THREADS [PEAK_GFLOPS [f32|bf16 [NAME]]]]
 *
 * One JSON line a node, or for each node of that NAME: microseconds (median and least), and from the least GFLOP/s,
 * share of peak and GB/s.
 *
 * Weights and inputs are arbitrary small numbers. A share of peak needs the machine's peak in that type on as many
 * cores. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/backend/backend.h"

typedef struct bench_case {
    const char *name;
    df_op op;
    int64_t rows, size, in, out; /* size: pixels a side, or tokens */
    int kernel, heads; /* conv; attention: out is the number of keys */
} bench_case;

static const bench_case cases[] = {
    { "starter conv3", DF_OP_CONV2D, 16, 16, 64, 64, 3, 0 },
    { "starter conv3", DF_OP_CONV2D, 16, 8, 128, 128, 3, 0 },
    { "starter conv3", DF_OP_CONV2D, 16, 4, 192, 192, 3, 0 },
    { "starter conv3", DF_OP_CONV2D, 16, 4, 384, 192, 3, 0 },
    { "starter conv3", DF_OP_CONV2D, 16, 16, 192, 64, 3, 0 },
    { "starter conv3", DF_OP_CONV2D, 1, 16, 64, 64, 3, 0 },
    { "starter conv_in", DF_OP_CONV2D, 16, 16, 4, 64, 3, 0 },
    { "starter conv_out", DF_OP_CONV2D, 16, 16, 64, 4, 3, 0 },
    { "starter conv1", DF_OP_CONV2D, 16, 16, 192, 64, 1, 0 },
    { "starter linear", DF_OP_LINEAR, 16, 256, 64, 64, 0, 0 },
    { "starter linear", DF_OP_LINEAR, 16, 256, 64, 512, 0, 0 },
    { "starter linear", DF_OP_LINEAR, 16, 64, 128, 1024, 0, 0 },
    { "starter linear", DF_OP_LINEAR, 16, 16, 192, 1536, 0, 0 },
    { "starter time linear", DF_OP_LINEAR, 16, 1, 256, 192, 0, 0 },
    { "starter self attention", DF_OP_ATTENTION, 16, 256, 64, 256, 0, 2 },
    { "starter self attention", DF_OP_ATTENTION, 16, 64, 128, 64, 0, 4 },
    { "starter self attention", DF_OP_ATTENTION, 16, 16, 192, 16, 0, 6 },
    { "starter cross attention", DF_OP_ATTENTION, 16, 256, 64, 77, 0, 2 },
    { "starter cross attention", DF_OP_ATTENTION, 16, 64, 128, 77, 0, 4 },
    { "starter group_norm", DF_OP_GROUP_NORM, 16, 16, 64, 0, 0, 0 },
    { "starter group_norm", DF_OP_GROUP_NORM, 16, 4, 192, 0, 0, 0 },
    { "starter layer_norm", DF_OP_LAYER_NORM, 16, 16, 64, 0, 0, 0 },
    { "starter geglu", DF_OP_GEGLU, 16, 16, 512, 0, 0, 0 },
    { "starter concat", DF_OP_CONCAT, 16, 16, 64, 64, 0, 0 },
    { "starter upsample", DF_OP_UPSAMPLE_NEAREST, 16, 8, 128, 0, 0, 0 },
    { "sd15 conv3", DF_OP_CONV2D, 2, 64, 320, 320, 3, 0 },
    { "sd15 conv3", DF_OP_CONV2D, 2, 32, 640, 640, 3, 0 },
    { "sd15 conv3", DF_OP_CONV2D, 2, 16, 1280, 1280, 3, 0 },
    { "sd15 conv3", DF_OP_CONV2D, 2, 8, 1280, 1280, 3, 0 },
    { "sd15 linear", DF_OP_LINEAR, 2, 4096, 320, 320, 0, 0 },
    { "sd15 linear", DF_OP_LINEAR, 2, 4096, 320, 2560, 0, 0 },
    { "sd15 linear", DF_OP_LINEAR, 2, 64, 1280, 10240, 0, 0 },
    { "sd15 time linear", DF_OP_LINEAR, 2, 1, 1280, 1280, 0, 0 },
    { "sd15 self attention", DF_OP_ATTENTION, 2, 4096, 320, 4096, 0, 8 },
    { "sd15 self attention", DF_OP_ATTENTION, 2, 1024, 640, 1024, 0, 8 },
    { "sd15 self attention", DF_OP_ATTENTION, 2, 256, 1280, 256, 0, 8 },
    { "sd15 cross attention", DF_OP_ATTENTION, 2, 4096, 320, 77, 0, 8 },
    { "vae attention", DF_OP_ATTENTION, 1, 4096, 512, 4096, 0, 1 },
    { "sd15 group_norm", DF_OP_GROUP_NORM, 2, 64, 320, 0, 0, 0 },
    { "sd15 layer_norm", DF_OP_LAYER_NORM, 2, 64, 320, 0, 0, 0 },
    { "sd15 geglu", DF_OP_GEGLU, 2, 64, 2560, 0, 0, 0 },
};

enum { RUNS = 41 };

static df_code build(df_graph *g, const bench_case *c, df_err *err) {
    df_shape picture = DF_SHAPE(c->size, c->size, c->in), tokens = DF_SHAPE(c->size, c->in);
    bool sequence = c->op == DF_OP_LINEAR || c->op == DF_OP_ATTENTION;
    df_value_id x = df_graph_input(g, "x", DF_F32, sequence ? tokens : picture), z = DF_NO_VALUE, y = DF_NO_VALUE;
    int pad = c->kernel / 2;
    df_conv_attr conv = { .kernel = c->kernel, .stride = 1, .pad = { pad, pad, pad, pad } };
    switch (c->op) {
    case DF_OP_CONV2D: y = df_g_conv2d(g, "op", x, c->out, conv); break;
    case DF_OP_LINEAR: y = df_g_linear(g, "op", x, c->out, false); break;
    case DF_OP_ATTENTION:
        z = df_graph_input(g, "z", DF_F32, DF_SHAPE(c->out, c->in));
        y = df_g_attention(g, "op", x, z, z, c->heads, false);
        break;
    case DF_OP_GROUP_NORM: y = df_g_group_norm(g, "op", x, 32, 1e-5); break;
    case DF_OP_LAYER_NORM: y = df_g_layer_norm(g, "op", x, 1e-5); break;
    case DF_OP_GEGLU: y = df_g_geglu(g, "op", x); break;
    case DF_OP_CONCAT:
        z = df_graph_input(g, "z", DF_F32, DF_SHAPE(c->size, c->size, c->out));
        y = df_g_concat(g, "op", x, z);
        break;
    default: y = df_g_upsample_nearest(g, "op", x, 2 * c->size, 2 * c->size); break;
    }
    df_graph_output(g, "out", y);
    df_code rc = df_graph_finish(g, err);
    if (!rc && c->op == DF_OP_GROUP_NORM) g->nodes[0].act = DF_ACT_SILU;
    return rc;
}

static void *numbers(df_dtype dtype, int64_t n) {
    void *x = aligned_alloc(64, ((size_t)n * df_dtype_bytes(dtype) + 63) / 64 * 64);
    for (int64_t i = 0; x && i < n; i++) df_dtype_store(dtype, x, (size_t)i, (double)(i * 2654435761 % 1021) / 510 - 1);
    return x;
}

static double flops(const bench_case *c, const df_graph *g) {
    double out = (double)df_shape_elements(df_graph_shape(g, g->nodes[0].out));
    if (c->op == DF_OP_ATTENTION) return 4.0 * (double)(c->rows * c->size * c->out * c->in);
    if (c->op != DF_OP_CONV2D && c->op != DF_OP_LINEAR) return 0;
    return 2.0 * (double)c->rows * out * (double)(c->in * (c->kernel ? c->kernel * c->kernel : 1));
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(const bench_case *c, const df_graph *g, int64_t median_ns, int64_t ns, int64_t prepare_ns,
                   double bytes, double peak) {
    double gflops = flops(c, g) / (double)ns;
    printf("{\"name\":\"%s\",\"rows\":%lld,\"size\":%lld,\"in\":%lld,\"out\":%lld,\"us\":%.1f,\"us_min\":%.1f,"
           "\"prepare_ms\":%.1f",
           c->name, (long long)c->rows, (long long)c->size, (long long)c->in, (long long)c->out,
           (double)median_ns * 1e-3, (double)ns * 1e-3, (double)prepare_ns * 1e-6);
    if (gflops > 0) printf(",\"gflops\":%.1f", gflops);
    if (gflops > 0 && peak > 0) printf(",\"of_peak\":%.2f", gflops / peak);
    printf(",\"gbs\":%.1f}\n", bytes / (double)ns);
    fflush(stdout);
}

static df_code time_node(void *ctx, df_dtype dtype, const bench_case *c, const df_graph *g, double peak, df_err *err) {
    const df_node *n = &g->nodes[0];
    const df_backend *b = &df_backend_cpu;
    float *weights[DF_NODE_MAX_WEIGHTS] = { 0 };
    void *values[4] = { 0 };
    double bytes = 0;
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++)
        if (n->weight[i] != DF_NO_WEIGHT)
            weights[i] = numbers(DF_F32, df_shape_elements(g->weights[n->weight[i]].shape));
    for (int i = 0; i < g->n_values && i < 4; i++) {
        int64_t elements = c->rows * df_shape_elements(g->values[i].shape);
        values[i] = numbers(dtype, elements);
        bytes += (double)elements * (double)df_dtype_bytes(dtype);
    }
    df_kernel *k = NULL;
    size_t scratch_bytes = 0;
    int64_t start = df_clock_ns();
    df_code rc = b->node_open(ctx, &k, g, n, (const float *const *)weights, err);
    if (!rc) rc = b->node_prepare(k, c->rows, &scratch_bytes, err);
    int64_t prepare_ns = df_clock_ns() - start, ns[RUNS];
    void *scratch = aligned_alloc(64, (scratch_bytes + 127) / 64 * 64);
    const void *in[DF_NODE_MAX_IN] = { 0 };
    for (int i = 0; i < n->n_in; i++) in[i] = values[n->in[i]];
    int runs = 0;
    start = df_clock_ns();
    for (; !rc && runs < RUNS && (runs < 3 || df_clock_ns() - start < 1000000000); runs++) {
        int64_t t = df_clock_ns();
        rc = b->node_run(k, c->rows, in, NULL, NULL, values[n->out], scratch, err);
        ns[runs] = df_clock_ns() - t;
    }
    if (!rc) {
        qsort(ns, (size_t)runs, sizeof *ns, by_value);
        report(c, g, ns[runs / 2], ns[0], prepare_ns, bytes, peak);
    }
    b->node_close(&k);
    free(scratch);
    for (int i = 0; i < 4; i++) free(values[i]);
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++) free(weights[i]);
    return rc;
}

int main(int argc, char **argv) {
    df_backend_cfg cfg = { .dtype = argc > 3 && !strcmp(argv[3], "bf16") ? DF_BF16 : DF_F32,
                           .threads = argc > 1 ? atoi(argv[1]) : 0 };
    double peak = argc > 2 ? atof(argv[2]) : 0;
    df_err err = { 0 };
    void *ctx = NULL;
    df_code rc = df_backend_cpu.open(&ctx, &cfg, &err);
    for (size_t i = 0; !rc && i < sizeof cases / sizeof *cases; i++) {
        if (argc > 4 && strcmp(argv[4], cases[i].name) != 0) continue;
        df_graph *g = df_graph_new("bench");
        rc = build(g, &cases[i], &err);
        if (!rc) rc = time_node(ctx, cfg.dtype, &cases[i], g, peak, &err);
        df_graph_free(&g);
    }
    if (ctx) df_backend_cpu.close(&ctx);
    if (rc) fprintf(stderr, "bench_ops: %s\n", err.text);
    return rc != DF_OK;
}
