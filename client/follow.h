/* Following a job until it ends, over any restart of the coordinator. */
#ifndef DF_CLIENT_FOLLOW_H
#define DF_CLIENT_FOLLOW_H

#include "client/link.h"
#include "client/progress.h"

/* Asks for one job's state; DF_ENOTFOUND if the coordinator has no such job. answer holds *status. */
df_code df_ask_job(df_link *l, const char *job_id, int64_t deadline_ms, df_wire_in *answer,
                   const Diffarm__JobStatus **status, df_err *err);

typedef struct df_follow_cfg {
    df_progress *progress;
    /* Called between two questions with the last state, and with NULL while the coordinator does not answer; an error
     * ends the wait. May be NULL. */
    df_code (*on_status)(void *ctx, const Diffarm__JobStatus *j, df_err *err);
    void *ctx;
} df_follow_cfg;

/* Returns when the job has ended: answer holds its last *status. Waits for a coordinator that is away, and says so. */
df_code df_follow_job(df_link *l, const char *job_id, const df_follow_cfg *cfg, df_wire_in *answer,
                      const Diffarm__JobStatus **status, df_err *err);

#endif
