#include "engine/backend/cpu/context.h"

#include <dnnl_debug.h>
#include <omp.h>
#include <stdlib.h>

#include "base/cores.h"

static df_code streams_open(df_cpu_ctx *ctx, df_err *err) {
    DF_TRY_DNNL(dnnl_set_jit_dump(0));
    DF_TRY_DNNL(dnnl_engine_create(&ctx->engine, dnnl_cpu, 0));
    for (int i = 0; i < ctx->threads; i++)
        DF_TRY_DNNL(dnnl_stream_create(&ctx->streams[i], ctx->engine, dnnl_stream_default_flags));
    return DF_OK;
}

static df_code lanes_open(df_cpu_ctx *ctx, df_err *err) {
    ctx->lanes = calloc((size_t)ctx->threads, sizeof *ctx->lanes);
    if (!ctx->lanes) return df_err_set(err, DF_ENOMEM, "backend cpu");
    for (int i = 0; i < ctx->threads; i++) {
        ctx->lanes[i] = *ctx;
        ctx->lanes[i].lanes = NULL;
        ctx->lanes[i].threads = 1;
        ctx->lanes[i].first_thread = i;
        ctx->lanes[i].streams = ctx->streams + i;
    }
    return DF_OK;
}

/* oneDNN multiplies bf16 from AVX-512 on, where the machine has no instruction for it by f32 (slower than F32 itself,
 * but with the same rounding of operands and results). */
static bool has_isa(dnnl_cpu_isa_t isa) {
    return (dnnl_get_effective_cpu_isa() & isa) == isa;
}

/* Without VNNI the library adds pairs of products in 16 bits, where they may not fit, or halves the weights before:
 * either way it is no longer the product that the scales were made for. */
static df_code check_int8(df_err *err) {
    if (has_isa(dnnl_cpu_isa_avx512_core_vnni)) return DF_OK;
    return df_err_set(err, DF_EUNSUPPORTED,
                      "this machine has no AVX-512-VNNI, which int8 needs: use bf16 or f32 (--dtype)");
}

static df_code check_dtype(df_dtype dtype, df_err *err) {
    if (dtype != DF_F32 && dtype != DF_BF16)
        return df_err_set(err, DF_EUNSUPPORTED, "backend cpu computes in F32 or BF16, not in %s", df_dtype_name(dtype));
    if (dtype == DF_BF16 && !has_isa(dnnl_cpu_isa_avx512_core))
        return df_err_set(err, DF_EUNSUPPORTED, "this machine has no AVX-512, which BF16 needs: use F32 (--dtype f32)");
    return DF_OK;
}

df_code df_cpu_ctx_open(df_cpu_ctx **out, const df_backend_cfg *cfg, df_err *err) {
    df_code rc = check_dtype(cfg->dtype, err);
    if (!rc && cfg->int8) rc = check_int8(err);
    if (rc) return rc;
    if (cfg->threads < 0) return df_err_set(err, DF_EINVAL, "backend cpu: %d threads", cfg->threads);
    df_cpu_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) return df_err_set(err, DF_ENOMEM, "backend cpu");
    ctx->threads = cfg->threads ? cfg->threads : df_cores_count();
    ctx->dtype = cfg->dtype;
    ctx->packed = cfg->packed;
    ctx->unit = df_dtype_bytes(cfg->dtype);
    ctx->simd = df_simd_best(cfg->dtype);
    ctx->fast_conv = cfg->fast_conv;
    ctx->streams = calloc((size_t)ctx->threads, sizeof *ctx->streams);
    rc = ctx->streams ? streams_open(ctx, err) : df_err_set(err, DF_ENOMEM, "backend cpu");
    if (!rc) rc = lanes_open(ctx, err);
    if (rc) {
        df_cpu_ctx_close(&ctx);
        return rc;
    }
    *out = ctx;
    return DF_OK;
}

void df_cpu_ctx_close(df_cpu_ctx **ctx) {
    if (!ctx || !*ctx) return;
    df_cpu_ctx *c = *ctx;
    for (int i = 0; c->streams && i < c->threads; i++)
        if (c->streams[i]) dnnl_stream_destroy(c->streams[i]);
    if (c->engine) dnnl_engine_destroy(c->engine);
    free(c->streams);
    free(c->lanes);
    free(c);
    *ctx = NULL;
}

int df_cpu_enter(int threads) {
    int saved = omp_get_max_threads();
    if (saved != threads) omp_set_num_threads(threads);
    return saved;
}

void df_cpu_leave(int saved) {
    if (saved != omp_get_max_threads()) omp_set_num_threads(saved);
}

df_code df_cpu_dnnl_error(df_err *err, dnnl_status_t status, const char *what) {
    df_code code = status == dnnl_out_of_memory   ? DF_ENOMEM
                   : status == dnnl_unimplemented ? DF_EUNSUPPORTED
                                                  : DF_EBACKEND;
    return df_err_set(err, code, "oneDNN: %s: %s", what, dnnl_status2str(status));
}
