/* What a node of a graph computes and moves for one row: what cost models and rooflines are made of.
 *
 *   df_node_work w = df_node_work_of(g, n);
 *   seconds on a device: max(w.flops / its rate of w.kind + w.fused_flops / its pointwise rate,
 *                            element bytes * (rows * w.values + w.weights) / bytes a second)
 *
 * Multiply and add are counted apart; an exponential or a square root as the operations it takes. Bytes are what must
 * move once: nothing is read twice. A reshape is the same memory in another shape: all zeros. Threads: pure function.
 */
#ifndef DF_CLUSTER_NODE_WORK_H
#define DF_CLUSTER_NODE_WORK_H

#include "engine/graph/graph.h"

typedef enum df_work_kind {
    DF_WORK_PRODUCT, /* convolutions and matrix products */
    DF_WORK_ATTENTION, /* short inner dimensions, softmax between */
    DF_WORK_POINTWISE, /* norms and activations */
    DF_WORK_KINDS
} df_work_kind;

typedef struct df_node_work {
    df_work_kind kind;
    double flops;
    double fused_flops; /* pointwise, of what was folded into the node */
    double values; /* elements read and written, of a row */
    double weights; /* elements read once for all rows that run together */
} df_node_work;

df_node_work df_node_work_of(const df_graph *g, const df_node *n);

#endif
