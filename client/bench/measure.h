/* One component of a model on one stage, run again and again.
 *
 *   df_measure_open(&m, model, &options, &err);      weights packed, kernels prepared
 *   df_measure_run(m, &seconds, &err);               one pass; how long it took
 *   df_measure_ops(m, op_seconds);                   of the fastest run so far, by operation; with options.ops
 *   df_measure_close(&m); */
#ifndef DF_CLIENT_BENCH_MEASURE_H
#define DF_CLIENT_BENCH_MEASURE_H

#include "client/bench/options.h"

typedef struct df_measure df_measure;

df_code df_measure_open(df_measure **out, const df_model *model, const df_bench_options *o, df_err *err);
void df_measure_close(df_measure **m);

df_code df_measure_run(df_measure *m, double *seconds, df_err *err);

typedef struct df_op_time {
    double seconds;
    int nodes;
} df_op_time;

void df_measure_ops(const df_measure *m, df_op_time ops[DF_OP_COUNT]);

/* What is run, and ns [n_nodes] of the fastest run so far. Both live as long as the measure. */
const df_graph *df_measure_graph(const df_measure *m);
const int64_t *df_measure_node_ns(const df_measure *m);

#endif
