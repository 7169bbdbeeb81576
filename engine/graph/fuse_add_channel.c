/* conv or linear, then ADD_CHANNEL: the time embedding of a residual block. */
#include "engine/graph/fuse_pass.h"

static bool takes_channels(const df_node *n) {
    return (n->op == DF_OP_CONV2D || n->op == DF_OP_LINEAR) && n->fused_add_channel == DF_NO_VALUE &&
           n->act == DF_ACT_NONE && n->residual == DF_NO_VALUE;
}

static int64_t width(const df_graph *g, df_value_id v) {
    df_shape s = df_graph_shape(g, v);
    return s.dim[s.rank - 1];
}

bool df_fuse_add_channel(df_graph *g, int i) {
    if (g->nodes[i].op != DF_OP_ADD_CHANNEL) return false;
    int source = df_fuse_source(g, i, 0);
    if (source < 0 || !takes_channels(&g->nodes[source])) return false;
    /* a reshape between may have made other channels of them */
    if (width(g, g->nodes[source].out) != width(g, g->nodes[i].in[0])) return false;
    df_value_id channels = g->nodes[i].in[1];
    df_fuse_remove(g, i, 0, channels)->fused_add_channel = channels;
    return true;
}
