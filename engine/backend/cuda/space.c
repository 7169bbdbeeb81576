#include "engine/backend/cuda/space.h"

#include <stdlib.h>

#include "engine/backend/cuda/context.h"

struct df_recording {
    cudaGraphExec_t exec;
};

static df_code space_alloc(void *ctx, void **p, size_t bytes, df_err *err) {
    df_code rc = df_cuda_enter(ctx, err);
    return rc ? rc : df_cuda_alloc(ctx, p, bytes, err);
}

static void space_free(void *ctx, void *p) {
    df_cuda_release(ctx, p);
}

static size_t space_free_bytes(void *ctx) {
    size_t left = 0, total = 0;
    bool known = !df_cuda_enter(ctx, NULL) && !df_cuda_runtime.memory_info(&left, &total);
    if (!known) df_cuda_runtime.last_error();
    return known ? left : 0;
}

static df_code space_host_alloc(void *ctx, void **p, size_t bytes, df_err *err) {
    df_code rc = df_cuda_enter(ctx, err);
    if (rc) return rc;
    if (!df_cuda_runtime.host_alloc(p, bytes ? bytes : 1)) return DF_OK;
    df_cuda_runtime.last_error();
    return df_err_set(err, DF_ENOMEM, "%zu bytes of pinned memory", bytes);
}

static void space_host_free(void *ctx, void *p) {
    const df_cuda_ctx *c = ctx;
    if (!p) return;
    df_cuda_enter(c, NULL);
    df_cuda_runtime.stream_wait(c->stream); /* copies to it, or from it */
    df_cuda_runtime.host_free(p);
}

static df_code space_copy(const df_cuda_ctx *c, void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                          df_err *err) {
    df_code rc = df_cuda_enter(c, err);
    if (rc || !bytes) return rc;
    DF_TRY_CUDA("copying values", df_cuda_runtime.copy(to, from, bytes, kind, c->stream));
    return DF_OK;
}

static df_code space_upload(void *ctx, void *to, const void *from, size_t bytes, df_err *err) {
    return space_copy(ctx, to, from, bytes, cudaMemcpyHostToDevice, err);
}

static df_code space_download(void *ctx, void *to, const void *from, size_t bytes, df_err *err) {
    return space_copy(ctx, to, from, bytes, cudaMemcpyDeviceToHost, err);
}

static df_code space_wait(void *ctx, df_err *err) {
    df_cuda_ctx *c = ctx;
    df_code rc = df_cuda_enter(c, err);
    if (!rc) rc = df_cuda_faults_fetch(c, err);
    if (rc) return rc;
    DF_TRY_CUDA("waiting for the GPU", df_cuda_runtime.stream_wait(c->stream));
    return df_cuda_faults_tell(c, err);
}

static df_code record_begin(void *ctx, df_err *err) {
    const df_cuda_ctx *c = ctx;
    df_code rc = df_cuda_enter(c, err);
    if (rc) return rc;
    DF_TRY_CUDA("recording a graph", df_cuda_runtime.capture_begin(c->stream));
    return DF_OK;
}

static df_code instantiate(df_recording **out, cudaGraph_t g, df_err *err) {
    df_recording *r = calloc(1, sizeof *r);
    if (!r) return df_err_set(err, DF_ENOMEM, "a CUDA graph");
    cudaError_t e = df_cuda_runtime.graph_instantiate(&r->exec, g);
    if (e) {
        free(r);
        return df_cuda_error(err, e, "instantiating a graph");
    }
    *out = r;
    return DF_OK;
}

static df_code record_end(void *ctx, df_recording **out, df_err *err) {
    const df_cuda_ctx *c = ctx;
    cudaGraph_t g = NULL;
    cudaError_t e = df_cuda_runtime.capture_end(c->stream, &g);
    df_code rc = e || !g ? df_cuda_error(err, e, "recording a graph") : instantiate(out, g, err);
    if (g) df_cuda_runtime.graph_destroy(g);
    return rc;
}

static df_code replay(void *ctx, df_recording *r, df_err *err) {
    const df_cuda_ctx *c = ctx;
    df_code rc = df_cuda_enter(c, err);
    if (rc) return rc;
    DF_TRY_CUDA("launching a graph", df_cuda_runtime.graph_launch(r->exec, c->stream));
    return DF_OK;
}

static void recording_close(void *ctx, df_recording **recording) {
    const df_cuda_ctx *c = ctx;
    df_recording *r = *recording;
    if (!r) return;
    df_cuda_enter(c, NULL);
    df_cuda_runtime.stream_wait(c->stream);
    df_cuda_runtime.graph_exec_destroy(r->exec);
    free(r);
    *recording = NULL;
}

static void *space_stream(void *ctx) {
    return ((const df_cuda_ctx *)ctx)->stream;
}

const df_space df_cuda_space = { .alloc = space_alloc,
                                 .free = space_free,
                                 .free_bytes = space_free_bytes,
                                 .host_alloc = space_host_alloc,
                                 .host_free = space_host_free,
                                 .upload = space_upload,
                                 .download = space_download,
                                 .wait = space_wait,
                                 .record_begin = record_begin,
                                 .record_end = record_end,
                                 .replay = replay,
                                 .recording_close = recording_close,
                                 .stream = space_stream };
