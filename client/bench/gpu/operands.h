/* One node by itself on a backend, with operands of no meaning: what an operation takes is timed with it.
 *
 *   df_operands_open(&x, backend, ctx, g, rows, dtype, &err);      g: one node (engine/graph/sample.h)
 *   df_operands_run(x, n, &seconds, &err);                         n times in a row, until the last has ended
 *   df_operands_close(&x);                                         before ctx is closed
 *
 * Threads: those of ctx. */
#ifndef DF_CLIENT_BENCH_GPU_OPERANDS_H
#define DF_CLIENT_BENCH_GPU_OPERANDS_H

#include "engine/backend/backend.h"

typedef struct df_operands df_operands;

/* ctx: of backend->open, borrowed as g is. dtype: of activations. */
df_code df_operands_open(df_operands **out, const df_backend *backend, void *ctx, const df_graph *g, int64_t rows,
                         df_dtype dtype, df_err *err);
void df_operands_close(df_operands **x);
df_code df_operands_run(df_operands *x, int n, double *seconds, df_err *err);

#endif
