/* The lists at the end of a job: metadata.jsonl, failures.jsonl, runs.jsonl, and job.json as the marker, last.
 *
 *   df_out_lists_open(&l, job, &err);
 *   do rc = df_out_lists_step(l, store, max_rows, &done, &err); while (!rc && !done);
 *   df_out_lists_close(&l);
 *
 * Streamed from the store in slices, so that neither memory nor the loop's turn grows with the job. Written again from
 * the start after an error or a crash, or when failed rows were tried again (the old marker goes before the new lists
 * come): the bytes are the same, for only runs.jsonl holds anything that depends on when,
 * where or how often a row was rendered. failures.jsonl is always there, empty when nothing failed. */
#ifndef DF_COORDINATOR_OUT_LISTS_H
#define DF_COORDINATOR_OUT_LISTS_H

#include <stdbool.h>
#include <stddef.h>

#include "coordinator/store.h"

typedef struct df_out_lists df_out_lists;

/* Are the lists in OUT those of this job? DF_ENOTFOUND, DF_EEXIST (another's). */
df_code df_out_lists_check(const df_job *job, df_err *err);
df_code df_out_lists_open(df_out_lists **out, const df_job *job, df_err *err); /* borrows the job */
void df_out_lists_close(df_out_lists **l);
df_code df_out_lists_step(df_out_lists *l, df_store *store, size_t max_rows, bool *done, df_err *err);

#endif
