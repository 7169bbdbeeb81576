/* One run of a scaling test: a real farm renders so many pictures, and what it leaves is read.
 *
 *   df_scale_run_once(&run, &job, workers, depth, pictures, number, &err);
 *
 * The farm is a child of ours: `diffarm render`, or `diffarm slurm submit --wait`. It works in OUT/work, which is
 * removed afterwards; what it says is kept in OUT/logs. Threads: the main thread. */
#ifndef DF_CLIENT_BENCH_SCALE_RUN_H
#define DF_CLIENT_BENCH_SCALE_RUN_H

#include <signal.h>

#include "client/bench/scale/options.h"
#include "client/bench/scale/record.h"

typedef struct df_scale_job {
    const df_scale_options *options; /* borrowed */
    bool prompts; /* the model takes text */
    const volatile sig_atomic_t *stop; /* ends the run early: DF_ECANCELLED */
} df_scale_job;

/* number: of the run at its point, from 1. Errors: what the farm said last. */
df_code df_scale_run_once(df_scale_run *out, const df_scale_job *job, int workers, int depth, int64_t pictures,
                          int number, df_err *err);

/* The manifest of a run: lines with prompts (each its own) and seeds. */
df_code df_scale_manifest_write(const char *path, int64_t pictures, bool prompts, df_err *err);

/* The command of a run, a line for people. */
void df_scale_command_print(FILE *to, const df_scale_job *job, int workers, int depth);

#endif
