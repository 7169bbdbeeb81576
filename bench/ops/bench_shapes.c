/* bench_shapes MODEL text|unet|transformer|vae ROWS WxH f32|bf16 RUNS: every distinct product and attention of a model.
 *
 * The component runs as a whole, RUNS times; the nodes of its fastest run are gathered by operation and shapes. So the
 * shapes are those of the model's own graph, and times are those that each node has between its neighbours, with what
 * fusion folded into it. One JSON line a shape: how many nodes have it; seconds, FLOP and bytes of one (activations
 * read and written, weights read once). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bench/measure.h"
#include "cluster/plan.h"

enum { MAX_SHAPE_TEXT = 160 };

typedef struct shape_time {
    char shape[MAX_SHAPE_TEXT];
    int nodes;
    double ns, flops, bytes; /* of all of them */
} shape_time;

static void append_shape(char *text, df_shape s) {
    for (int i = 0; i < s.rank; i++) {
        size_t n = strlen(text);
        snprintf(text + n, MAX_SHAPE_TEXT - n, "%c%lld", i ? 'x' : ' ', (long long)s.dim[i]);
    }
}

static void describe(char *text, const df_graph *g, const df_node *n) {
    snprintf(text, MAX_SHAPE_TEXT, "%s", df_op_name(n->op));
    size_t length = strlen(text);
    if (n->op == DF_OP_CONV2D)
        snprintf(text + length, MAX_SHAPE_TEXT - length, " %dx%d/%d", n->attr.conv.kernel, n->attr.conv.kernel,
                 n->attr.conv.stride);
    if (n->op == DF_OP_ATTENTION)
        snprintf(text + length, MAX_SHAPE_TEXT - length, " %d heads", n->attr.attention.heads);
    for (int i = 0; i < n->n_in && i < 2; i++) append_shape(text, df_graph_shape(g, n->in[i]));
    strncat(text, " ->", MAX_SHAPE_TEXT - strlen(text) - 1);
    append_shape(text, df_graph_shape(g, n->out));
}

static double bytes_of(const df_graph *g, const df_node *n, int64_t rows, df_dtype dtype) {
    df_value_id reads[DF_NODE_MAX_READS];
    int n_reads = df_node_reads(n, reads);
    int64_t elements = rows * df_shape_elements(df_graph_shape(g, n->out));
    for (int i = 0; i < n_reads; i++) elements += rows * df_shape_elements(df_graph_shape(g, reads[i]));
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++)
        if (n->weight[i] != DF_NO_WEIGHT) elements += df_shape_elements(g->weights[n->weight[i]].shape);
    return (double)elements * (double)df_dtype_bytes(dtype);
}

static shape_time *find(shape_time *shapes, int *n, const char *text) {
    for (int i = 0; i < *n; i++)
        if (!strcmp(shapes[i].shape, text)) return &shapes[i];
    snprintf(shapes[*n].shape, MAX_SHAPE_TEXT, "%s", text);
    return &shapes[(*n)++];
}

/* Nodes that were not run (kept from an earlier pass) and those without products are left out. */
static int gather(shape_time *shapes, const df_measure *m, const df_cost *cost, const df_bench_options *o) {
    const df_graph *g = df_measure_graph(m);
    const int64_t *ns = df_measure_node_ns(m);
    int n_shapes = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const df_node *n = &g->nodes[i];
        bool product = n->weight[0] != DF_NO_WEIGHT && g->weights[n->weight[0]].shape.rank > 1;
        if (ns[i] <= 0 || (!product && n->op != DF_OP_ATTENTION) || n->op == DF_OP_EMBEDDING) continue;
        char text[MAX_SHAPE_TEXT];
        describe(text, g, n);
        shape_time *s = find(shapes, &n_shapes, text);
        s->nodes++;
        s->ns += (double)ns[i];
        s->flops += cost->node_flops[i] * o->batch;
        s->bytes += bytes_of(g, n, o->batch, o->backend_cfg.dtype);
    }
    return n_shapes;
}

static df_code report(const df_measure *m, const df_bench_options *o, df_err *err) {
    df_cost cost = { 0 };
    shape_time *shapes = calloc((size_t)df_measure_graph(m)->n_nodes, sizeof *shapes);
    df_code rc = shapes ? df_cost_model(&cost, df_measure_graph(m), err) : df_err_set(err, DF_ENOMEM, "shapes");
    int n = rc ? 0 : gather(shapes, m, &cost, o);
    for (int i = 0; i < n; i++)
        printf("{\"shape\": \"%s\", \"nodes\": %d, \"seconds\": %.9f, \"flops\": %.0f, \"bytes\": %.0f}\n",
               shapes[i].shape, shapes[i].nodes, shapes[i].ns * 1e-9 / shapes[i].nodes,
               shapes[i].flops / shapes[i].nodes, shapes[i].bytes / shapes[i].nodes);
    df_cost_free(&cost);
    free(shapes);
    return rc;
}

static df_code bench(const df_bench_options *o, df_err *err) {
    const df_model_options how = { .tokenizer_optional = true };
    df_model *model = NULL;
    df_measure *m = NULL;
    double seconds;
    df_code rc = df_model_open_with(&model, o->model, &how, err);
    if (!rc) rc = df_measure_open(&m, model, o, err);
    for (int i = 0; i < o->runs && !rc; i++) rc = df_measure_run(m, &seconds, err);
    if (!rc) rc = report(m, o, err);
    df_measure_close(&m);
    df_model_close(&model);
    return rc;
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: bench_shapes MODEL text|unet|transformer|vae ROWS WxH f32|bf16 RUNS\n");
        return 2;
    }
    char *args[] = { argv[0],          argv[2], (char *)"-m",      argv[1], (char *)"--batch", argv[3],
                     (char *)"--size", argv[4], (char *)"--dtype", argv[5], (char *)"--runs",  argv[6] };
    df_bench_options o;
    df_err err = { 0 };
    df_bench_options_parse(&o, sizeof args / sizeof *args, args);
    df_code rc = bench(&o, &err);
    if (rc) fprintf(stderr, "bench_shapes: %s\n", err.text);
    return rc != DF_OK;
}
