/* What the files of a stage share: stage.c (opening, memory, running) and stage_device.c (where values lie in memory of
 * the backend). */
#ifndef DF_ENGINE_EXEC_STAGE_IMPL_H
#define DF_ENGINE_EXEC_STAGE_IMPL_H

#include "engine/exec/kept.h"
#include "engine/exec/mirror.h"
#include "engine/exec/recordings.h"
#include "engine/exec/stage.h"
#include "engine/graph/memory_plan.h"

struct df_stage {
    df_stage_cfg cfg; /* .weights, .packed_dir and .packed_key are not used after open */
    struct df_packed *packed; /* NULL: none; kernels may have their weights in it */
    void *ctx; /* of the backend */
    df_memory_plan *plan;
    df_kernel **kernels; /* [n_nodes]; NULL for other stages' nodes and for reshapes */
    size_t weight_bytes;

    int64_t max_rows;
    int n_slots;
    char *slots; /* [n_slots][slot_bytes] */
    size_t slot_bytes;
    char *results; /* [n_slots][kept_bytes]: kept ones */
    size_t kept_bytes;
    df_kept *kept;
    char *scratch; /* the plan's scratch for max_rows, then kernel_bytes for the kernel that runs */
    size_t scratch_bytes, kernel_bytes;
    size_t lane_bytes; /* of kernel_bytes, those of a lane */
    int n_lanes; /* 1: rows run together */
    df_err *lane_errs; /* [n_lanes] of the last run */
    bool prepared[2][DF_MAX_ROWS + 1]; /* [in lanes][n_rows] */

    /* Both NULL where the backend works in the host's memory; else slots, results and scratch are the backend's. */
    df_mirror *mirror;
    df_recordings *recordings;

    df_stage_tap_fn tap;
    void *tap_ctx;
    df_stage_on_node_fn on_node;
    void *on_node_ctx;
};

/* One run of a segment. */
typedef struct df_stage_pass {
    df_stage *s;
    int slot, segment;
    int64_t n_rows;
    bool still; /* kept results stand */
    int64_t *ns; /* NULL, or the time of each node */
} df_stage_pass;

static inline const df_space *df_stage_space(const df_stage *s) {
    return s->cfg.backend->space;
}

/* Memory of the stage in place of *block: `bytes` of it, with nothing of the old content; the backend's where it has
 * some of its own. */
df_code df_stage_renew(df_stage *s, char **block, size_t bytes, df_err *err);
void df_stage_give_back(df_stage *s, char **block);

/* Where a value of the slot region lies from the start of `slots`; false if it is in none. */
bool df_stage_offset(const df_stage *s, int slot, df_value_id v, int64_t n_rows, size_t *offset);

/* Runs, or enqueues, the segment's nodes on all rows; `end` may be NULL and is called behind each with its result. */
typedef df_code (*df_stage_node_end_fn)(const df_stage_pass *a, int node, void *out, df_err *err);
df_code df_stage_run_nodes(const df_stage_pass *a, df_stage_node_end_fn end, df_err *err);

/* The pass on a backend with memory of its own: up, nodes, down; where each node is looked at it has ended. */
df_code df_stage_enqueue_pass(const df_stage_pass *a, df_err *err);
/* The error of a reserve that did not fit, with what would. */
df_code df_stage_no_room(df_stage *s, int64_t max_rows, int n_slots, const df_err *why, df_err *err);

#endif
