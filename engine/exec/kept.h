/* Results that need not be made again: those of nodes that read kept inputs alone (graph.h), such as the keys and
 * values of a prompt in cross-attention, which a row has in common with its step before. The memory plan has given them
 * a region that nothing else uses (DF_REGION_KEPT).
 *
 *   df_kept_open(&k, graph, cut, stage, plan, &err);
 *   df_kept_reserve(k, stage, n_rows, n_slots, &err);            forgets all
 *   bool still = df_kept_still(k, stage, slot, segment, n_rows); before a segment runs, its operands in their places
 *   ... run the segment; where still, without the nodes of which df_kept_has(k, node)
 *   df_kept_done(k, slot, segment, n_rows);                      after it has run without an error
 *
 * A segment of a slot compares what its kept nodes read with a copy of what they read last time, byte by byte: who
 * fills the slot need not know. Threads: the stage's owner. */
#ifndef DF_ENGINE_EXEC_KEPT_H
#define DF_ENGINE_EXEC_KEPT_H

#include "engine/exec/stage.h"
#include "engine/graph/memory_plan.h"

typedef struct df_kept df_kept;

df_code df_kept_open(df_kept **out, const df_graph *g, const df_cut *cut, int stage, const df_memory_plan *plan,
                     df_err *err);
void df_kept_close(df_kept **k);

df_code df_kept_reserve(df_kept *k, const df_stage *s, int64_t max_rows, int n_slots, df_err *err);
size_t df_kept_bytes(const df_kept *k); /* reserved */

bool df_kept_has(const df_kept *k, int node);

/* True if the results there are those of these operands. */
bool df_kept_still(df_kept *k, df_stage *s, int slot, int segment, int64_t n_rows);
void df_kept_done(df_kept *k, int slot, int segment, int64_t n_rows);
void df_kept_forget(df_kept *k); /* all results of all slots */

#endif
