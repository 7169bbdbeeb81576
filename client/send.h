/* Sending a job: Begin, its rows in batches, End. Starts over when the coordinator was started anew meanwhile; returns
 * once the job is durable there. */
#ifndef DF_CLIENT_SEND_H
#define DF_CLIENT_SEND_H

#include "client/draft.h"
#include "client/link.h"

#define DF_JOB_ID_BYTES 17

/* A fresh random job id: 16 hex digits. */
df_code df_job_id_new(char out[DF_JOB_ID_BYTES], df_err *err);

/* Every answer is waited for up to timeout_ms, or for ever if it is negative. job->spec.job_id is set by the caller;
 * the same id sent again changes nothing. A refusal has the coordinator's code and text. */
df_code df_send_job(df_link *l, df_draft *job, int timeout_ms, df_err *err);

#endif
