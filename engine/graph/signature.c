#include "engine/graph/signature.h"

static void add_shape(df_buf *out, df_shape s) {
    df_buf_puts(out, "[");
    for (int i = 0; i < s.rank; i++) df_buf_printf(out, "%s%lld", i ? "," : "", (long long)s.dim[i]);
    df_buf_puts(out, "]");
}

static void add_value(df_buf *out, const df_graph *g, df_value_id v) {
    df_buf_printf(out, " %s", df_dtype_name(g->values[v].dtype));
    add_shape(out, g->values[v].shape);
}

static void add_attributes(df_buf *out, const df_node *n) {
    const df_op_attr *a = &n->attr;
    switch (n->op) {
    case DF_OP_CONV2D:
    case DF_OP_UPSAMPLE_CONV2D:
        df_buf_printf(out, " %d/%d pad %d,%d,%d,%d", a->conv.kernel, a->conv.stride, a->conv.pad.top, a->conv.pad.left,
                      a->conv.pad.bottom, a->conv.pad.right);
        break;
    case DF_OP_TIMESTEP_EMBEDDING: df_buf_printf(out, " %d", a->timestep.dim); break;
    case DF_OP_GROUP_NORM: df_buf_printf(out, " %d", a->norm.groups); break;
    case DF_OP_ATTENTION:
        df_buf_printf(out, " %d%s %d,%d", a->attention.heads, a->attention.causal ? " causal" : "",
                      a->attention.bias_buckets, a->attention.bias_max_distance);
        break;
    case DF_OP_SLICE:
    case DF_OP_SLICE_TOKENS:
        df_buf_printf(out, " %lld,%lld", (long long)a->slice.first, (long long)a->slice.count);
        break;
    case DF_OP_UNPATCHIFY:
        df_buf_printf(out, " %d,%lld,%lld", a->patch.patch, (long long)a->patch.h, (long long)a->patch.w);
        break;
    case DF_OP_ADD_CONSTANT:
        df_buf_printf(out, " %lld,%lld", (long long)a->constant.grid_h, (long long)a->constant.grid_w);
        break;
    default: break;
    }
}

/* Padding with another code than 0 costs more than with 0. */
static void add_fused(df_buf *out, const df_graph *g, const df_node *n) {
    if (n->fused_add_channel != DF_NO_VALUE) df_buf_puts(out, " add channel");
    if (n->act != DF_ACT_NONE) df_buf_printf(out, " %s", df_act_name(n->act));
    if (n->residual != DF_NO_VALUE) {
        df_buf_puts(out, " residual");
        add_value(out, g, n->residual);
    }
    if (n->int8.scale != 0) df_buf_puts(out, n->int8.zero ? " int8 with a zero" : " int8");
}

void df_node_signature(df_buf *out, const df_graph *g, const df_node *n) {
    df_buf_puts(out, df_op_name(n->op));
    add_attributes(out, n);
    df_buf_puts(out, " in");
    for (int i = 0; i < n->n_in; i++) add_value(out, g, n->in[i]);
    if (n->weight[0] != DF_NO_WEIGHT || n->weight[1] != DF_NO_WEIGHT) df_buf_puts(out, " weights");
    for (int i = 0; i < DF_NODE_MAX_WEIGHTS; i++) {
        if (n->weight[i] == DF_NO_WEIGHT) continue;
        df_buf_puts(out, " ");
        add_shape(out, g->weights[n->weight[i]].shape);
    }
    df_buf_puts(out, " out ");
    add_shape(out, df_graph_shape(g, n->out));
    add_fused(out, g, n);
}
