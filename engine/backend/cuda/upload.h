/* Weights on their way to the GPU: from f32 on the host to the type that kernels want, through pinned memory. While a
 * piece is copied the next is made, or the next weight is read: nothing waits but for the piece before the last. */
#ifndef DF_ENGINE_BACKEND_CUDA_UPLOAD_H
#define DF_ENGINE_BACKEND_CUDA_UPLOAD_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/backend/cuda/runtime.h"
#include "engine/dtype.h"

struct df_cuda_ctx; /* context.h */

enum { DF_CUDA_STAGING_BUFFERS = 2, DF_CUDA_STAGING_BYTES = 4 << 20 };

typedef struct df_cuda_staging {
    void *buffer[DF_CUDA_STAGING_BUFFERS]; /* pinned; NULL until the first upload */
    cudaEvent_t copied[DF_CUDA_STAGING_BUFFERS]; /* what the buffer last held */
    bool in_use[DF_CUDA_STAGING_BUFFERS];
    int next;
} df_cuda_staging;

/* *out [n] of `type` in new memory of the GPU, to be released; the copy is enqueued, values are free again. NULL for
 * NULL values. */
df_code df_cuda_upload(struct df_cuda_ctx *ctx, void **out, df_dtype type, const float *values, int64_t n, df_err *err);

void df_cuda_staging_close(struct df_cuda_ctx *ctx); /* the stream has been waited for */

#endif
