/* A stage: the nodes of one rank, ready to run. The loaded weights are shared by all its slots.
 *
 *   df_stage_open(&s, &cfg, &err);                       packs the weights of this stage's nodes, and no others
 *   df_stage_reserve(s, n_rows, n_slots, &err);          memory and kernels for up to n_rows rows in n_slots slots
 *   memcpy(df_stage_value(s, slot, input), ...);         inputs and received values go straight to their place
 *   df_stage_run(s, slot, segment, n_rows, &err);        allocates nothing, logs nothing, locks nothing
 *   ... df_stage_value(s, slot, output)                  valid until the slot is used again
 *   df_stage_close(&s);
 *
 * Nodes that read kept inputs alone (graph.h) run when those have changed: kept.h.
 * Rows that share well among the backend's lanes (backend.h) run side by side, each lane's through the whole segment.
 * A value is addressed for the number of rows it was written with: use the same n_rows for a slot from input to
 * output. Every kernel is prepared for each n_rows given to df_stage_reserve or df_stage_prepare; df_stage_run for
 * another n_rows is DF_EINVAL.
 * Numbers are checked by the caller (df_stage_all_finite), not here. Threads: one owner. */
#ifndef DF_ENGINE_EXEC_STAGE_H
#define DF_ENGINE_EXEC_STAGE_H

#include "engine/backend/backend.h"
#include "engine/graph/cut.h"
#include "engine/weights/weights.h"

typedef struct df_stage df_stage;

typedef struct df_stage_cfg {
    const df_graph *graph; /* borrowed, outlives the stage; already fused */
    const df_cut *cut; /* borrowed, outlives the stage */
    int stage;
    const df_weights *weights; /* borrowed, only during df_stage_open */
    const df_backend *backend;
    df_backend_cfg backend_cfg; /* .packed: the stage's own, from here on */
    const char *packed_dir; /* packed weights are kept there (packed.h), NULL: nowhere */
    const char *packed_key; /* all that the weights of this stage follow from */
} df_stage_cfg;

df_code df_stage_open(df_stage **out, const df_stage_cfg *cfg, df_err *err);
void df_stage_close(df_stage **s);

/* Capacity. May be called again to grow; contents of slots are lost. */
df_code df_stage_reserve(df_stage *s, int64_t max_rows, int n_slots, df_err *err);
/* Kernels for exactly n_rows <= max_rows; idempotent. Growing the scratch may allocate: never inside a step. */
df_code df_stage_prepare(df_stage *s, int64_t n_rows, df_err *err);

/* Dense [n_rows][row] in the slot region; DF_NO_VALUE or a value that is not in it gives NULL. The offset depends on
 * n_rows, see memory_plan.h. */
void *df_stage_value(df_stage *s, int slot, df_value_id v, int64_t n_rows);
size_t df_stage_value_bytes(const df_stage *s, df_value_id v, int64_t n_rows);

df_code df_stage_run(df_stage *s, int slot, int segment, int64_t n_rows, df_err *err);

/* The same, timing each node: ns[node index] is added to for the nodes of the segment. For calibration and benches. */
df_code df_stage_run_timed(df_stage *s, int slot, int segment, int64_t n_rows, int64_t *ns, df_err *err);

/* Runs fn after each node of the segment with its result (tests: inner activations; calibration). While it is set rows
 * run together, and df_stage_run may allocate. */
typedef void (*df_stage_tap_fn)(void *ctx, const df_node *node, const void *out, int64_t n_rows);
void df_stage_set_tap(df_stage *s, df_stage_tap_fn fn, void *ctx);

/* Calls fn on the owner's thread before each node (its index) that is prepared or run; of lanes the first alone calls.
 * Whoever waits for this stage can so be told that it goes on. NULL: none. */
typedef void (*df_stage_on_node_fn)(void *ctx, int node);
void df_stage_set_on_node(df_stage *s, df_stage_on_node_fn fn, void *ctx);

/* True if no element of the value is NaN or infinite; *bad_row (may be NULL): the first row that has one. False too
 * for a value that is not in the slot region. */
bool df_stage_all_finite(df_stage *s, int slot, df_value_id v, int64_t n_rows, int64_t *bad_row);

typedef struct df_stage_memory {
    size_t weight_bytes; /* as the backend packs them */
    size_t slot_bytes, scratch_bytes; /* reserved */
} df_stage_memory;
df_stage_memory df_stage_memory_of(const df_stage *s);

#endif
