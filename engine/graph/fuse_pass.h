/* What the fusion passes share: how to look through reshapes, and how to fold one node into an earlier one. */
#ifndef DF_ENGINE_GRAPH_FUSE_PASS_H
#define DF_ENGINE_GRAPH_FUSE_PASS_H

#include "engine/graph/graph.h"

/* Each pass returns true if node i was folded away: the nodes behind it have then moved up by one. */
bool df_fuse_add_channel(df_graph *g, int i);
bool df_fuse_activation(df_graph *g, int i);
bool df_fuse_residual(df_graph *g, int i);
bool df_fuse_upsample(df_graph *g, int i); /* what is folded away lies before node i */

/* The node whose result node i reads as in[k], possibly through reshapes, if nothing else sees that result on its way
 * (no second reader, no graph output); -1 otherwise. */
int df_fuse_source(const df_graph *g, int i, int k);

/* Removes node i: who read its result now reads in[k]. */
void df_fuse_drop(df_graph *g, int i, int k);

/* Removes node i, which is about to be folded into s = df_fuse_source(g, i, k): who read its result now reads in[k].
 * Returns s, for the caller to set its fused field. If `operand`, which s is to read, is made behind it, s and the
 * reshapes that follow it move to where i was; only i read them, so nothing in between misses them. DF_NO_VALUE: s
 * reads nothing new. */
df_node *df_fuse_remove(df_graph *g, int i, int k, df_value_id operand);

#endif
