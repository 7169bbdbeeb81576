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
 * Numbers are checked by the caller (df_stage_all_finite), not here. Threads: one owner.
 *
 * On a backend with memory of its own (space.h) slots, kept results and scratch lie there, and df_stage_value is a
 * place on the host, for inputs, outputs and what crosses: what a segment reads of it goes up before the segment, what
 * it makes for the outside comes down behind it, on one stream, with one wait (mirror.h). A segment that runs again is
 * recorded and then enqueued at one go (recordings.h). */
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

/* Returns when the outputs and edges of the segment are there. */
df_code df_stage_run(df_stage *s, int slot, int segment, int64_t n_rows, df_err *err);

/* The two halves of it: enqueue may return early, and then df_stage_value is to be left alone until df_stage_wait has
 * returned, which also tells errors of the device. In the host's memory the first does all, the second nothing. */
df_code df_stage_enqueue(df_stage *s, int slot, int segment, int64_t n_rows, df_err *err);
df_code df_stage_wait(df_stage *s, df_err *err);

/* The same, timing each node: ns[node index] is added to for the nodes of the segment, which are then waited for one
 * by one. For calibration and benches. */
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

/* For a transport that moves data between devices (comm.h, compute_on). NULL, or nothing happens, where the backend
 * works in the host's memory. */
void *df_stage_device_value(df_stage *s, int slot, df_value_id v, int64_t n_rows); /* as df_stage_value */
void *df_stage_stream(const df_stage *s); /* that all of the stage is enqueued on: a cudaStream_t */
/* From now on values that cross come and go by df_stage_device_value, and neither go up nor come down by themselves:
 * before inputs are sent on they are uploaded, behind the last message outputs that came are downloaded, both
 * enqueued. */
void df_stage_keep_edges_on_device(df_stage *s);
df_code df_stage_upload_crossing(df_stage *s, int slot, int64_t n_rows, df_err *err);
df_code df_stage_download_outputs(df_stage *s, int slot, int64_t n_rows, df_err *err);

typedef struct df_stage_memory {
    size_t weight_bytes; /* as the backend packs them */
    size_t slot_bytes, scratch_bytes; /* reserved */
} df_stage_memory;
df_stage_memory df_stage_memory_of(const df_stage *s);

#endif
