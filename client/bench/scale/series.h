/* The runs of a scaling test: its record in OUT/scale.json, and those that are missing.
 *
 *   df_scale_series_open(&s, &options, &code);     checks everything, reads what there is; nothing is started
 *   df_scale_series_run(&s, &err);                 the runs, in turns, the record written after each
 *   df_scale_series_tell(&s, &err);                plots and table
 *   df_scale_series_close(&s);
 *
 * A run that fails is told, stands in the record, and the others go on. Threads: the main thread. */
#ifndef DF_CLIENT_BENCH_SCALE_SERIES_H
#define DF_CLIENT_BENCH_SCALE_SERIES_H

#include <limits.h>

#include "client/bench/scale/foretell.h"
#include "client/bench/scale/run.h"

typedef struct df_scale_series {
    const df_scale_options *options; /* borrowed */
    df_scale_job job;
    df_scale_record record;
    df_model *model; /* for the simulator */
    df_foretell foretell;
    char path[PATH_MAX]; /* of scale.json */
    int n_failed; /* runs */
} df_scale_series;

/* False after an error was told; *code is the exit code. Fills in what o leaves open, and borrows it. */
bool df_scale_series_open(df_scale_series *s, df_scale_options *o, int *code);
void df_scale_series_close(df_scale_series *s);

int df_scale_series_missing(const df_scale_series *s); /* runs */
df_code df_scale_series_run(df_scale_series *s, df_err *err); /* DF_ECANCELLED when interrupted */
df_code df_scale_series_tell(df_scale_series *s, df_err *err);
void df_scale_series_dry_run(const df_scale_series *s);

#endif
