/* What a finished OUT and the traces of its workers tell of a run.
 *
 *   df_outcome_read(&o, "OUT/runs.jsonl", n_workers, &err);
 *   df_trace_sum_add(&sum, "trace.json", &err);  ...  for each worker
 *   df_outcome_run(&o, &sum, &run);
 *
 * A picture's time ends when it was committed and began `seconds` before, both as runs.jsonl has them. Threads: pure
 * functions. */
#ifndef DF_CLIENT_BENCH_SCALE_OUTCOME_H
#define DF_CLIENT_BENCH_SCALE_OUTCOME_H

#include "client/bench/scale/record.h"

typedef struct df_outcome {
    int64_t n_done, n_failed;
    int n_workers; /* that have made pictures */
    double seconds; /* from the first begin to the last end */
    double active; /* share of n_workers x seconds that lies between a worker's first begin and its last end */
    double steady_rate; /* while all workers were active; a picture counts by the part of it that was made then */
} df_outcome;

/* workers: of the farm; one that has made nothing counts as idle. DF_EFORMAT names the line. */
df_code df_outcome_read(df_outcome *out, const char *path, int workers, df_err *err);

/* Of ranks in their steady states, added up. */
typedef struct df_trace_sum {
    double share[DF_SCALE_SHARES]; /* IDLE stays 0 */
    int n_ranks;
} df_trace_sum;

/* The summary at the head of a trace (cluster/timeline.h). A worker that has computed nothing adds nothing.
 * DF_ENOTFOUND for the trace of a run that has not ended. */
df_code df_trace_sum_add(df_trace_sum *sum, const char *path, df_err *err);

/* All but wall_seconds and others_share. */
void df_outcome_run(const df_outcome *o, const df_trace_sum *sum, df_scale_run *run);

#endif
