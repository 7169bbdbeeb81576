#include "engine/backend/cpu/winograd.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/weights/packed.h"

/* V of a block stays in the cache that the threads share; the sums of a task in that of its thread. */
enum { BLOCK_BYTES = 6 << 20, SUMS_BYTES = 512 << 10, TASK_GROUPS = 4, MAX_POINTS = 36, LINE_BYTES = 64 };

typedef struct winograd {
    df_winograd_layer layer;
    int m, points, group; /* results a side, products a channel, tiles that the product takes at once */
    int64_t across, tiles; /* of a row: in a line of tiles, in all */
    int64_t chunks, channels; /* of V: ic rounded up to chunks of VL */
    int64_t panels, width; /* of U */
    int64_t block_tiles, task_panels; /* at most */
    int64_t sums_plane; /* floats from point to point of a task's sums */
    void *u;
    bool borrowed; /* u is ctx->packed's */
    float *bias; /* [panels * width]; zeros without */
    void *zeros; /* [ic]: a pixel of the padding */
} winograd;

static int64_t ceil_div(int64_t n, int64_t by) {
    return (n + by - 1) / by;
}

static int64_t at_most(int64_t n, int64_t limit) {
    return n < limit ? n : limit;
}

/* Planes lie an odd number of cache lines apart: the points of a tile would else meet in a few sets of the cache. */
static int64_t plane(int64_t elements, size_t unit) {
    int64_t line = LINE_BYTES / (int64_t)unit;
    return (ceil_div(elements, line) | 1) * line;
}

static void set_sizes(winograd *w, const df_kernel *k) {
    const df_simd *simd = k->ctx->simd;
    const df_winograd_layer *l = &w->layer;
    w->points = (w->m + 2) * (w->m + 2);
    w->group = simd->winograd_group;
    w->across = ceil_div(l->ow, w->m);
    w->tiles = w->across * ceil_div(l->oh, w->m);
    w->chunks = ceil_div(l->ic, simd->lanes);
    w->channels = w->chunks * simd->lanes;
    w->width = 2 * simd->lanes;
    w->panels = ceil_div(l->oc, w->width);
    int64_t task_tiles = w->group * TASK_GROUPS, v_bytes = w->points * w->channels * (int64_t)k->ctx->unit;
    w->block_tiles = task_tiles * ceil_div(BLOCK_BYTES, v_bytes * task_tiles);
    w->task_panels = ceil_div(SUMS_BYTES, (int64_t)sizeof(float) * w->points * task_tiles * w->width);
    w->sums_plane = plane(task_tiles * w->task_panels * w->width, sizeof(float));
}

static void close_winograd(void *state) {
    winograd *w = state;
    if (!w->borrowed) free(w->u);
    free(w->bias);
    free(w->zeros);
    free(w);
}

/* Tiles of the blocks of a run of n_rows. */
static int64_t block_of(const winograd *w, int64_t n_rows) {
    return at_most(n_rows * w->tiles, w->block_tiles);
}

static int64_t v_plane(const winograd *w, const df_kernel *k, int64_t n_rows) {
    return plane(block_of(w, n_rows) * w->channels, k->ctx->unit);
}

static size_t v_bytes(const winograd *w, const df_kernel *k, int64_t n_rows) {
    return (size_t)(w->points * v_plane(w, k, n_rows)) * k->ctx->unit; /* whole cache lines */
}

static df_code prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    (void)err;
    const winograd *w = k->state;
    *scratch_bytes = v_bytes(w, k, n_rows) + (size_t)(k->ctx->threads * w->points * w->sums_plane) * sizeof(float);
    return DF_OK;
}

/* Of one run: tiles [first, first + n), counted through all rows. */
typedef struct block {
    const df_kernel *k;
    const winograd *w;
    const df_cpu_run *r;
    int64_t first, n, groups;
    char *v;
    int64_t v_plane;
} block;

/* Groups are of nearly the same size: the first tile of one in its block. */
static int64_t group_begin(const block *b, int64_t group) {
    return b->n * group / b->groups;
}

/* Where a tile of a block is: its row, and its first result there. */
typedef struct place {
    int64_t row, y, x;
} place;

static place place_of(const block *b, int64_t tile) {
    const winograd *w = b->w;
    int64_t all = b->first + tile, in_row = all % w->tiles;
    return (place) { all / w->tiles, in_row / w->across * w->m, in_row % w->across * w->m };
}

static void find_pixels(const block *b, int64_t tile, const void **pixel) {
    const df_winograd_layer *l = &b->w->layer;
    int side = b->w->m + 2;
    place at = place_of(b, tile);
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            int64_t y = at.y - l->top + i, x = at.x - l->left + j;
            bool inside = y >= 0 && y < l->ih && x >= 0 && x < l->iw;
            int64_t line = at.row * (l->ih / l->zoom) + y / l->zoom;
            *pixel++ = inside ? df_cpu_from(b->k->ctx, b->r->in[0], (line * (l->iw / l->zoom) + x / l->zoom) * l->ic)
                              : b->w->zeros;
        }
}

static void transform_group(const block *b, int64_t group) {
    const winograd *w = b->w;
    const df_cpu_ctx *ctx = b->k->ctx;
    int64_t begin = group_begin(b, group), end = group_begin(b, group + 1), lanes = ctx->simd->lanes;
    for (int64_t tile = begin; tile < end; tile++) {
        const void *pixel[MAX_POINTS];
        find_pixels(b, tile, pixel);
        ctx->simd->winograd_input(df_cpu_to(ctx, b->v, begin * w->channels + (tile - begin) * lanes), b->v_plane,
                                  (end - begin) * lanes, pixel, w->layer.ic, w->m);
    }
}

/* Some groups of a block, some panels of output channels. */
typedef struct task {
    int64_t group, group_end, panel, panel_end;
    float *sums; /* [point][tile][task_panels * width] */
    int64_t stride; /* floats from tile to tile */
} task;

static void multiply(const block *b, const task *t) {
    const winograd *w = b->w;
    const df_cpu_ctx *ctx = b->k->ctx;
    int64_t first = group_begin(b, t->group);
    for (int64_t point = 0; point < w->points; point++)
        for (int64_t panel = t->panel; panel < t->panel_end; panel++) {
            const void *u = df_cpu_from(ctx, w->u, (point * w->panels + panel) * w->channels * w->width);
            float *sums = t->sums + point * w->sums_plane + (panel - t->panel) * w->width;
            for (int64_t g = t->group; g < t->group_end; g++) {
                int64_t begin = group_begin(b, g), n = group_begin(b, g + 1) - begin;
                const void *v = df_cpu_from(ctx, b->v, point * b->v_plane + begin * w->channels);
                ctx->simd->winograd_product(sums + (begin - first) * t->stride, t->stride, v, u, w->chunks, (int)n);
            }
        }
}

static void finish(const block *b, const task *t) {
    const winograd *w = b->w;
    const df_winograd_layer *l = &w->layer;
    const df_cpu_ctx *ctx = b->k->ctx;
    int64_t first = group_begin(b, t->group), end = group_begin(b, t->group_end), channel = t->panel * w->width;
    for (int64_t tile = first; tile < end; tile++) {
        place at = place_of(b, tile);
        int64_t y = ((at.row * l->oh + at.y) * l->ow + at.x) * l->oc + channel;
        const df_winograd_tile out = {
            .sums = t->sums + (tile - first) * t->stride,
            .plane = w->sums_plane,
            .y = df_cpu_to(ctx, b->r->out, y),
            .residual = b->r->residual ? df_cpu_from(ctx, b->r->residual, y) : NULL,
            .line = l->ow * l->oc,
            .pixel = l->oc,
            .lines = (int)at_most(l->oh - at.y, w->m),
            .columns = (int)at_most(l->ow - at.x, w->m),
            .c = at_most(t->panel_end * w->width, l->oc) - channel,
            .bias = w->bias + channel,
            .add_channel = b->r->add_channel ? df_cpu_from(ctx, b->r->add_channel, at.row * l->oc + channel) : NULL,
        };
        ctx->simd->winograd_output(&out, b->k->node->act, w->m);
    }
}

static void run_block(const block *b, float *sums) {
    const winograd *w = b->w;
    int64_t parts = ceil_div(b->groups, TASK_GROUPS), tasks = parts * ceil_div(w->panels, w->task_panels);
#pragma omp parallel num_threads(b->k->ctx->threads)
    {
        float *mine = sums + omp_get_thread_num() * w->points * w->sums_plane;
#pragma omp for schedule(static)
        for (int64_t g = 0; g < b->groups; g++) transform_group(b, g);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < tasks; i++) { /* those that share weights come one after the other */
            int64_t part = i % parts, panel = i / parts * w->task_panels;
            const task t = { .group = b->groups * part / parts,
                             .group_end = b->groups * (part + 1) / parts,
                             .panel = panel,
                             .panel_end = at_most(panel + w->task_panels, w->panels),
                             .sums = mine,
                             .stride = w->task_panels * w->width };
            multiply(b, &t);
            finish(b, &t);
        }
    }
}

static df_code run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    (void)err;
    const winograd *w = k->state;
    int64_t all = r->n_rows * w->tiles, step = block_of(w, r->n_rows);
    float *sums = (float *)(r->scratch + v_bytes(w, k, r->n_rows));
    for (int64_t first = 0; first < all; first += step) {
        int64_t n = at_most(all - first, step);
        const block b = { k, w, r, first, n, ceil_div(n, w->group), r->scratch, v_plane(w, k, r->n_rows) };
        run_block(&b, sums);
    }
    return DF_OK;
}

static const df_cpu_op winograd_op = { .close = close_winograd, .prepare = prepare, .run = run, .does_all = true };

/* U: found packed, or packed and left there. */
static df_code find_or_pack(const df_kernel *k, winograd *w, const float *weights, df_err *err) {
    char name[384];
    struct df_packed *packed = k->ctx->packed;
    size_t bytes = df_winograd_packed_bytes(k->ctx, w->layer.oc, w->layer.ic, w->m);
    snprintf(name, sizeof name, "%s/winograd %d %s %d", k->node->name, w->m, df_dtype_name(k->ctx->dtype),
             (int)k->ctx->simd->lanes);
    w->u = packed ? (void *)(uintptr_t)df_packed_find(packed, name, bytes) : NULL;
    w->borrowed = w->u != NULL;
    if (w->borrowed) return DF_OK;
    if (!weights) return df_err_set(err, DF_ENOTFOUND, "packed weights");
    w->u = df_winograd_pack(k->ctx, weights, w->layer.oc, w->layer.ic, w->m);
    if (!w->u) return df_err_set(err, DF_ENOMEM, "winograd");
    return packed ? df_packed_add(packed, name, w->u, bytes, err) : DF_OK;
}

df_code df_winograd_open(df_kernel *k, const float *const *weights, df_err *err) {
    winograd *w = calloc(1, sizeof *w);
    if (!w) return df_err_set(err, DF_ENOMEM, "winograd");
    w->layer = df_winograd_layer_of(k);
    w->m = df_winograd_m(k);
    set_sizes(w, k);
    k->state = w;
    k->op = &winograd_op;
    df_code rc = find_or_pack(k, w, weights[0], err);
    if (rc) return rc;
    w->bias = calloc((size_t)(w->panels * w->width), sizeof *w->bias);
    w->zeros = calloc((size_t)w->layer.ic, k->ctx->unit);
    if (!w->bias || !w->zeros) return df_err_set(err, DF_ENOMEM, "winograd");
    if (weights[1]) memcpy(w->bias, weights[1], (size_t)w->layer.oc * sizeof *w->bias);
    return DF_OK;
}
