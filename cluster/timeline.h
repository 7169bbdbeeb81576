/* The traces of all ranks on one clock, rank 0's, and what they add up to.
 *
 *   every rank:   df_trace_meet(t, comm, &err);              at the start
 *                 ... df_trace_add ...
 *                 df_timeline_gather(&line, t, comm, &err);  at the end; *line is NULL but on rank 0
 *   rank 0:       df_timeline_write(line, path, &err);       df_timeline_print(line, stderr);
 *                 df_timeline_free(&line);
 *
 * Meeting and gathering talk over the communicator, so that no pipeline may use it meanwhile. Clocks are compared at
 * both ends of a run (clock_link.h). Where rings were too small, the line begins when the last of them does. */
#ifndef DF_CLUSTER_TIMELINE_H
#define DF_CLUSTER_TIMELINE_H

#include <stdbool.h>
#include <stdio.h>

#include "cluster/clock_link.h"
#include "cluster/trace.h"

typedef struct df_rank_line {
    df_span *spans; /* [n_spans], by start; times on rank 0's clock */
    int64_t n_spans, n_dropped;
    df_clock_link first, last; /* of the rank's clock against rank 0's; zeros for rank 0 */
} df_rank_line;

typedef struct df_timeline {
    int n_ranks;
    int64_t start_ns, end_ns; /* of all spans */
    df_rank_line rank[];
} df_timeline;

df_code df_timeline_gather(df_timeline **out, df_trace *t, df_comm *comm, df_err *err);
void df_timeline_free(df_timeline **line);

/* Shares of a rank's time between two moments, each 0..1. */
typedef struct df_time_shares {
    double of[DF_SPAN_THREAD_KINDS];
    double other; /* in none: on rank 0, what its worker does besides */
} df_time_shares;

df_time_shares df_timeline_shares(const df_timeline *line, int rank, int64_t start_ns, int64_t end_ns);

/* The steady state: the middle four fifths of the time from the first to the last run of the denoiser. False: it never
 * ran. */
bool df_timeline_steady(const df_timeline *line, int64_t *start_ns, int64_t *end_ns);

/* The shares of every rank in the steady state, else in the whole time; a line each. */
void df_timeline_print(const df_timeline *line, FILE *to);

/* A Chrome trace (catapult's JSON object format; opens in Perfetto): a process for each rank, its thread's spans on one
 * track, messages beside it, the shares under "diffarm", before the events: who wants only them reads no further. */
df_code df_timeline_write(const df_timeline *line, const char *path, df_err *err);
/* A trace of nothing: what a run leaves that ends early, and a path that cannot be written is known before it. */
df_code df_timeline_write_empty(const char *path, df_err *err);

#endif
