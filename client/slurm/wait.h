/* Waits for a farm under Slurm. */
#ifndef DF_CLIENT_SLURM_WAIT_H
#define DF_CLIENT_SLURM_WAIT_H

#include "base/err.h"

/* Until FARM/exit_code appears (its number goes to *code), or every one of the jobs (ids, one a line) has ended without
 * it: DF_EUNREACHABLE. DF_ECANCELLED on SIGINT or SIGTERM: the farm goes on. */
df_code df_slurm_wait(const char *farm, const char *jobs, int *code, df_err *err);

#endif
