/* A roofline: a node takes as long as its arithmetic at the rate of its kind, or as its memory traffic at the
 * bandwidth, whichever is longer. Only ratios matter to the planner; the constants are what the cpu backend reaches on
 * the starter model, f32, on one core with AVX-512. */
#include <stdlib.h>

#include "cluster/plan.h"

#define DENSE_FLOPS 110e9 /* convolutions and matrix products */
#define ATTENTION_FLOPS 80e9 /* short inner dimensions, softmax between */
#define POINTWISE_FLOPS 40e9 /* norms and activations: exponentials, square roots */
#define BYTES_PER_SECOND 25e9
#define NODE_SECONDS 4e-6 /* starting a kernel */
#define ROWS_PER_BATCH 4.0 /* weights are read once for a micro-batch */
#define F32_BYTES 4.0

typedef struct work {
    double flops, rate, weight_bytes;
} work;

static double elements(const df_graph *g, df_value_id v) {
    return v == DF_NO_VALUE ? 0 : (double)df_shape_elements(df_graph_shape(g, v));
}

static double last_dim(const df_graph *g, df_value_id v) {
    df_shape s = df_graph_shape(g, v);
    return (double)s.dim[s.rank - 1];
}

static double attention_flops(const df_graph *g, const df_node *n) {
    double t = (double)df_graph_shape(g, n->in[0]).dim[0], s = (double)df_graph_shape(g, n->in[1]).dim[0];
    double d = last_dim(g, n->in[0]), dv = last_dim(g, n->in[2]);
    double of_a_score = n->attr.attention.bias_buckets ? 11 : 10;
    return 2 * t * s * (d + dv) + of_a_score * n->attr.attention.heads * t * s;
}

static double stored_bytes(const df_graph *g, const df_node *n) {
    double total = 0;
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++)
        if (n->weight[i] != DF_NO_WEIGHT)
            total += F32_BYTES * (double)df_shape_elements(g->weights[n->weight[i]].shape);
    return total;
}

static work work_of(const df_graph *g, const df_node *n) {
    double out = elements(g, n->out), stored = stored_bytes(g, n);
    switch (n->op) {
    case DF_OP_LINEAR: return (work) { 2 * out * last_dim(g, n->in[0]), DENSE_FLOPS, stored };
    case DF_OP_CONV2D: {
        double k = n->attr.conv.kernel;
        return (work) { 2 * out * last_dim(g, n->in[0]) * k * k, DENSE_FLOPS, stored };
    }
    case DF_OP_UPSAMPLE_CONV2D: /* four taps for each result, but one kernel of them for each parity */
        return (work) { 2 * out * last_dim(g, n->in[0]) * 4, DENSE_FLOPS, stored * 16 / 9 };
    case DF_OP_ATTENTION: return (work) { attention_flops(g, n), ATTENTION_FLOPS, 0 };
    case DF_OP_EMBEDDING:
    case DF_OP_CLASS_EMBEDDING: return (work) { out, POINTWISE_FLOPS, 2 * out * F32_BYTES * ROWS_PER_BATCH };
    case DF_OP_TIMESTEP_EMBEDDING: return (work) { 40 * out, POINTWISE_FLOPS, 0 };
    case DF_OP_GROUP_NORM:
    case DF_OP_LAYER_NORM: return (work) { 8 * out, POINTWISE_FLOPS, stored };
    case DF_OP_RMS_NORM: return (work) { 5 * out, POINTWISE_FLOPS, stored };
    case DF_OP_QUANTIZE: /* every position against every code */
        return (work) { 3 * out * stored / F32_BYTES / last_dim(g, n->in[0]), POINTWISE_FLOPS, stored };
    case DF_OP_ACTIVATION: return (work) { 12 * out, POINTWISE_FLOPS, 0 };
    case DF_OP_GEGLU: return (work) { 24 * out, POINTWISE_FLOPS, 0 };
    case DF_OP_ADD:
    case DF_OP_ADD_CHANNEL:
    case DF_OP_GATE:
    case DF_OP_MUL: return (work) { out, POINTWISE_FLOPS, 0 };
    case DF_OP_ADD_CONSTANT: return (work) { out, POINTWISE_FLOPS, out * F32_BYTES }; /* of the grid, its crop only */
    case DF_OP_MODULATE:
    case DF_OP_SCALE: return (work) { 2 * out, POINTWISE_FLOPS, 0 };
    default: return (work) { 0, POINTWISE_FLOPS, 0 }; /* moves bytes only */
    }
}

static double moved_bytes(const df_graph *g, const df_node *n) {
    double out = elements(g, n->out), moved = out + elements(g, n->residual) + elements(g, n->fused_add_channel);
    bool slice = n->op == DF_OP_SLICE || n->op == DF_OP_SLICE_TOKENS; /* reads what it gives, not all there is */
    for (int i = 0; i < n->n_in; i++) moved += slice ? out : elements(g, n->in[i]);
    return F32_BYTES * moved;
}

static void node_cost(const df_graph *g, const df_node *n, double *seconds, double *flops) {
    *seconds = *flops = 0;
    if (n->op == DF_OP_RESHAPE) return; /* same memory, other shape */
    work w = work_of(g, n);
    double out = elements(g, n->out);
    double fused = (n->act != DF_ACT_NONE ? 12 * out : 0) + (n->residual != DF_NO_VALUE ? out : 0) +
                   (n->fused_add_channel != DF_NO_VALUE ? out : 0);
    double compute = w.flops / w.rate + fused / POINTWISE_FLOPS;
    double move = (moved_bytes(g, n) + w.weight_bytes / ROWS_PER_BATCH) / BYTES_PER_SECOND;
    *flops = w.flops + fused;
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
