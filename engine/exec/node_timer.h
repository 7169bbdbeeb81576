/* How long nodes of a graph take here, without the model: each runs by itself on numbers of no meaning.
 *
 *   df_nodes_time(seconds, g, nodes, n, &cfg, &err);
 *
 * Nodes are run in turns, some hundred MiB of them at a time, so that each finds its weights where it finds them in a
 * pass: pushed out of the nearer caches by the others. Of a few turns the quickest counts. Takes about five passes of
 * these nodes, or two where a pass is long, and no more memory than a node needs beside those of one such group.
 * Threads: those of cfg; the caller waits. */
#ifndef DF_ENGINE_EXEC_NODE_TIMER_H
#define DF_ENGINE_EXEC_NODE_TIMER_H

#include "engine/backend/backend.h"

typedef struct df_node_timer_cfg {
    const df_backend *backend;
    df_backend_cfg backend_cfg; /* .packed is not used */
    int64_t n_rows; /* that run together */
} df_node_timer_cfg;

/* seconds [n]: of all n_rows rows. nodes [n]: indices in ascending order, none of a reshape.
 * Errors: those of df_stage_open and df_stage_run. */
df_code df_nodes_time(double *seconds, const df_graph *g, const int *nodes, int n, const df_node_timer_cfg *cfg,
                      df_err *err);

#endif
