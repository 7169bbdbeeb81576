/* A worker: takes leases, renders them through a pipeline, sends the pictures back.
 *
 * Every rank of the pipeline calls df_worker_run with its end of the communicator; rank 0 has the link to the
 * coordinator, the others serve it. It returns DF_OK after an orderly drain. After any error this process is of no more
 * use; a supervisor starts it again unless *refused: the coordinator will have none of it, or a model that was to be
 * offered cannot be. */
#ifndef DF_WORKER_WORKER_H
#define DF_WORKER_WORKER_H

#include <signal.h>

#include "base/log.h"
#include "cluster/comm.h"
#include "cluster/node_costs.h"
#include "cluster/strategy.h"
#include "engine/backend/backend.h"
#include "worker/pulse.h"

typedef struct df_worker_cfg {
    const char *endpoint;
    const char *keys_dir; /* NULL: none */
    const char *const *models; /* folders to offer; none: any model that a lease names */
    int n_models;
    const df_backend *backend;
    int threads; /* of each rank */
    int gpu; /* of this rank: df_backend_cfg */
    int micro_batch; /* 0: the job's, else a default */
    const char *packed_dir; /* packed weights are kept there; NULL: nowhere */
    df_costs_cfg costs; /* what a pipeline is cut by; its warnings go to the log */
    df_split split; /* with aim: how the ranks share a model */
    df_strategy_aim aim;
    const char *inputs_dir; /* files that rows name are opened below it alone; NULL: anywhere */
    const char *input_cache_dir; /* copies of those that are not there; NULL: a private folder */
    uint64_t input_cache_bytes; /* at most */
    /* 1: take nothing new, hand back what is not begun, finish the rest; 2: hand back all, at once. May be NULL. */
    const volatile sig_atomic_t *drain;
    const char *trace_path; /* the timeline of all ranks goes there at an orderly end; NULL: none is kept */
    int64_t ends_at_ms; /* on df_clock_ms: by itself it drains so that all is handed in by then; 0: never */
    int64_t stall_timeout_ms; /* of df_pipeline_cfg: a rank that hangs for so long ends the worker */
    int drain_ms; /* what is not finished by then is handed back */
    df_pulse *pulse; /* of rank 0; borrowed, NULL: none */
    const df_log *log; /* borrowed, may be NULL */
} df_worker_cfg;

df_code df_worker_run(df_comm *comm, const df_worker_cfg *cfg, bool *refused, df_err *err);

#endif
