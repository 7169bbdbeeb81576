/* Which values cross between which ranks in a pass of a program: the edges of its cut, on the ranks of each half
 * (halves.h). Rank r has stage r % depth of half r / depth. The second half's inputs come from rank 0, and its outputs
 * go there. Every rank lists the same in the same order: a crossing's number is that of its channel. */
#ifndef DF_CLUSTER_CROSSING_H
#define DF_CLUSTER_CROSSING_H

#include "engine/graph/cut.h"

typedef struct df_crossing {
    df_value_id value;
    int half; /* whose pass it belongs to */
    int from_rank, to_rank; /* never the same */
    int from_segment; /* -1: a graph input */
    int to_segment; /* n_segments: a graph output, due on rank 0 */
} df_crossing;

/* *out [*n] is the caller's to free. The first half's are the cut's edges, in their order. DF_ENOMEM. */
df_code df_crossings_list(df_crossing **out, int *n, const df_graph *g, const df_cut *cut, int n_halves, df_err *err);

#endif
