#include "engine/backend/cuda/faults.h"

#include <stdlib.h>

#include "engine/backend/cuda/context.h"

static df_code clear(df_cuda_ctx *ctx, df_err *err) {
    DF_TRY_CUDA("noted ids", df_cuda_runtime.set(ctx->faults.noted, 0, 2 * sizeof(int32_t), ctx->stream));
    return DF_OK;
}

static df_code open_faults(df_cuda_ctx *ctx, df_err *err) {
    df_cuda_faults *f = &ctx->faults;
    if (f->noted) return DF_OK;
    if (!f->seen) DF_TRY_CUDA("pinned memory", df_cuda_runtime.host_alloc((void **)&f->seen, 2 * sizeof *f->seen));
    df_code rc = df_cuda_alloc(ctx, (void **)&f->noted, 2 * sizeof *f->noted, err);
    return rc ? rc : clear(ctx, err);
}

df_code df_cuda_faults_add(df_cuda_ctx *ctx, int32_t *tag, const char *node, int64_t vocab, df_err *err) {
    df_cuda_faults *f = &ctx->faults;
    df_code rc = open_faults(ctx, err);
    if (rc) return rc;
    struct df_cuda_id_table *more = realloc(f->tables, (size_t)(f->n_tables + 1) * sizeof *more);
    if (!more) return df_err_set(err, DF_ENOMEM, "%s", node);
    more[f->n_tables] = (struct df_cuda_id_table) { node, vocab };
    f->tables = more;
    *tag = ++f->n_tables;
    return DF_OK;
}

df_code df_cuda_faults_fetch(df_cuda_ctx *ctx, df_err *err) {
    const df_cuda_faults *f = &ctx->faults;
    if (!f->noted) return DF_OK;
    DF_TRY_CUDA("noted ids",
                df_cuda_runtime.copy(f->seen, f->noted, 2 * sizeof *f->seen, cudaMemcpyDeviceToHost, ctx->stream));
    return DF_OK;
}

df_code df_cuda_faults_tell(df_cuda_ctx *ctx, df_err *err) {
    const df_cuda_faults *f = &ctx->faults;
    if (!f->noted || !f->seen[0]) return DF_OK;
    const struct df_cuda_id_table *t = &f->tables[f->seen[0] - 1];
    df_code rc = clear(ctx, err); /* the next wait is another caller's */
    return rc ? rc
              : df_err_set(err, DF_EINVAL, "%s: id %d is not in 0..%lld", t->node, f->seen[1], (long long)t->vocab - 1);
}

void df_cuda_faults_close(df_cuda_ctx *ctx) {
    df_cuda_faults *f = &ctx->faults;
    if (f->noted) df_cuda_runtime.free(f->noted);
    if (f->seen) df_cuda_runtime.host_free(f->seen);
    free(f->tables);
    *f = (df_cuda_faults) { 0 };
}
