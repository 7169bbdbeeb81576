/* What decides how long a node takes, as text: operation, attributes, shapes of all it reads, of its weights and of its
 * result, what is fused in. Nodes of one signature take the same time, in whatever model they are; their names and
 * numbers do not count.
 *
 *   "conv2d 3/1 pad 1,1,1,1 in f32[16,16,64] weights [64,64,3,3] [64] out [16,16,64] silu"
 *
 * Threads: pure function. */
#ifndef DF_ENGINE_GRAPH_SIGNATURE_H
#define DF_ENGINE_GRAPH_SIGNATURE_H

#include "base/buf.h"
#include "engine/graph/graph.h"

/* Appends it; out->failed says that memory ran out. */
void df_node_signature(df_buf *out, const df_graph *g, const df_node *n);

#endif
