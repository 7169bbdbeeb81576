#include "engine/backend/cuda/context.h"

#include <stdlib.h>

#include "engine/backend/cuda/device.h"

df_code df_cuda_error(df_err *err, cudaError_t e, const char *what) {
    df_cuda_runtime.last_error(); /* else a later launch would be told of it */
    df_code code = e == cudaErrorMemoryAllocation ? DF_ENOMEM : DF_EBACKEND;
    return df_err_set(err, code, "CUDA: %s: %s", what, df_cuda_runtime.error_text(e));
}

df_code df_cuda_blas_error(df_err *err, cublasStatus_t s, const char *what) {
    df_code code = s == CUBLAS_STATUS_ALLOC_FAILED ? DF_ENOMEM : DF_EBACKEND;
    return df_err_set(err, code, "cuBLASLt: %s: %s", what, df_cuda_blas.status_text(s));
}

df_code df_cuda_dnn_error(df_err *err, cudnnStatus_t s, const char *what) {
    return df_err_set(err, DF_EBACKEND, "cuDNN: %s: %s", what, df_cuda_dnn.status_text(s));
}

cudaDataType_t df_cuda_blas_type(df_dtype type) {
    return type == DF_F32 ? CUDA_R_32F : type == DF_F16 ? CUDA_R_16F : CUDA_R_16BF;
}

cudnnDataType_t df_cuda_dnn_type(df_dtype type) {
    return type == DF_F32 ? CUDNN_DATA_FLOAT : type == DF_F16 ? CUDNN_DATA_HALF : CUDNN_DATA_BFLOAT16;
}

static df_code check_cfg(const df_backend_cfg *cfg, df_err *err) {
    df_dtype t = cfg->dtype;
    if (t != DF_F32 && t != DF_F16 && t != DF_BF16)
        return df_err_set(err, DF_EUNSUPPORTED, "backend cuda computes in F32, F16 or BF16, not in %s",
                          df_dtype_name(t));
    if (cfg->int8)
        return df_err_set(err, DF_EUNSUPPORTED,
                          "backend cuda has no products in 8 bits: use bf16, f16 or f32 (--dtype)");
    return DF_OK;
}

static df_code open_libraries(df_cuda_ctx *ctx, df_err *err) {
    DF_TRY_CUDA("a stream", df_cuda_runtime.stream_create(&ctx->stream));
    DF_TRY_BLAS("its handle", df_cuda_blas.create(&ctx->blas));
    DF_TRY_DNN("its handle", df_cuda_dnn.create(&ctx->dnn));
    DF_TRY_DNN("its stream", df_cuda_dnn.set_stream(ctx->dnn, ctx->stream));
    return DF_OK;
}

df_code df_cuda_ctx_open(df_cuda_ctx **out, const df_backend_cfg *cfg, df_err *err) {
    df_code rc = check_cfg(cfg, err);
    if (!rc) rc = df_cuda_device_check(cfg->gpu, err);
    if (rc) return rc;
    df_cuda_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return df_err_set(err, DF_ENOMEM, "backend cuda");
    ctx->gpu = cfg->gpu;
    ctx->dtype = cfg->dtype;
    ctx->unit = df_dtype_bytes(cfg->dtype);
    rc = df_cuda_enter(ctx, err);
    if (!rc) rc = open_libraries(ctx, err);
    if (rc) {
        df_cuda_ctx_close(&ctx);
        return rc;
    }
    *out = ctx;
    return DF_OK;
}

void df_cuda_ctx_close(df_cuda_ctx **ctx) {
    if (!ctx || !*ctx) return;
    df_cuda_ctx *c = *ctx;
    df_cuda_enter(c, NULL);
    if (c->stream) df_cuda_runtime.stream_wait(c->stream);
    df_cuda_faults_close(c);
    df_cuda_staging_close(c);
    if (c->dnn) df_cuda_dnn.destroy(c->dnn);
    if (c->blas) df_cuda_blas.destroy(c->blas);
    if (c->stream) df_cuda_runtime.stream_destroy(c->stream);
    free(c);
    *ctx = NULL;
}

df_code df_cuda_enter(const df_cuda_ctx *ctx, df_err *err) {
    DF_TRY_CUDA("choosing the GPU", df_cuda_runtime.select(ctx->gpu));
    return DF_OK;
}

static df_code no_room(const df_cuda_ctx *ctx, size_t bytes, df_err *err) {
    const double gib = (double)((size_t)1 << 30);
    size_t left = 0, total = 0;
    df_cuda_runtime.last_error();
    if (df_cuda_runtime.memory_info(&left, &total)) {
        df_cuda_runtime.last_error();
        return df_err_set(err, DF_ENOMEM, "GPU %d: no room for %.3f GiB", ctx->gpu, (double)bytes / gib);
    }
    return df_err_set(err, DF_ENOMEM, "GPU %d: no room for %.3f GiB: %.3f of its %.3f GiB are free", ctx->gpu,
                      (double)bytes / gib, (double)left / gib, (double)total / gib);
}

df_code df_cuda_alloc(const df_cuda_ctx *ctx, void **p, size_t bytes, df_err *err) {
    cudaError_t e = df_cuda_runtime.alloc(p, bytes ? bytes : 1);
    if (e == cudaErrorMemoryAllocation) return no_room(ctx, bytes, err);
    return e ? df_cuda_error(err, e, "memory of the GPU") : DF_OK;
}

void df_cuda_release(const df_cuda_ctx *ctx, void *p) {
    if (!p) return;
    df_cuda_enter(ctx, NULL);
    df_cuda_runtime.stream_wait(ctx->stream);
    df_cuda_runtime.free(p);
}
