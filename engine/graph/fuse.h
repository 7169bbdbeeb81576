/* Fusion: rewrites a finished graph so that fewer nodes do the same arithmetic.
 *
 *   df_graph_fuse(g, &err)      all passes in their fixed order; idempotent
 *
 * Folded: ADD_CHANNEL after conv/linear, ACTIVATION after group_norm/layer_norm/conv/linear, ADD (residual) after
 * conv/linear; only where the intermediate value has that one user and is no graph output. A reshape between is looked
 * through, and a node moves back where what it takes in is made behind it. The result differs from the unfused graph by
 * rounding only (tested), and passes run before any cut.
 * Value ids and node indices change: find ports by name afterwards. One small file a pass: fuse_*.c. */
#ifndef DF_ENGINE_GRAPH_FUSE_H
#define DF_ENGINE_GRAPH_FUSE_H

#include "engine/graph/graph.h"

df_code df_graph_fuse(df_graph *g, df_err *err);

#endif
