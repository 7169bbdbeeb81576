/* What graph.c, the builders and the passes share; nobody else includes it. */
#ifndef DF_ENGINE_GRAPH_GRAPH_IMPL_H
#define DF_ENGINE_GRAPH_GRAPH_IMPL_H

#include "base/arena.h"
#include "engine/graph/graph.h"

struct df_graph_impl {
    df_arena *arena; /* names */
    df_err first; /* the error that counts; code DF_OK while there is none */
    bool finished;
    int cap_nodes, cap_values, cap_weights, cap_inputs, cap_outputs;
};

static inline bool df_graph_has_value(const df_graph *g, df_value_id v) {
    return v >= 0 && v < g->n_values;
}

/* False once the graph has failed or is finished (which makes it fail): builders then do nothing. */
bool df_graph_is_open(df_graph *g);

/* The weight of that name, new or shared; fails the graph if it exists with another shape. */
df_weight_id df_graph_add_weight(df_graph *g, const char *name, df_shape shape);

/* Checks the node, gives it a value and appends both. `declared` is the result's shape where the node cannot know it
 * from its inputs (reshape, upsample), else rank 0. */
df_value_id df_graph_append(df_graph *g, const df_node *node, df_shape declared);

#endif
