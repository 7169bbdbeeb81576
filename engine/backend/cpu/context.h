/* What all kernels of one open backend share: oneDNN's engine, the number of threads, the vector kernels.
 *
 * Threads. OpenMP keeps the number of threads per calling thread, and oneDNN reads it both when a primitive is created
 * and when it runs. Everything here that creates or runs one therefore stands between df_cpu_enter and df_cpu_leave:
 * several ranks in one process may each use their own number, and a caller's own OpenMP setting is left as it was.
 * (oneDNN's cache of primitives has the number of threads in its key.) */
#ifndef DF_ENGINE_BACKEND_CPU_CONTEXT_H
#define DF_ENGINE_BACKEND_CPU_CONTEXT_H

#include <dnnl.h>

#include "base/err.h"
#include "engine/backend/backend.h"
#include "engine/backend/cpu/simd/simd.h"

/* How conv2d and linear run; product.h says what each means. AUTO but for tests and benches. */
typedef enum df_product_way { DF_PRODUCT_AUTO, DF_PRODUCT_STRIPS, DF_PRODUCT_BATCH, DF_PRODUCT_LOOP } df_product_way;

typedef struct df_cpu_ctx {
    dnnl_engine_t engine;
    dnnl_stream_t *streams; /* [threads], one for each thread that may run a primitive of its own */
    int threads;
    df_dtype dtype; /* of activations, and of the weights of convolutions and matrix products: F32 or BF16 */
    size_t unit; /* bytes of one of them */
    const df_simd *simd;
    df_product_way way;
    bool fast_conv; /* of df_backend_cfg */
    bool direct; /* no convolution by Winograd's algorithm: for tests and benches */
    struct df_packed *packed; /* of df_backend_cfg */
    struct df_cpu_ctx *lanes; /* [threads]: the context of each lane (backend.h); NULL in a lane's own */
    int first_thread; /* of those of the whole backend: a lane's number */
} df_cpu_ctx;

df_code df_cpu_ctx_open(df_cpu_ctx **out, const df_backend_cfg *cfg, df_err *err);
void df_cpu_ctx_close(df_cpu_ctx **ctx);

/* A lane's context: one thread, of which others run beside it. */
static inline bool df_cpu_is_lane(const df_cpu_ctx *ctx) {
    return !ctx->lanes;
}

/* Makes `threads` the calling thread's number; returns what to hand to df_cpu_leave. */
int df_cpu_enter(int threads);
void df_cpu_leave(int saved);

/* A oneDNN status as an error: "what: out of memory". */
df_code df_cpu_dnnl_error(df_err *err, dnnl_status_t status, const char *what);

/* Returns from the caller with the error if the call fails. */
#define DF_TRY_DNNL(call)                                                                                              \
    do {                                                                                                               \
        dnnl_status_t status_ = (call);                                                                                \
        if (status_ != dnnl_success) return df_cpu_dnnl_error(err, status_, #call);                                    \
    } while (0)

/* Element i of activations, to read and to write. */
static inline const void *df_cpu_from(const df_cpu_ctx *ctx, const void *x, int64_t i) {
    return (const char *)x + (size_t)i * ctx->unit;
}
static inline void *df_cpu_to(const df_cpu_ctx *ctx, void *y, int64_t i) {
    return (char *)y + (size_t)i * ctx->unit;
}

/* [begin, end) of part `i` of `parts` nearly equal parts of n. */
static inline void df_cpu_part(int64_t n, int64_t parts, int64_t i, int64_t *begin, int64_t *end) {
    *begin = n * i / parts;
    *end = n * (i + 1) / parts;
}

/* Parts to split light work on so many elements into: waking the team costs more than a few microseconds of work. All
 * threads or one, never some: libgomp ends the threads that a smaller team leaves over and has to start them again. */
static inline int df_cpu_parts(const df_cpu_ctx *ctx, int64_t elements) {
    enum { LEAST = 16 << 10 };
    return elements < LEAST ? 1 : ctx->threads;
}

#endif
