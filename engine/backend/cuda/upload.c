#include "engine/backend/cuda/upload.h"

#include <string.h>

#include "engine/backend/cuda/context.h"

static void convert(void *to, df_dtype type, const float *from, size_t n) {
    uint16_t *half = to;
    switch (type) {
    case DF_F16:
        for (size_t i = 0; i < n; i++) half[i] = df_f32_to_f16(from[i]);
        break;
    case DF_BF16:
        for (size_t i = 0; i < n; i++) half[i] = df_f32_to_bf16(from[i]);
        break;
    default: memcpy(to, from, n * sizeof *from); break;
    }
}

/* A buffer whose last content has been copied. */
static df_code next_buffer(df_cuda_staging *s, int *index, df_err *err) {
    int i = *index = s->next;
    if (!s->buffer[i]) DF_TRY_CUDA("pinned memory", df_cuda_runtime.host_alloc(&s->buffer[i], DF_CUDA_STAGING_BYTES));
    if (!s->copied[i]) DF_TRY_CUDA("an event", df_cuda_runtime.event_create(&s->copied[i]));
    if (s->in_use[i]) DF_TRY_CUDA("copying weights", df_cuda_runtime.event_wait(s->copied[i]));
    s->in_use[i] = false;
    s->next = (i + 1) % DF_CUDA_STAGING_BUFFERS;
    return DF_OK;
}

static df_code upload_piece(df_cuda_ctx *ctx, void *to, df_dtype type, const float *values, size_t n, df_err *err) {
    df_cuda_staging *s = &ctx->staging;
    int i;
    df_code rc = next_buffer(s, &i, err);
    if (rc) return rc;
    convert(s->buffer[i], type, values, n);
    DF_TRY_CUDA("copying weights",
                df_cuda_runtime.copy(to, s->buffer[i], n * df_dtype_bytes(type), cudaMemcpyHostToDevice, ctx->stream));
    s->in_use[i] = true;
    DF_TRY_CUDA("copying weights", df_cuda_runtime.event_record(s->copied[i], ctx->stream));
    return DF_OK;
}

df_code df_cuda_upload(df_cuda_ctx *ctx, void **out, df_dtype type, const float *values, int64_t n, df_err *err) {
    size_t unit = df_dtype_bytes(type), all = (size_t)n, piece = DF_CUDA_STAGING_BYTES / unit;
    char *to = NULL;
    if (!values) return DF_OK;
    df_code rc = df_cuda_alloc(ctx, (void **)&to, all * unit, err);
    for (size_t i = 0; i < all && !rc; i += piece)
        rc = upload_piece(ctx, to + i * unit, type, values + i, all - i < piece ? all - i : piece, err);
    if (rc) {
        df_cuda_release(ctx, to);
        return rc;
    }
    *out = to;
    return DF_OK;
}

void df_cuda_staging_close(df_cuda_ctx *ctx) {
    df_cuda_staging *s = &ctx->staging;
    for (int i = 0; i < DF_CUDA_STAGING_BUFFERS; i++) {
        if (s->copied[i]) df_cuda_runtime.event_destroy(s->copied[i]);
        if (s->buffer[i]) df_cuda_runtime.host_free(s->buffer[i]);
    }
    *s = (df_cuda_staging) { 0 };
}
