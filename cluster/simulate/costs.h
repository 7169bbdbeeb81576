/* What a pipeline's work costs: segments of each component on their ranks, what crosses between them, what the threads
 * do besides. From a plan, or from a file of measured ones (client/simulate/costs_file.h).
 *
 *   df_pipesim_costs_of_plan(&c, plan, dtype, &err);  ...  df_pipesim_costs_free(&c);
 *
 * A segment takes seconds + rows * row_seconds; a thread pays for messages as in LogGP (Alexandrov et al. 1995): an
 * overhead for each and a time for each byte that it copies, beside what the link takes (cluster/hop.h). */
#ifndef DF_CLUSTER_SIMULATE_COSTS_H
#define DF_CLUSTER_SIMULATE_COSTS_H

#include "cluster/model_plan.h"

enum { DF_PIPESIM_MOST_RANKS = 1024 };

typedef struct df_pipesim_segment {
    int rank;
    double seconds, row_seconds;
} df_pipesim_segment;

/* A value from one rank to another, as df_edge has it. */
typedef struct df_pipesim_edge {
    int from_segment; /* -1: an input, on rank 0 */
    int to_segment; /* n_segments: an output, due on rank 0 */
    double row_bytes;
} df_pipesim_edge;

typedef struct df_pipesim_program {
    df_pipesim_segment *segments; /* [n_segments] in the order of the graph */
    df_pipesim_edge *edges; /* [n_edges] */
    int n_segments, n_edges; /* no segments: the model has no such component */
} df_pipesim_program;

/* Seconds of a rank's thread besides segments. */
typedef struct df_pipesim_thread {
    double prepare_row; /* rank 0: a row's input of a micro-batch */
    double finish_row; /* rank 0: what is done with a row's output; the sampler */
    double message; /* posting a send or a receive, or a command to a rank */
    double byte; /* the receiver's copy */
} df_pipesim_thread;

typedef struct df_pipesim_costs {
    int n_ranks;
    int n_halves; /* of the ranks (cluster/halves.h), each with half of a micro-batch's rows; 0, 1: none */
    df_pipesim_program program[DF_COMPONENT_COUNT];
    df_pipesim_thread thread;
    int64_t *memory_bytes; /* [n_ranks] weights and activations; NULL: not known */
    int latent_h, latent_w; /* for the trace; 0: not known */
} df_pipesim_costs;

/* dtype: of what crosses. The plan's rows cost what it says at speed 1; a plan says nothing of the thread. n_halves 2:
 * the plan is that of each half, of twice as many ranks in all. */
df_code df_pipesim_costs_of_plan(df_pipesim_costs *out, const df_model_plan *plan, int n_halves, df_dtype dtype,
                                 df_err *err);
void df_pipesim_costs_free(df_pipesim_costs *c);

/* Of an edge. */
int df_pipesim_from_rank(const df_pipesim_program *p, const df_pipesim_edge *e);
int df_pipesim_to_rank(const df_pipesim_program *p, const df_pipesim_edge *e);

/* Rows of a micro-batch of n that a rank has. */
int64_t df_pipesim_rows(const df_pipesim_costs *c, int rank, int64_t n);

/* Every rank and segment within bounds, every edge between two ranks; a denoiser.
 * DF_EINVAL with what is wrong. */
df_code df_pipesim_costs_check(const df_pipesim_costs *c, df_err *err);

#endif
