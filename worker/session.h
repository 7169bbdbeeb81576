/* A session: one model open on all ranks of this worker, with a pipeline over them. Several may be open, each in a
 * place of its own; one at a time is in use, the others rest.
 *
 * Rank 0:     df_session_open(&s, comm, &cfg, &want, place, &err);      the other ranks follow, or none has it open
 *             ... df_session_pipeline(s) ...
 *             df_session_rest(s, &err);  ... another session ...  df_session_resume(s, &err);
 *             df_session_close(&s);
 *             df_session_dismiss(comm);                     the other ranks return from df_session_follow
 * Rank > 0:   df_session_follow(comm, &cfg, &err);          opens and serves what rank 0 says until dismissed
 *
 * Adapters are added to the weights while the model is opened, on every rank, in their order. Before a pipeline is
 * opened, every rank has opened the model itself, found its content hash right and told rank 0: a model that is missing
 * on one node is an error with a text on rank 0, not a job that hangs. */
#ifndef DF_WORKER_SESSION_H
#define DF_WORKER_SESSION_H

#include "base/sha256.h"
#include "cluster/renderer.h"
#include "cluster/strategy.h"
#include "farm.pb-c.h"

typedef struct df_session df_session;

typedef struct df_session_cfg {
    const df_backend *backend;
    int threads, gpu; /* of df_backend_cfg */
    const char *packed_dir; /* NULL, or where packed weights are kept; borrowed, outlives the sessions */
    df_costs_cfg costs; /* with hops: of df_pipeline_cfg */
    const df_hops *hops;
    int recut_after; /* with on_recut: of df_pipeline_cfg */
    void (*on_recut)(void *on_recut_ctx, const double *speed, int n_stages);
    void *on_recut_ctx;
    void (*watch)(void *watch_ctx, const df_pipeline *p, bool now); /* of df_pipeline_cfg; NULL: nobody */
    void *watch_ctx;
    df_trace *trace; /* borrowed; NULL: none */
    int64_t stall_timeout_ms; /* of df_pipeline_cfg */
    df_split split; /* with aim: how the ranks share a model, as rank 0 has it */
    df_strategy_aim aim;
} df_session_cfg;

typedef struct df_session_want {
    const char *path, *sha256;
    const char *config_dir; /* of a model in one file; "": none */
    Diffarm__Adapter *const *adapters; /* [n_adapters] of a row: a model with them is a model of its own */
    size_t n_adapters;
    int micro_batch; /* 0: a default (defaults.h) */
    bool no_t5, fast_conv;
    const char *dtype; /* as a job names it, "f32" */
} df_session_want;

enum { DF_SESSION_PLACES = 8, DF_SESSION_MAX_ADAPTERS = 17 }; /* sixteen, and scales of int8 */

/* None is in use, and the place is free. */
df_code df_session_open(df_session **out, df_comm *comm, const df_session_cfg *cfg, const df_session_want *want,
                        int place, df_err *err);
void df_session_close(df_session **s); /* in use or resting; accepts a pointer to NULL */
df_code df_session_rest(df_session *s, df_err *err); /* it was in use */
df_code df_session_resume(df_session *s, df_err *err); /* none is in use */
size_t df_session_bytes(const df_session *s); /* that its model takes on rank 0 */
bool df_session_fits(const df_session *s, const df_session_want *want); /* false for NULL */
df_pipeline *df_session_pipeline(const df_session *s);
const df_model *df_session_model(const df_session *s);
int df_session_micro_batch(const df_session *s);
int df_session_halves(const df_session *s); /* of the pipeline, 1 or 2 */
int df_session_capacity(const df_session *s); /* pictures in flight */

void df_session_dismiss(df_comm *comm);
df_code df_session_follow(df_comm *comm, const df_session_cfg *cfg, df_err *err);

#endif
