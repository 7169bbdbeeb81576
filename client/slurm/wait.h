/* Waits for a farm under Slurm. */
#ifndef DF_CLIENT_SLURM_WAIT_H
#define DF_CLIENT_SLURM_WAIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Until FARM/exit_code appears (its number goes to *code), or every one of the jobs (ids, one a line) has ended without
 * it: DF_EUNREACHABLE. DF_ECANCELLED on SIGINT or SIGTERM: the farm goes on. */
df_code df_slurm_wait(const char *farm, const char *jobs, int *code, df_err *err);

/* The ids among the lines of a text, "12,13"; other lines are passed over. */
void df_slurm_ids(const char *jobs, char *out, size_t out_bytes);

/* Until Slurm has none of these jobs as queued or running, by a question a second; cancel: they are told to end.
 * DF_ETIMEOUT after so long. */
df_code df_slurm_wait_gone(const char *ids, bool cancel, int timeout_ms, df_err *err);

#endif
