/* A graph of some nodes of another, each by itself: to see how long they take, without the others and without the
 * model.
 *
 *   df_graph_sample(&s, g, nodes, n, &err);      s->nodes[k] is g->nodes[nodes[k]], fused operands included
 *   df_graph_free(&s);
 *
 * What the nodes read are inputs of the new graph: one for each type and shape, for all nodes, and as many as a node
 * reads of it. Weights are there (df_weight.values), all with the same small numbers: nothing is read from a file. The
 * last node's result is the output, "out"; nobody reads the others. `from` is borrowed and outlives the sample. */
#ifndef DF_ENGINE_GRAPH_SAMPLE_H
#define DF_ENGINE_GRAPH_SAMPLE_H

#include "engine/graph/graph.h"

/* nodes [n], n > 0: indices in ascending order, none of a reshape. */
df_code df_graph_sample(df_graph **out, const df_graph *from, const int *nodes, int n, df_err *err);

#endif
