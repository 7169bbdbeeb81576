/* A roofline: a node takes as long as its arithmetic at the rate of its kind, or as its memory traffic at the
 * bandwidth, whichever is longer. Only ratios matter to the planner; the constants are what the cpu backend reaches on
 * the starter model, f32, on one core with AVX-512. */
#include <stdlib.h>

#include "cluster/node_work.h"
#include "cluster/plan.h"

#define DENSE_FLOPS 110e9 /* convolutions and matrix products */
#define ATTENTION_FLOPS 80e9 /* short inner dimensions, softmax between */
#define POINTWISE_FLOPS 40e9 /* norms and activations: exponentials, square roots */
#define BYTES_PER_SECOND 25e9
#define NODE_SECONDS 4e-6 /* starting a kernel */
#define ROWS_PER_BATCH 4.0 /* weights are read once for a micro-batch */
#define F32_BYTES 4.0

static void node_cost(const df_graph *g, const df_node *n, double *seconds, double *flops) {
    static const double rate[DF_WORK_KINDS] = {
        [DF_WORK_PRODUCT] = DENSE_FLOPS, [DF_WORK_ATTENTION] = ATTENTION_FLOPS, [DF_WORK_POINTWISE] = POINTWISE_FLOPS
    };
    *seconds = *flops = 0;
    if (n->op == DF_OP_RESHAPE) return;
    df_node_work w = df_node_work_of(g, n);
    double compute = w.flops / rate[w.kind] + w.fused_flops / POINTWISE_FLOPS;
    double move = F32_BYTES * (w.values + w.weights / ROWS_PER_BATCH) / BYTES_PER_SECOND;
    *flops = w.flops + w.fused_flops;
    *seconds = (compute > move ? compute : move) + NODE_SECONDS / ROWS_PER_BATCH;
}

df_code df_cost_model(df_cost *out, const df_graph *g, df_err *err) {
    size_t n = g->n_nodes ? (size_t)g->n_nodes : 1;
    df_cost c = { .n_nodes = g->n_nodes };
    c.node_seconds = calloc(n, sizeof *c.node_seconds);
    c.node_flops = calloc(n, sizeof *c.node_flops);
    if (!c.node_seconds || !c.node_flops) {
        df_cost_free(&c);
        return df_err_set(err, DF_ENOMEM, "%s: costs of %d nodes", g->name, g->n_nodes);
    }
    for (int i = 0; i < g->n_nodes; i++) node_cost(g, &g->nodes[i], &c.node_seconds[i], &c.node_flops[i]);
    *out = c;
    return DF_OK;
}

void df_cost_free(df_cost *c) {
    if (!c) return;
    free(c->node_seconds);
    free(c->node_flops);
    *c = (df_cost) { 0 };
}
