/* Memory plan: where each value of one stage lies, so that nothing is allocated while running.
 *
 * Three regions per stage. The slot region holds what must survive between segments (values sent or received, skips
 * that wait on this stage, graph inputs and outputs); there is one per micro-batch in flight. The scratch region holds
 * what lives within one segment; it is shared by all slots, and also gives the kernels their scratch. Results of nodes
 * that read kept inputs alone, unless they travel, have a third region, one per micro-batch like the slots, where
 * nothing shares memory: they outlive the pass. Offsets are in bytes per row times rows: a value of b bytes a row at
 * offset o occupies [o * n, (o + b) * n) for n rows, so one plan serves every n up to the capacity. (In the kept region
 * it is always the capacity's rows: a place does not move with n.) Rows need not run together: within a segment no
 * value of the slot takes the place of another of other size, and scratch may be had once for each part of the rows.
 * Values whose lives do not overlap share memory; a RESHAPE shares its input's; element-wise nodes may write over an
 * input that dies there. Source: greedy by size, Pisarchyk and Lee 2020, arXiv:2001.03288. */
#ifndef DF_ENGINE_GRAPH_MEMORY_PLAN_H
#define DF_ENGINE_GRAPH_MEMORY_PLAN_H

#include <stddef.h>

#include "engine/graph/cut.h"

typedef enum df_region { DF_REGION_NONE, DF_REGION_SLOT, DF_REGION_SCRATCH, DF_REGION_KEPT } df_region;

typedef struct df_placement {
    df_region region; /* NONE: the stage does not touch this value */
    size_t offset; /* bytes per row, a multiple of 64 */
} df_placement;

typedef struct df_memory_plan {
    df_placement *of; /* [n_values] */
    size_t slot_bytes, scratch_bytes, kept_bytes; /* per row */
} df_memory_plan;

/* activation: the backend's compute type. */
df_code df_memory_plan_new(df_memory_plan **out, const df_graph *g, const df_cut *cut, int stage, df_dtype activation,
                           df_err *err);
void df_memory_plan_free(df_memory_plan **plan);

#endif
