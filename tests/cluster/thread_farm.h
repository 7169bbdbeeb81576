/* A pipeline over threads of the test: rank 0 is the caller's, the others serve.
 *
 *   thread_farm f;  thread_farm_open(&f, model, n_ranks, &cfg);   ... f.pipeline ...   thread_farm_close(&f);
 *
 * Every rank may get a backend of its own (tests of failures). What goes wrong fails the running test. */
#ifndef DF_TESTS_CLUSTER_THREAD_FARM_H
#define DF_TESTS_CLUSTER_THREAD_FARM_H

#include <pthread.h>

#include "cluster/pipeline.h"

enum { THREAD_FARM_MOST = 8 };

typedef struct thread_farm_rank {
    df_comm *comm;
    const df_model *model;
    df_pipeline_cfg cfg;
    pthread_t thread;
    df_code rc; /* of df_pipeline_serve */
    df_err err;
} thread_farm_rank;

typedef struct thread_farm {
    df_pipeline *pipeline; /* rank 0's */
    int n_ranks;
    thread_farm_rank rank[THREAD_FARM_MOST];
} thread_farm;

/* cfg [n_ranks] if each has its own, else one for all. */
void thread_farm_open(thread_farm *f, const df_model *model, int n_ranks, const df_pipeline_cfg *cfg, bool each);
/* The same over other communicators than those of threads: all ranks' at once. */
typedef df_code thread_farm_comm_fn(df_comm **out, int size, df_err *err);
void thread_farm_open_over(thread_farm *f, thread_farm_comm_fn *open, const df_model *model, int n_ranks,
                           const df_pipeline_cfg *cfg, bool each);
/* Closes rank 0's pipeline, joins the others; their result is in rank[i].rc. */
void thread_farm_close(thread_farm *f);

void *thread_farm_serve(void *rank); /* body of a thread: a thread_farm_rank that serves until rank 0 closes */

/* Starts a slot and advances until it has ended. */
df_code thread_farm_run(thread_farm *f, int slot, int program, int64_t n_rows, df_err *err);

df_model *thread_farm_starter(void); /* models/starter; caller closes */
/* Numbers that look like activations: a function of seed and index only, about -1.7..1.7. */
void thread_farm_fill(float *x, size_t n, unsigned seed);

#endif
