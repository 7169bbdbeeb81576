/* UPSAMPLE_NEAREST to twice the size, then a 3x3 convolution: one node that never makes the larger picture. Of the nine
 * taps each result then reads four different pixels only. */
#include "engine/graph/fuse_pass.h"

static bool doubles(const df_graph *g, const df_node *n) {
    df_shape from = df_graph_shape(g, n->in[0]), to = df_graph_shape(g, n->out);
    return n->op == DF_OP_UPSAMPLE_NEAREST && to.dim[0] == 2 * from.dim[0] && to.dim[1] == 2 * from.dim[1];
}

static bool keeps_size(const df_conv_attr *a) {
    return a->kernel == 3 && a->stride == 1 && a->pad.top == 1 && a->pad.left == 1 && a->pad.bottom == 1 &&
           a->pad.right == 1;
}

bool df_fuse_upsample(df_graph *g, int i) {
    df_node *conv = &g->nodes[i];
    if (conv->op != DF_OP_CONV2D || !keeps_size(&conv->attr.conv)) return false;
    int source = df_fuse_source(g, i, 0);
    if (source < 0 || g->nodes[source].out != conv->in[0] || !doubles(g, &g->nodes[source])) return false;
    conv->op = DF_OP_UPSAMPLE_CONV2D;
    df_fuse_drop(g, source, 0);
    return true;
}
