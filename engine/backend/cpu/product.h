/* conv2d and linear: y = act(W x + bias + add_channel) + residual through oneDNN.
 *
 * Three ways to run n rows, which all give the same bytes (invariance.h):
 *   STRIPS  each row in strips, each strip on one thread (strips.h). By construction; needs no check.
 *   BATCH   one primitive for all rows, the library's own threads. Only after a check.
 *   LOOP    the same for one row, called row by row. Only after a check.
 * A row of more than one strip always runs in STRIPS. A row of one strip runs in STRIPS where rows share well among
 * the threads, else in BATCH, else (if that fails its check) in LOOP, else in STRIPS.
 *
 * Weights are packed once, in the layout that the strips want; the other primitives are asked to take the same. One
 * that refuses (the library likes narrower blocks for many threads and few positions) gets a copy in its own, which
 * all numbers of rows share that want it.
 * A plain residual is added by the primitive itself, which starts its sums from y: the result may lie on the residual,
 * else the residual is copied to it first. A residual behind an activation or a channel vector is added afterwards. */
#ifndef DF_ENGINE_BACKEND_CPU_PRODUCT_H
#define DF_ENGINE_BACKEND_CPU_PRODUCT_H

#include "engine/backend/cpu/kernel.h"
#include "engine/backend/cpu/primitive.h"

/* To be called from an op's open; bias and sum of the shape are filled in here. */
df_code df_product_open(df_kernel *k, df_product_shape shape, const float *const *weights, df_err *err);
size_t df_product_weight_bytes(const df_kernel *k); /* of what open packs */
void df_product_close(void *state);
df_code df_product_prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err);
df_code df_product_run(df_kernel *k, const df_cpu_run *r, df_err *err);

/* How a prepared n_rows runs, and the strips of a row: for tests and benches. */
df_product_way df_product_way_of(const df_kernel *k, int64_t n_rows);
int64_t df_product_strips_of(const df_kernel *k);

#endif
