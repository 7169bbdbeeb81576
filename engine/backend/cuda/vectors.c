#include "engine/backend/cuda/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "engine/backend/cuda/context.h"
#include "engine/backend/cuda/kernels/kernels.h"
#include "engine/backend/cuda/kernels/sampling.h"
#include "engine/backend/cuda/parcels.h"

typedef struct block {
    struct block *next;
    void *p;
    size_t bytes;
    bool used;
} block;

typedef struct vectors {
    const df_cuda_ctx *ctx; /* borrowed */
    block *blocks;
    df_cuda_parcels parcels;
    cudaEvent_t turn; /* between streams; recorded anew each time */
    float *scratch; /* of alloc: numbers on their way from one layout and type to another */
    size_t scratch_bytes;
    df_err failure; /* the first that no call has told; code DF_OK: none */
} vectors;

/* Of calls that return nothing. */
static void note(vectors *v, cudaError_t e, const char *what) {
    df_err why;
    if (!e) return;
    df_cuda_error(&why, e, what);
    if (!v->failure.code) v->failure = why;
}

static bool enter(vectors *v) {
    df_err why;
    if (!df_cuda_enter(v->ctx, &why)) return true;
    if (!v->failure.code) v->failure = why;
    return false;
}

static df_code tell(vectors *v, df_err *err) {
    df_err why = v->failure;
    v->failure.code = DF_OK;
    return why.code ? df_err_set(err, why.code, "%s", why.text) : DF_OK;
}

/* The smallest that will do, of at most twice the size. */
static block *unused_block(const vectors *v, size_t bytes) {
    block *best = NULL;
    for (block *b = v->blocks; b; b = b->next)
        if (!b->used && b->bytes >= bytes && b->bytes / 2 <= bytes && (!best || b->bytes < best->bytes)) best = b;
    return best;
}

static void release_unused(vectors *v) {
    for (block **at = &v->blocks; *at;) {
        block *b = *at;
        if (b->used) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        df_cuda_release(v->ctx, b->p);
        free(b);
    }
}

static block *new_block(vectors *v, size_t bytes, df_err *err) {
    block *b = calloc(1, sizeof *b);
    if (!b) {
        df_err_set(err, DF_ENOMEM, "%zu bytes of latents", bytes);
        return NULL;
    }
    df_code rc = df_cuda_alloc(v->ctx, &b->p, bytes, err);
    if (rc == DF_ENOMEM) {
        release_unused(v);
        rc = df_cuda_alloc(v->ctx, &b->p, bytes, err);
    }
    if (rc) {
        free(b);
        return NULL;
    }
    b->bytes = bytes;
    b->next = v->blocks;
    v->blocks = b;
    return b;
}

static void *vectors_alloc(void *ctx, size_t bytes, df_err *err) {
    vectors *v = ctx;
    if (!bytes) bytes = 1;
    if (df_cuda_enter(v->ctx, err)) return NULL;
    block *b = unused_block(v, bytes);
    if (!b) b = new_block(v, bytes, err);
    if (!b) return NULL;
    cudaError_t e = df_cuda_runtime.set(b->p, 0, bytes, v->ctx->stream);
    if (e) {
        df_cuda_error(err, e, "clearing latents");
        return NULL;
    }
    b->used = true;
    return b->p;
}

static void vectors_free(void *ctx, void *p) {
    const vectors *v = ctx;
    for (block *b = v->blocks; p && b; b = b->next)
        if (b->p == p) b->used = false;
}

static void vectors_copy(void *ctx, void *to, const void *from, size_t bytes) {
    vectors *v = ctx;
    if (bytes && to != from && enter(v))
        note(v, df_cuda_runtime.copy(to, from, bytes, cudaMemcpyDeviceToDevice, v->ctx->stream), "copying latents");
}

static df_code vectors_read(void *ctx, void *to, const void *from, size_t bytes, df_err *err) {
    vectors *v = ctx;
    df_cuda_parcel *parcel;
    df_code rc = df_cuda_enter(v->ctx, err);
    if (!rc) rc = df_cuda_parcel_take(&v->parcels, &parcel, bytes, err);
    if (rc) return rc;
    if (bytes)
        note(v, df_cuda_runtime.copy(parcel->contents, from, bytes, cudaMemcpyDeviceToHost, v->ctx->stream),
             "reading latents");
    note(v, df_cuda_runtime.stream_wait(v->ctx->stream), "waiting for the GPU");
    rc = tell(v, err);
    if (!rc) memcpy(to, parcel->contents, bytes);
    df_cuda_parcel_put_back(&v->parcels, parcel);
    return rc;
}

static df_code vectors_fill(void *ctx, float *out, size_t n, df_draw draw, df_err *err) {
    vectors *v = ctx;
    df_cuda_parcel *parcel;
    df_code rc = df_cuda_enter(v->ctx, err);
    if (!rc) rc = tell(v, err);
    if (!rc) rc = df_cuda_parcel_take(&v->parcels, &parcel, n * sizeof *out, err);
    if (rc) return rc;
    if ((rc = draw.fn(draw.ctx, parcel->contents, n, err)) || !n) {
        df_cuda_parcel_put_back(&v->parcels, parcel);
        return rc;
    }
    return df_cuda_parcel_send(&v->parcels, parcel, out, n * sizeof *out, v->ctx->stream, err);
}

static df_code vectors_normal(void *ctx, float *out, size_t n, df_torch_cuda *g, df_err *err) {
    vectors *v = ctx;
    if (enter(v))
        note(v, df_cuda_normal(out, (int64_t)n, g->seed, g->offset, g->grid, v->ctx->stream), "drawing noise");
    g->offset += df_cuda_normal_advance((int64_t)n, g->grid);
    return tell(v, err);
}

static void vectors_combine(void *ctx, float *out, const df_term *terms, int n_terms, size_t n) {
    vectors *v = ctx;
    if (enter(v)) note(v, df_cuda_combine(out, terms, n_terms, (int64_t)n, v->ctx->stream), "a step's sum");
}

static void vectors_predict(void *ctx, float *out, df_predicted what, df_prediction kind, float a, float b,
                            const float *x, const float *predicted, size_t n) {
    vectors *v = ctx;
    if (enter(v))
        note(v, df_cuda_predict(out, what, kind, a, b, x, predicted, (int64_t)n, v->ctx->stream),
             "a step's prediction");
}

static void vectors_divide(void *ctx, float *out, const float *x, const float *y, float by, size_t n) {
    vectors *v = ctx;
    if (enter(v)) note(v, df_cuda_divide(out, x, y, by, (int64_t)n, v->ctx->stream), "a step's quotient");
}

static void vectors_clip(void *ctx, float *x, float limit, size_t n) {
    vectors *v = ctx;
    if (enter(v)) note(v, df_cuda_clip(x, limit, (int64_t)n, v->ctx->stream), "clipping a sample");
}

static void vectors_blend(void *ctx, float *x, const float *under, const float *mask, size_t n, size_t plane) {
    vectors *v = ctx;
    if (enter(v)) note(v, df_cuda_blend(x, under, mask, (int64_t)n, (int64_t)plane, v->ctx->stream), "blending");
}

static void vectors_guide(void *ctx, float *out, const float *cond, const float *uncond, float scale, size_t n) {
    vectors *v = ctx;
    if (enter(v)) note(v, df_cuda_guidance(out, DF_F32, cond, uncond, scale, (int64_t)n, v->ctx->stream), "guidance");
}

static void vectors_rescale(void *ctx, float *out, const float *cond, double amount, size_t n) {
    vectors *v = ctx;
    if (enter(v))
        note(v, df_cuda_guidance_rescale(out, DF_F32, cond, (float)amount, (int64_t)n, v->ctx->stream),
             "rescaling guidance");
}

/* [n]; NULL, and an error is noted, where there is no room. What is enqueued with the old one comes before all that is
 * enqueued with memory that is given back. */
static float *scratch_of(vectors *v, size_t n) {
    df_err why;
    if (v->scratch_bytes >= n * sizeof(float)) return v->scratch;
    vectors_free(v, v->scratch);
    v->scratch_bytes = 0;
    v->scratch = vectors_alloc(v, n * sizeof(float), &why);
    if (v->scratch) v->scratch_bytes = n * sizeof(float);
    if (!v->scratch && !v->failure.code) v->failure = why;
    return v->scratch;
}

static void vectors_to_stage(void *ctx, void *out, df_dtype type, const float *x, size_t C, size_t area) {
    vectors *v = ctx;
    const int64_t c = (int64_t)C, n_places = (int64_t)area;
    float *turned = type == DF_F32 ? out : scratch_of(v, C * area);
    if (!turned || !enter(v)) return;
    note(v, df_cuda_transpose(DF_F32, turned, x, 1, c, n_places, v->ctx->stream), "a model's input");
    if (type != DF_F32)
        note(v, df_cuda_convert(type, out, DF_F32, turned, c * n_places, v->ctx->stream), "a model's input");
}

static void vectors_from_stage(void *ctx, float *out, df_dtype type, const void *x, size_t C, size_t area) {
    vectors *v = ctx;
    const int64_t c = (int64_t)C, n_places = (int64_t)area;
    float *wide = type == DF_F32 ? NULL : scratch_of(v, C * area);
    if ((type != DF_F32 && !wide) || !enter(v)) return;
    if (wide) note(v, df_cuda_convert(DF_F32, wide, type, x, c * n_places, v->ctx->stream), "a model's output");
    note(v, df_cuda_transpose(DF_F32, out, wide ? wide : x, 1, n_places, c, v->ctx->stream), "a model's output");
}

static void order(vectors *v, cudaStream_t first, cudaStream_t then) {
    if (first == then || !enter(v)) return;
    note(v, df_cuda_runtime.event_record(v->turn, first), "order between streams");
    note(v, df_cuda_runtime.stream_wait_event(then, v->turn), "order between streams");
}

static void vectors_after(void *ctx, void *stream) {
    vectors *v = ctx;
    order(v, stream, v->ctx->stream);
}

static void vectors_before(void *ctx, void *stream) {
    vectors *v = ctx;
    order(v, v->ctx->stream, stream);
}

static void vectors_find_not_finite(void *ctx, int32_t *bad, const float *x, size_t n) {
    vectors *v = ctx;
    if (enter(v))
        note(v, df_cuda_find_not_finite(bad, DF_F32, x, 1, (int64_t)n, v->ctx->stream), "checking a step's numbers");
}

static const df_vectors_ops cuda_ops = {
    .alloc = vectors_alloc,
    .free = vectors_free,
    .copy = vectors_copy,
    .read = vectors_read,
    .fill = vectors_fill,
    .normal = vectors_normal,
    .combine = vectors_combine,
    .predict = vectors_predict,
    .divide = vectors_divide,
    .clip = vectors_clip,
    .blend = vectors_blend,
    .guide = vectors_guide,
    .rescale = vectors_rescale,
    .to_stage = vectors_to_stage,
    .from_stage = vectors_from_stage,
    .after = vectors_after,
    .before = vectors_before,
    .find_not_finite = vectors_find_not_finite,
};

df_code df_cuda_vectors_open(df_vectors *out, void *ctx, df_err *err) {
    vectors *v = calloc(1, sizeof *v);
    if (!v) return df_err_set(err, DF_ENOMEM, "latents on the GPU");
    v->ctx = ctx;
    df_code rc = df_cuda_enter(v->ctx, err);
    cudaError_t e = rc ? cudaSuccess : df_cuda_runtime.event_create(&v->turn);
    if (e) rc = df_cuda_error(err, e, "an event");
    if (rc) {
        free(v);
        return rc;
    }
    *out = (df_vectors) { &cuda_ops, v };
    return DF_OK;
}

void df_cuda_vectors_close(df_vectors *place) {
    vectors *v = place->ctx;
    if (!v) return;
    df_cuda_enter(v->ctx, NULL);
    df_cuda_runtime.stream_wait(v->ctx->stream);
    vectors_free(v, v->scratch);
    release_unused(v);
    df_cuda_runtime.event_destroy(v->turn);
    df_cuda_parcels_close(&v->parcels);
    free(v);
    *place = (df_vectors) { 0 };
}
