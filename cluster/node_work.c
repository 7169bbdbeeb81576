#include "cluster/node_work.h"

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

static double stored_elements(const df_graph *g, const df_node *n) {
    double total = 0;
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++)
        if (n->weight[i] != DF_NO_WEIGHT) total += (double)df_shape_elements(g->weights[n->weight[i]].shape);
    return total;
}

/* Without what is folded in and what moves; `extra` adds to the elements that move. */
static df_node_work main_work(const df_graph *g, const df_node *n, double *extra) {
    double out = elements(g, n->out), stored = stored_elements(g, n);
    switch (n->op) {
    case DF_OP_LINEAR:
        return (df_node_work) { DF_WORK_PRODUCT, .flops = 2 * out * last_dim(g, n->in[0]), .weights = stored };
    case DF_OP_CONV2D: {
        double k = n->attr.conv.kernel;
        return (df_node_work) { DF_WORK_PRODUCT, .flops = 2 * out * last_dim(g, n->in[0]) * k * k, .weights = stored };
    }
    case DF_OP_UPSAMPLE_CONV2D: /* four taps for each result, but one kernel of them for each parity */
        return (df_node_work) { DF_WORK_PRODUCT, .flops = 2 * out * last_dim(g, n->in[0]) * 4,
                                .weights = stored * 16 / 9 };
    case DF_OP_ATTENTION: return (df_node_work) { DF_WORK_ATTENTION, .flops = attention_flops(g, n) };
    case DF_OP_EMBEDDING:
    case DF_OP_CLASS_EMBEDDING: *extra = 2 * out; return (df_node_work) { DF_WORK_POINTWISE, .flops = out };
    case DF_OP_TIMESTEP_EMBEDDING: return (df_node_work) { DF_WORK_POINTWISE, .flops = 40 * out };
    case DF_OP_GROUP_NORM:
    case DF_OP_LAYER_NORM: return (df_node_work) { DF_WORK_POINTWISE, .flops = 8 * out, .weights = stored };
    case DF_OP_RMS_NORM: return (df_node_work) { DF_WORK_POINTWISE, .flops = 5 * out, .weights = stored };
    case DF_OP_QUANTIZE: /* every position against every code */
        return (df_node_work) { DF_WORK_POINTWISE, .flops = 3 * out * stored / last_dim(g, n->in[0]),
                                .weights = stored };
    case DF_OP_ACTIVATION: return (df_node_work) { DF_WORK_POINTWISE, .flops = 12 * out };
    case DF_OP_GEGLU: return (df_node_work) { DF_WORK_POINTWISE, .flops = 24 * out };
    case DF_OP_ADD:
    case DF_OP_ADD_CHANNEL:
    case DF_OP_GATE:
    case DF_OP_MUL: return (df_node_work) { DF_WORK_POINTWISE, .flops = out };
    case DF_OP_ADD_CONSTANT:
        return (df_node_work) { DF_WORK_POINTWISE, .flops = out, .weights = out }; /* of the grid, its crop only */
    case DF_OP_MODULATE:
    case DF_OP_SCALE: return (df_node_work) { DF_WORK_POINTWISE, .flops = 2 * out };
    default: return (df_node_work) { DF_WORK_POINTWISE, .flops = 0 }; /* moves bytes only */
    }
}

static double moved_elements(const df_graph *g, const df_node *n) {
    double out = elements(g, n->out), moved = out + elements(g, n->residual) + elements(g, n->fused_add_channel);
    bool slice = n->op == DF_OP_SLICE || n->op == DF_OP_SLICE_TOKENS; /* reads what it gives, not all there is */
    for (int i = 0; i < n->n_in; i++) moved += slice ? out : elements(g, n->in[i]);
    return moved;
}

df_node_work df_node_work_of(const df_graph *g, const df_node *n) {
    double out = elements(g, n->out), extra = 0;
    if (n->op == DF_OP_RESHAPE) return (df_node_work) { DF_WORK_POINTWISE, .flops = 0 };
    df_node_work w = main_work(g, n, &extra);
    w.fused_flops = (n->act != DF_ACT_NONE ? 12 * out : 0) + (n->residual != DF_NO_VALUE ? out : 0) +
                    (n->fused_add_channel != DF_NO_VALUE ? out : 0);
    w.values = moved_elements(g, n) + extra;
    return w;
}
