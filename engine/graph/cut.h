/* A cut: which stage runs which node, and what follows from it.
 *
 * A segment is a maximal run of consecutive nodes on one stage. A folded plan visits a stage twice (its slice of the
 * way down, its slice of the way up), a linear plan once. Before a segment runs, the values it needs from other stages
 * have arrived; each value travels to each stage at most once, right before the first segment there that needs it, from
 * the stage that produced it (graph inputs: from stage 0). Graph outputs end on stage 0.
 *
 * Passes that change arithmetic (fusion) run on the whole graph BEFORE it is cut: every cut of a graph therefore
 * computes the same bytes. */
#ifndef DF_ENGINE_GRAPH_CUT_H
#define DF_ENGINE_GRAPH_CUT_H

#include "engine/graph/graph.h"

typedef struct df_segment {
    int stage;
    int first_node, end_node; /* [first, end) */
} df_segment;

/* One value on its way from one stage to another. */
typedef struct df_edge {
    df_value_id value;
    int from_stage, to_stage;
    int from_segment; /* -1: a graph input, ready before segment 0 */
    int to_segment; /* n_segments: a graph output, due on stage 0 at the end */
} df_edge;

typedef struct df_cut {
    int n_stages;
    int *stage_of; /* [n_nodes] */
    df_segment *segments;
    int n_segments;
    df_edge *edges; /* ordered by (to_segment, from_stage, value) */
    int n_edges;
} df_cut;

/* stage_of [n_nodes], each in 0..n_stages-1; copied. Every stage need not have a node.
 * Errors: DF_EINVAL for a stage out of range. */
df_code df_cut_new(df_cut **out, const df_graph *g, const int *stage_of, int n_stages, df_err *err);
void df_cut_free(df_cut **cut);

/* All on stage 0. */
df_code df_cut_whole(df_cut **out, const df_graph *g, df_err *err);

/* True if the stage holds this weight. */
bool df_cut_has_weight(const df_cut *cut, const df_graph *g, int stage, df_weight_id w);

#endif
