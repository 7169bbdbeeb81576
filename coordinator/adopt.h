/* Pictures that workers have written beside OUT (proto/beside.h): looked at, put in place, or thrown away.
 *
 *   df_adopt_look(dir, &is, &err);                                      read, and held against what was told
 *   df_adopt_put_in(dir, &is, "images/000000/00000007.png", &err);      then df_out_dir_sync, as after df_out_dir_write
 *   df_adopt_drop(job, token, rows, n);                                 of a lease that has ended, or a late result
 *   df_adopt_sweep(job, leases);                                        at a start: what no live lease speaks for
 *
 * The file is the worker's until it is adopted; what is in place was read, and has the size and hash that were told. */
#ifndef DF_COORDINATOR_ADOPT_H
#define DF_COORDINATOR_ADOPT_H

#include "base/sha256.h"
#include "coordinator/job.h"
#include "coordinator/lease.h"
#include "coordinator/out_dir.h"

typedef struct df_adoptee { /* what a Result says of its file */
    const char *token;
    uint64_t row;
    uint64_t bytes;
    const char *sha256;
    uint32_t width, height; /* that the row asks for */
} df_adoptee;

/* DF_ENOTFOUND: there is no such file. DF_EFORMAT: it is not what was told. Others as df_out_dir_write. A look is safe
 * in several threads beside each other. */
df_code df_adopt_look(df_out_dir *dir, const df_adoptee *is, df_err *err);
df_code df_adopt_put_in(df_out_dir *dir, const df_adoptee *is, const char *relative, df_err *err);

/* Where that works; what stays goes with OUT/.diffarm. Nothing to do for a job whose pictures come by message. */
void df_adopt_drop(const df_job *job, const char *token, const uint64_t *rows, size_t n);
void df_adopt_sweep(const df_job *job, const df_lease_table *leases);

#endif
