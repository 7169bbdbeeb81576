/* A job of made-up rows, sent and followed over a client's link. */
#ifndef DF_CLIENT_SIMULATE_NOOP_JOB_H
#define DF_CLIENT_SIMULATE_NOOP_JOB_H

#include "client/link.h"

typedef struct df_noop_job {
    const char *job_id, *out_dir;
    const char *format; /* "png" or "none" */
    uint64_t n_rows;
    uint32_t side; /* of the pictures, in pixels */
} df_noop_job;

typedef struct df_noop_progress {
    uint64_t n_done, n_failed;
    bool ended;
} df_noop_progress;

df_code df_noop_job_send(df_link *l, const df_noop_job *job, df_err *err);
df_code df_noop_job_look(df_link *l, const df_noop_job *job, df_noop_progress *now, df_err *err);
df_code df_noop_workers_count(df_link *l, int *n, df_err *err); /* that the coordinator knows */

#endif
