/* Where rank 0 keeps what the other half of a pipeline takes and gives (halves.h): a program's inputs and outputs, for
 * each slot. Rank 0's own stage keeps those of its half. Threads: one owner. */
#ifndef DF_CLUSTER_PORTAL_H
#define DF_CLUSTER_PORTAL_H

#include "engine/graph/graph.h"

typedef struct df_portal df_portal;

/* max_rows of each value in each slot. g is borrowed, outlives the portal. dtype: of activations. DF_ENOMEM. */
df_code df_portal_open(df_portal **out, const df_graph *g, df_dtype dtype, int64_t max_rows, int n_slots, df_err *err);
void df_portal_close(df_portal **p);

/* Dense [n_rows][row], 64-byte aligned; NULL for what is neither an input nor an output. */
void *df_portal_value(const df_portal *p, int slot, df_value_id v);

#endif
