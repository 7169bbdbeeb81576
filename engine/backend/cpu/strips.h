/* Rows cut into strips of fixed height, each computed by a primitive on one thread; strips run side by side.
 *
 * The cut follows from the shape alone, and a strip is always computed by the same one-thread primitive, so neither the
 * batch nor the number of threads can show in the bytes: by construction, without a check. A row that is one strip is
 * the canonical primitive of invariance.h. Strips of a picture overlap in what they read, not in what they write; all
 * strips share one packed copy of the weights. */
#ifndef DF_ENGINE_BACKEND_CPU_STRIPS_H
#define DF_ENGINE_BACKEND_CPU_STRIPS_H

#include "engine/backend/cpu/primitive.h"

enum { DF_STRIP_KINDS = 6 };

typedef struct df_strips {
    df_product_shape shape; /* of a row */
    int64_t height, count; /* output lines of a strip (the last may have fewer), strips of a row */
    df_prim *kind[DF_STRIP_KINDS]; /* top, middle, bottom: they differ in padding and height */
    df_prim_args *args; /* [threads][n_kinds] */
    int n_kinds, threads;
    size_t scratch_bytes; /* of one thread, a multiple of 64 */
} df_strips;

/* What happens to a strip, while it is in cache, around the product. */
typedef struct df_strip_hooks {
    void (*before)(void *arg, int64_t row, int64_t first, int64_t positions); /* NULL: nothing */
    void (*after)(void *arg, int64_t row, int64_t first, int64_t positions);
    void *arg;
} df_strip_hooks;

df_code df_strips_open(df_strips *s, const df_cpu_ctx *ctx, const df_product_shape *shape, df_err *err);
void df_strips_close(df_strips *s);

/* All strips of n_rows rows. o->scratch: threads * scratch_bytes. */
df_code df_strips_run(const df_strips *s, const df_cpu_ctx *ctx, int64_t n_rows, const df_operands *o,
                      const df_strip_hooks *hooks, df_err *err);

#endif
