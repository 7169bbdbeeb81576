/* The host's side of a stage whose values lie in memory of its backend (space.h): a place in pinned memory, in each
 * slot, for inputs and received values, which callers write, and for outputs and those to send, which they find there.
 * What a segment needs goes up before it runs, what it has made for others comes down behind it, and nothing else.
 *
 *   df_mirror_open(&m, graph, cut, stage, plan, space, ctx, &err);
 *   df_mirror_reserve(m, s, max_rows, n_slots, &err);
 *   df_mirror_value(m, slot, v);                             where it is written and found
 *   df_mirror_up(m, s, segment, slot, n_rows, still, &err);  enqueued; df_mirror_down the same
 *
 * An input goes up for every segment that reads it, since the plan lets others take its place behind it. Values that
 * cross may come and go on the device instead (df_mirror_skip_edges); then inputs that cross go up as if for a segment
 * before all (-1), and outputs that came from elsewhere down as if of one behind all (n_segments).
 * Threads: the stage's owner. */
#ifndef DF_ENGINE_EXEC_MIRROR_H
#define DF_ENGINE_EXEC_MIRROR_H

#include "engine/backend/space.h"
#include "engine/exec/stage.h"
#include "engine/graph/memory_plan.h"

typedef struct df_mirror df_mirror;

df_code df_mirror_open(df_mirror **out, const df_graph *g, const df_cut *cut, int stage, const df_memory_plan *plan,
                       const df_space *space, void *ctx, df_err *err);
void df_mirror_close(df_mirror **m);

df_code df_mirror_reserve(df_mirror *m, const df_stage *s, int64_t max_rows, int n_slots, df_err *err); /* anew */
void *df_mirror_value(const df_mirror *m, int slot, df_value_id v); /* NULL: it is nothing to the host */

void df_mirror_skip_edges(df_mirror *m);
bool df_mirror_skips_edges(const df_mirror *m);

/* still: kept results stand, what they are made of is not needed. */
df_code df_mirror_up(const df_mirror *m, df_stage *s, int segment, int slot, int64_t n_rows, bool still, df_err *err);
df_code df_mirror_down(const df_mirror *m, df_stage *s, int segment, int slot, int64_t n_rows, df_err *err);
bool df_mirror_has_down(const df_mirror *m, int segment); /* whether there is something to wait for */

/* What came on the device for the segment and is read by kept nodes, for df_kept_still to look at; waits for it. */
df_code df_mirror_fetch_kept(const df_mirror *m, df_stage *s, int segment, int slot, int64_t n_rows, df_err *err);

#endif
