/* What all kernels of one open cuda backend share: the GPU, its stream, the libraries' handles, memory. A context is
 * one stream: whatever its functions enqueue happens in that order. Several contexts may share a GPU. */
#ifndef DF_ENGINE_BACKEND_CUDA_CONTEXT_H
#define DF_ENGINE_BACKEND_CUDA_CONTEXT_H

#include "engine/backend/backend.h"
#include "engine/backend/cuda/blas.h"
#include "engine/backend/cuda/dnn.h"
#include "engine/backend/cuda/faults.h"
#include "engine/backend/cuda/runtime.h"
#include "engine/backend/cuda/upload.h"

typedef struct df_cuda_ctx {
    int gpu;
    df_dtype dtype; /* of activations, and of the weights of convolutions and matrix products: F32, F16 or BF16 */
    size_t unit; /* bytes of one of them */
    cudaStream_t stream;
    cublasLtHandle_t blas;
    cudnnHandle_t dnn;
    df_cuda_staging staging;
    df_cuda_faults faults;
} df_cuda_ctx;

df_code df_cuda_ctx_open(df_cuda_ctx **out, const df_backend_cfg *cfg, df_err *err);
void df_cuda_ctx_close(df_cuda_ctx **ctx);

/* Makes the context's GPU that of the calling thread: before anything else is asked of it. */
df_code df_cuda_enter(const df_cuda_ctx *ctx, df_err *err);

/* Of the GPU, aligned to 256 bytes. DF_ENOMEM says what was asked for and what is free. */
df_code df_cuda_alloc(const df_cuda_ctx *ctx, void **p, size_t bytes, df_err *err);
void df_cuda_release(const df_cuda_ctx *ctx, void *p); /* waits for the stream; accepts NULL */

/* Codes of the libraries as errors: "cuDNN: what: text". */
df_code df_cuda_error(df_err *err, cudaError_t e, const char *what);
df_code df_cuda_blas_error(df_err *err, cublasStatus_t s, const char *what);
df_code df_cuda_dnn_error(df_err *err, cudnnStatus_t s, const char *what);

/* Return from the caller with the error if the call fails. */
#define DF_TRY_CUDA(what, call)                                                                                        \
    do {                                                                                                               \
        cudaError_t e_ = (call);                                                                                       \
        if (e_ != cudaSuccess) return df_cuda_error(err, e_, what);                                                    \
    } while (0)
#define DF_TRY_BLAS(what, call)                                                                                        \
    do {                                                                                                               \
        cublasStatus_t s_ = (call);                                                                                    \
        if (s_ != CUBLAS_STATUS_SUCCESS) return df_cuda_blas_error(err, s_, what);                                     \
    } while (0)
#define DF_TRY_DNN(what, call)                                                                                         \
    do {                                                                                                               \
        cudnnStatus_t s_ = (call);                                                                                     \
        if (s_ != CUDNN_STATUS_SUCCESS) return df_cuda_dnn_error(err, s_, what);                                       \
    } while (0)

/* The libraries' names of the type. */
cudaDataType_t df_cuda_blas_type(df_dtype type);
cudnnDataType_t df_cuda_dnn_type(df_dtype type);

#endif
