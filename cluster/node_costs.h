/* What the nodes of a graph cost on this machine: looked up where they were measured before, else measured.
 *
 *   df_node_costs_find(seconds, &found, g, &terms, &err);
 *
 * Times depend on the nodes' signatures, backend, arithmetic, threads, rows that run together and the processor: all of
 * that is the key under which a folder keeps them (cost_cache.h). Processes that miss the same ones measure in turns,
 * so that the second finds what the first has measured. Threads: those of the backend; the caller waits. */
#ifndef DF_CLUSTER_NODE_COSTS_H
#define DF_CLUSTER_NODE_COSTS_H

#include <stdbool.h>

#include "engine/backend/backend.h"

typedef enum df_costs_mode {
    DF_COSTS_MODELLED, /* nothing is looked up */
    DF_COSTS_KNOWN, /* what is kept, or nothing */
    DF_COSTS_MEASURED, /* what is not kept is measured */
    DF_COSTS_ANEW, /* so is all else */
} df_costs_mode;

/* "modelled", "known", "measured", "anew"; false: another. */
const char *df_costs_mode_name(df_costs_mode mode);
bool df_costs_mode_of(const char *name, df_costs_mode *out);

typedef struct df_costs_cfg {
    df_costs_mode mode;
    const char *dir; /* NULL: nothing is kept; borrowed */
    void (*warn)(void *warn_ctx,
                 const char *text); /* a file is not believed, or none can be written; NULL: nobody asks */
    void *warn_ctx;
} df_costs_cfg;

typedef struct df_costs_terms {
    df_costs_cfg cfg;
    const df_backend *backend;
    df_backend_cfg backend_cfg;
    int max_rows; /* of a micro-batch; fewer are measured where a row takes long */
} df_costs_terms;

/* seconds [g->n_nodes]: of a row; 0 for reshapes. *found: all are there; else seconds is untouched. */
df_code df_node_costs_find(double *seconds, bool *found, const df_graph *g, const df_costs_terms *terms, df_err *err);

#endif
