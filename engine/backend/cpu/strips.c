#include "engine/backend/cpu/strips.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* A strip costs about a millisecond on one core, and has enough positions to read the weights for; rows that would
 * give fewer than MIN_STRIPS stay whole: their few strips would share badly, and the library's own threads (checked)
 * serve them better. */
enum { STRIP_FLOPS = 100 * 1000 * 1000, MIN_POSITIONS = 128, MIN_STRIPS = 8 };

static int64_t strip_height(const df_product_shape *s) {
    int64_t line_flops = 2 * s->ow * s->oc * s->ic * s->kernel * s->kernel;
    int64_t by_flops = (STRIP_FLOPS + line_flops - 1) / line_flops;
    int64_t by_positions = (MIN_POSITIONS + s->ow - 1) / s->ow;
    int64_t height = by_flops > by_positions ? by_flops : by_positions;
    return (s->oh + height - 1) / height < MIN_STRIPS ? s->oh : height;
}

/* The i-th strip as a picture of its own; *first is the first line it reads. */
static df_product_shape strip_shape(const df_strips *s, int64_t i, int64_t *first) {
    df_product_shape p = s->shape;
    int64_t begin = i * s->height, end = begin + s->height < p.oh ? begin + s->height : p.oh;
    int64_t from = begin * p.stride - p.top, to = (end - 1) * p.stride - p.top + p.kernel;
    p.top = from < 0 ? -from : 0;
    p.bottom = to > p.ih ? to - p.ih : 0;
    *first = from < 0 ? 0 : from;
    p.ih = (to > p.ih ? p.ih : to) - *first;
    p.oh = end - begin;
    return p;
}

static int kind_of(const df_strips *s, const df_product_shape *shape) {
    for (int i = 0; i < s->n_kinds; i++)
        if (!memcmp(&s->kind[i]->shape, shape, sizeof *shape)) return i;
    return -1;
}

static df_code open_kinds(df_strips *s, const df_cpu_ctx *ctx, df_err *err) {
    /* The middle strips are the most: theirs is the layout of the weights. */
    for (int64_t k = 0; k < s->count; k++) {
        int64_t first, i = (s->count / 2 + k) % s->count;
        df_product_shape shape = strip_shape(s, i, &first);
        if (kind_of(s, &shape) >= 0) continue;
        if (s->n_kinds == DF_STRIP_KINDS) return df_err_set(err, DF_EUNSUPPORTED, "too many kinds of strips");
        const dnnl_memory_desc_t *weights = s->n_kinds ? df_prim_weights(s->kind[0]) : NULL;
        df_code rc = df_prim_open(&s->kind[s->n_kinds], ctx, &shape, 1, 1, weights, err);
        if (rc) return rc;
        size_t bytes = (s->kind[s->n_kinds++]->scratch_bytes + 63) / 64 * 64;
        if (bytes > s->scratch_bytes) s->scratch_bytes = bytes;
    }
    return DF_OK;
}

static df_code open_args(df_strips *s, const df_cpu_ctx *ctx, df_err *err) {
    s->threads = ctx->threads;
    s->args = calloc((size_t)(s->threads * s->n_kinds), sizeof *s->args);
    if (!s->args) return df_err_set(err, DF_ENOMEM, "strips");
    df_code rc = DF_OK;
    for (int i = 0; !rc && i < s->threads * s->n_kinds; i++)
        rc = df_prim_args_open(&s->args[i], ctx, s->kind[i % s->n_kinds], err);
    return rc;
}

static df_code open_height(df_strips *s, const df_cpu_ctx *ctx, const df_product_shape *shape, int64_t height,
                           df_err *err) {
    *s = (df_strips) { .shape = *shape, .height = height, .count = (shape->oh + height - 1) / height };
    df_code rc = open_kinds(s, ctx, err);
    if (!rc) rc = open_args(s, ctx, err);
    if (rc) df_strips_close(s);
    return rc;
}

df_code df_strips_open(df_strips *s, const df_cpu_ctx *ctx, const df_product_shape *shape, df_err *err) {
    int64_t height = strip_height(shape);
    df_code rc = open_height(s, ctx, shape, height, err);
    /* Some library may not take one layout for all kinds: then the row stays whole, on every machine like this one. */
    if (rc == DF_EUNSUPPORTED && height < shape->oh) rc = open_height(s, ctx, shape, shape->oh, err);
    return rc;
}

void df_strips_close(df_strips *s) {
    for (int i = 0; s->args && i < s->threads * s->n_kinds; i++) df_prim_args_close(&s->args[i]);
    free(s->args);
    for (int i = 0; i < s->n_kinds; i++) df_prim_close(&s->kind[i]);
    *s = (df_strips) { 0 };
}

static df_code run_strip(const df_strips *s, const df_cpu_ctx *ctx, int64_t row, int64_t i, const df_operands *o,
                         const df_strip_hooks *hooks, df_err *err) {
    int64_t first, thread = omp_get_thread_num();
    df_product_shape p = strip_shape(s, i, &first);
    int kind = kind_of(s, &p);
    const df_product_shape *all = &s->shape;
    int64_t at = i * s->height * all->ow, positions = p.oh * p.ow;
    df_operands mine = { .x = (const char *)o->x +
                              (size_t)((row * all->ih + first) * all->iw * all->ic) * df_product_x_unit(all),
                         .weights = o->weights,
                         .bias = o->bias,
                         .y = df_cpu_to(ctx, o->y, (row * all->oh * all->ow + at) * all->oc),
                         .scratch = (char *)o->scratch + (size_t)thread * s->scratch_bytes };
    if (hooks->before) hooks->before(hooks->arg, row, at, positions);
    df_code rc = df_prim_run(s->kind[kind], &s->args[(ctx->first_thread + thread) * s->n_kinds + kind],
                             ctx->streams[thread], &mine, err);
    if (!rc && hooks->after) hooks->after(hooks->arg, row, at, positions);
    return rc;
}

df_code df_strips_run(const df_strips *s, const df_cpu_ctx *ctx, int64_t n_rows, const df_operands *o,
                      const df_strip_hooks *hooks, df_err *err) {
    df_code rc = DF_OK;
    int64_t all = n_rows * s->count;
    int parts = all > 1 ? ctx->threads : 1;
    int saved = df_cpu_enter(1); /* what the library sees in each of our threads */
#pragma omp parallel for schedule(static) num_threads(parts)
    for (int64_t i = 0; i < all; i++) {
        df_err why;
        df_code one = run_strip(s, ctx, i / s->count, i % s->count, o, hooks, &why);
        if (one) {
#pragma omp critical(df_strips_error)
            rc = df_err_set(err, one, "%s", why.text);
        }
    }
    df_cpu_leave(saved);
    return rc;
}
