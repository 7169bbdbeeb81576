#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/activations.h"
#include "engine/samplers/guidance.h"
#include "engine/samplers/vectors.h"

static void *host_alloc(void *ctx, size_t bytes, df_err *err) {
    (void)ctx;
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p) df_err_set(err, DF_ENOMEM, "%zu bytes of latents", bytes);
    return p;
}

static void host_free(void *ctx, void *p) {
    (void)ctx;
    free(p);
}

static void host_copy(void *ctx, void *to, const void *from, size_t bytes) {
    (void)ctx;
    if (to != from) memcpy(to, from, bytes);
}

static df_code host_read(void *ctx, void *to, const void *from, size_t bytes, df_err *err) {
    (void)err;
    host_copy(ctx, to, from, bytes);
    return DF_OK;
}

static df_code host_fill(void *ctx, float *out, size_t n, df_draw draw, df_err *err) {
    (void)ctx;
    return draw.fn(draw.ctx, out, n, err);
}

/* Some numbers at a time, so that they stay in cache from term to term, and out is written behind the last. */
static void host_combine(void *ctx, float *out, const df_term *terms, int n_terms, size_t n) {
    enum { CHUNK = 256 };
    float sum[CHUNK];
    (void)ctx;
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t m = n - at < CHUNK ? n - at : CHUNK;
        for (size_t i = 0; i < m; i++) sum[i] = terms[0].by * terms[0].x[at + i];
        for (int t = 1; t < n_terms; t++)
            for (size_t i = 0; i < m; i++) sum[i] += terms[t].by * terms[t].x[at + i];
        memcpy(out + at, sum, m * sizeof *sum);
    }
}

static void host_predict(void *ctx, float *out, df_predicted what, df_prediction kind, float a, float b, const float *x,
                         const float *predicted, size_t n) {
    (void)ctx;
    for (size_t i = 0; i < n; i++) out[i] = df_predicted_of(what, kind, a, b, x[i], predicted[i]);
}

static void host_divide(void *ctx, float *out, const float *x, const float *y, float by, size_t n) {
    (void)ctx;
    if (y)
        for (size_t i = 0; i < n; i++) out[i] = (x[i] - y[i]) / by;
    else
        for (size_t i = 0; i < n; i++) out[i] = x[i] / by;
}

static void host_clip(void *ctx, float *x, float limit, size_t n) {
    (void)ctx;
    for (size_t i = 0; i < n; i++) x[i] = fminf(fmaxf(x[i], -limit), limit);
}

static void host_blend(void *ctx, float *x, const float *under, const float *mask, size_t n, size_t plane) {
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        float m = mask[i % plane];
        x[i] = (1.0f - m) * under[i] + m * x[i];
    }
}

static void host_guide(void *ctx, float *out, const float *cond, const float *uncond, float scale, size_t n) {
    (void)ctx;
    df_guidance(cond, uncond, scale, out, n);
}

static void host_rescale(void *ctx, float *out, const float *cond, double amount, size_t n) {
    (void)ctx;
    df_guidance_rescale(out, cond, amount, n);
}

static void host_to_stage(void *ctx, void *out, df_dtype type, const float *x, size_t C, size_t area) {
    (void)ctx;
    df_activations_write(out, x, C, area, type);
}

static void host_from_stage(void *ctx, float *out, df_dtype type, const void *x, size_t C, size_t area) {
    (void)ctx;
    df_activations_read(out, x, C, area, type);
}

static void no_order(void *ctx, void *stream) {
    (void)ctx, (void)stream;
}

static void host_find_not_finite(void *ctx, int32_t *bad, const float *x, size_t n) {
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) *bad = 1;
}

static const df_vectors_ops host_ops = {
    .immediate = true,
    .alloc = host_alloc,
    .free = host_free,
    .copy = host_copy,
    .read = host_read,
    .fill = host_fill,
    .combine = host_combine,
    .predict = host_predict,
    .divide = host_divide,
    .clip = host_clip,
    .blend = host_blend,
    .guide = host_guide,
    .rescale = host_rescale,
    .to_stage = host_to_stage,
    .from_stage = host_from_stage,
    .after = no_order,
    .before = no_order,
    .find_not_finite = host_find_not_finite,
};

const df_vectors df_vectors_host = { .ops = &host_ops };

static df_code copy_numbers(void *ctx, float *out, size_t n, df_err *err) {
    (void)err;
    memcpy(out, ctx, n * sizeof *out);
    return DF_OK;
}

df_code df_vectors_upload(const df_vectors *v, float *out, const float *from, size_t n, df_err *err) {
    return v->ops->fill(v->ctx, out, n, (df_draw) { copy_numbers, (void *)(uintptr_t)from }, err);
}

df_code df_vectors_draw(const df_vectors *v, float *out, size_t n, df_draw draw, df_torch_cuda *g, df_err *err) {
    return g && v->ops->normal ? v->ops->normal(v->ctx, out, n, g, err) : v->ops->fill(v->ctx, out, n, draw, err);
}
