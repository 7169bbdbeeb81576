/* A norm, conv or linear, then ACTIVATION. Not behind a residual: the fused order is activation, then residual. */
#include "engine/graph/fuse_pass.h"

static bool takes_activation(const df_node *n) {
    bool op = n->op == DF_OP_GROUP_NORM || n->op == DF_OP_LAYER_NORM || n->op == DF_OP_CONV2D || n->op == DF_OP_LINEAR;
    return op && n->act == DF_ACT_NONE && n->residual == DF_NO_VALUE;
}

bool df_fuse_activation(df_graph *g, int i) {
    if (g->nodes[i].op != DF_OP_ACTIVATION) return false;
    int source = df_fuse_source(g, i, 0);
    if (source < 0 || !takes_activation(&g->nodes[source])) return false;
    df_act act = g->nodes[i].act;
    df_fuse_remove(g, i, 0, DF_NO_VALUE)->act = act;
    return true;
}
