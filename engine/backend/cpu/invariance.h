/* The proof by trial behind the promise of backend.h for what oneDNN computes.
 *
 * The bytes of a row are, by definition, those of the canonical primitive: one row, one thread. It runs one row at a
 * time on one thread, so no batch and no thread count can show. Any other primitive for the same shape (several rows,
 * several threads) may take its place only after this check has seen it give the same bytes: both run on the same
 * random data, and the first and the last row of the candidate are compared with the canonical primitive's.
 *
 * The check is a property of (shape, rows, threads), not of the data: oneDNN's blocking, and with it the order
 * of each sum, follows from those alone. The operands are random but for one thing: their sums cancel, so that what is
 * compared is what rounding leaves, and another order shows in almost every element, in bf16 as in f32. Answers are
 * kept per process, under a lock: a model's many equal layers are checked once. */
#ifndef DF_ENGINE_BACKEND_CPU_INVARIANCE_H
#define DF_ENGINE_BACKEND_CPU_INVARIANCE_H

#include "engine/backend/cpu/primitive.h"

/* *same: rows of `candidate` have the bytes of `canonical` (1 row, 1 thread; layouts of weights may differ). */
df_code df_invariance_check(bool *same, const df_cpu_ctx *ctx, const df_prim *canonical, const df_prim *candidate,
                            df_err *err);

#endif
