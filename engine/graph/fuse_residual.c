/* conv, linear or gate, then ADD: either operand may be the one that takes the other in. */
#include "engine/graph/fuse_pass.h"

static bool takes_residual(const df_graph *g, int i, int k) {
    int source = df_fuse_source(g, i, k);
    if (source < 0) return false;
    const df_node *n = &g->nodes[source];
    bool op = n->op == DF_OP_CONV2D || n->op == DF_OP_LINEAR || n->op == DF_OP_GATE;
    return op && n->residual == DF_NO_VALUE;
}

bool df_fuse_residual(df_graph *g, int i) {
    if (g->nodes[i].op != DF_OP_ADD) return false;
    /* the operand made later first: then nothing has to move */
    const df_value_id *in = g->nodes[i].in;
    int first = g->values[in[1]].producer > g->values[in[0]].producer, second = !first;
    int k = takes_residual(g, i, first) ? first : second;
    if (!takes_residual(g, i, k)) return false;
    df_value_id operand = in[!k];
    df_fuse_remove(g, i, k, operand)->residual = operand;
    return true;
}
