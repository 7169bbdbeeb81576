/* bench_shapes MODEL text|unet|transformer|vae ROWS WxH f32|bf16 RUNS: every distinct product and attention of a model.
 *
 * The component runs as a whole, RUNS times; the nodes of its fastest run are gathered by operation and shapes. So the
 * shapes are those of the model's own graph, and times are those that each node has between its neighbours, with what
 * fusion folded into it. One JSON line a shape: how many nodes have it; seconds, FLOP and bytes of one (activations
 * read and written, weights read once). */
#include <stdio.h>

#include "client/bench/measure.h"
#include "client/bench/shapes.h"

/* Nodes that were not run (kept from an earlier pass) and those without products are left out. */
static void print_shape(const df_measure *m, const df_shapes *shapes, int at, const df_bench_options *o) {
    const df_graph *g = df_measure_graph(m);
    const int64_t *ns = df_measure_node_ns(m);
    const df_op_shape *s = &shapes->at[at];
    int nodes = 0;
    double seconds = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        if (shapes->of_node[i] != at || ns[i] <= 0) continue;
        nodes++;
        seconds += (double)ns[i] * 1e-9;
    }
    if (!nodes || !df_is_product(g, &g->nodes[s->node])) return;
    printf("{\"shape\": \"%s\", \"nodes\": %d, \"seconds\": %.9f, \"flops\": %.0f, \"bytes\": %.0f}\n", s->name, nodes,
           seconds / nodes, (s->work.flops + s->work.fused_flops) * o->batch,
           df_work_bytes(&s->work, o->batch, o->backend_cfg.dtype));
}

static df_code report(const df_measure *m, const df_bench_options *o, df_err *err) {
    df_shapes shapes;
    df_code rc = df_shapes_of(&shapes, df_measure_graph(m), err);
    if (rc) return rc;
    for (int i = 0; i < shapes.n; i++) print_shape(m, &shapes, i, o);
    df_shapes_free(&shapes);
    return DF_OK;
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
    char *args[] = { argv[0],          argv[2],          (char *)"-m",   argv[1],           (char *)"--batch",
                     argv[3],          (char *)"--size", argv[4],        (char *)"--dtype", argv[5],
                     (char *)"--runs", argv[6],          (char *)"--ops" };
    df_bench_options o;
    df_err err = { 0 };
    df_bench_options_parse(&o, sizeof args / sizeof *args, args);
    o.backend = df_backend_find(o.backend_name);
    df_code rc = o.backend ? bench(&o, &err) : df_err_set(&err, DF_EUNSUPPORTED, "no backend %s", o.backend_name);
    if (rc) fprintf(stderr, "bench_shapes: %s\n", err.text);
    return rc != DF_OK;
}
