/* Shape inference: what a node makes of its inputs, and whether it may.
 *
 * The builders use it as they append; df_graph_check uses it again on a graph that a pass has rewritten, fused fields
 * included. One place therefore says what an operation accepts. */
#ifndef DF_ENGINE_GRAPH_SHAPE_H
#define DF_ENGINE_GRAPH_SHAPE_H

#include <stddef.h>

#include "engine/graph/graph.h"

/* *shape: in, the shape the node declares (read for RESHAPE and UPSAMPLE_NEAREST only); out, the shape of its result.
 * The node's values and weights must be in range. Errors do not name the node: the caller does.
 * DF_ESHAPE for shapes that do not fit, DF_EINVAL for attributes and types. */
df_code df_node_infer(const df_graph *g, const df_node *n, df_shape *shape, df_err *err);

/* Every node: ids in range, producers before users, inferred shape as recorded. */
df_code df_graph_check(const df_graph *g, df_err *err);

/* Rank 1..DF_MAX_RANK, dimensions at least 1, at most DF_MAX_ROW_ELEMENTS in all. */
df_code df_shape_check(df_shape s, df_err *err);
bool df_shape_equal(df_shape a, df_shape b);

typedef struct df_shape_str {
    char text[96];
} df_shape_str;
df_shape_str df_shape_format(df_shape s); /* .text: "[16, 16, 4]" */

#endif
