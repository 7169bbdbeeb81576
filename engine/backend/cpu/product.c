#include "engine/backend/cpu/product.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backend/cpu/int8.h"
#include "engine/backend/cpu/invariance.h"
#include "engine/backend/cpu/strips.h"
#include "engine/backend/int8.h"
#include "engine/weights/packed.h"

/* One prepared number of rows. */
typedef struct plan {
    struct plan *next;
    int64_t n_rows;
    df_product_way way;
    df_prim *prim; /* BATCH, LOOP */
    df_prim_args args;
    const void *packed; /* borrowed: the product's, or another plan's */
    void *own_packed; /* NULL where borrowed */
} plan;

typedef struct product {
    df_product_shape shape;
    df_strips strips;
    void *packed; /* as the strips want it */
    bool borrowed; /* it is ctx->packed's */
    float *bias; /* NULL without */
    float *scales; /* the shape's; NULL without int8 */
    plan *plans;
} product;

static int64_t positions(const product *p) {
    return p->shape.oh * p->shape.ow;
}

static void plan_close(plan *q) {
    df_prim_args_close(&q->args);
    df_prim_close(&q->prim);
    free(q->own_packed);
    free(q);
}

size_t df_product_weight_bytes(const df_kernel *k) {
    size_t unit = df_node_is_int8(k->node) ? 1 : k->ctx->unit;
    return (size_t)df_shape_elements(k->g->weights[k->node->weight[0]].shape) * unit +
           (k->node->weight[1] != DF_NO_WEIGHT ? (size_t)df_cpu_last_dim(df_cpu_out_shape(k)) * sizeof(float) : 0);
}

void df_product_close(void *state) {
    product *p = state;
    for (plan *q = p->plans, *next; q; q = next) {
        next = q->next;
        plan_close(q);
    }
    df_strips_close(&p->strips);
    if (!p->borrowed) free(p->packed);
    free(p->bias);
    free(p->scales);
    free(p);
}

/* The residual goes straight into the sums: nothing stands between them and it. */
static bool sums_residual(const df_node *n) {
    return n->residual != DF_NO_VALUE && n->fused_add_channel == DF_NO_VALUE && n->act == DF_ACT_NONE;
}

/* The result may lie on the residual, which the epilogue still needs: then the product goes to scratch first. */
static bool needs_detour(const df_node *n) {
    return n->residual != DF_NO_VALUE && !sums_residual(n);
}

/* What is kept packed of a product. The phases of an upsample_conv2d have one node, and differ in their padding. */
static void entry_name(char out[384], const df_kernel *k, const df_product_shape *s, const char *what) {
    snprintf(out, 384, "%s/%s %lld+%lld+%lld", k->node->name, what, (long long)s->kernel, (long long)s->top,
             (long long)s->left);
}

/* Opens the strips, and takes their weights from what is kept: none found, p->packed stays NULL. */
static df_code find_weights(const df_kernel *k, product *p, char name[384], size_t *bytes, df_err *err) {
    df_code rc = df_strips_open(&p->strips, k->ctx, &p->shape, err);
    if (rc) return rc;
    const df_prim *canonical = p->strips.kind[0];
    *bytes = dnnl_memory_desc_get_size(df_prim_weights(canonical));
    entry_name(name, k, &p->shape, "product");
    size_t length = strlen(name);
    snprintf(name + length, 384 - length, " %016llx", (unsigned long long)df_prim_layout(canonical));
    if (k->ctx->packed) p->packed = (void *)(uintptr_t)df_packed_find(k->ctx->packed, name, *bytes);
    p->borrowed = p->packed != NULL;
    return DF_OK;
}

/* weights: f32, or codes where the shape is int8; NULL where they must be kept packed. */
static df_code find_or_pack(const df_kernel *k, product *p, const void *weights, df_err *err) {
    char name[384];
    size_t bytes;
    df_code rc = find_weights(k, p, name, &bytes, err);
    if (rc || p->borrowed) return rc;
    if (!weights) return df_err_set(err, DF_ENOTFOUND, "packed weights");
    rc = df_prim_pack(k->ctx, p->strips.kind[0], weights, &p->packed, err);
    return rc || !k->ctx->packed ? rc : df_packed_add(k->ctx->packed, name, p->packed, bytes, err);
}

/* From the weights, or, where they are NULL, from what is kept: their scales are an entry beside the codes. */
static df_code open_int8(const df_kernel *k, product *p, const float *weights, df_err *err) {
    const df_product_shape *s = &p->shape;
    size_t bytes = df_cpu_int8_scale_bytes(s->oc);
    int8_t *codes = NULL;
    df_code rc = DF_OK;
    char name[384];
    entry_name(name, k, s, "scales");
    const float *kept = k->ctx->packed ? df_packed_find(k->ctx->packed, name, bytes) : NULL;
    if (weights)
        rc = df_cpu_int8_weights(k, weights, s->oc, s->ic * s->kernel * s->kernel, &codes, &p->scales, err);
    else if (!kept)
        rc = df_err_set(err, DF_ENOTFOUND, "packed weights");
    else if (!(p->scales = df_cpu_copy(kept, s->oc)))
        rc = df_err_set(err, DF_ENOMEM, "scales");
    p->shape.scales = p->scales;
    if (!rc && !kept && k->ctx->packed) rc = df_packed_add(k->ctx->packed, name, p->scales, bytes, err);
    if (!rc) df_cpu_int8_bias(p->bias, p->scales, s->oc);
    if (!rc) rc = find_or_pack(k, p, codes, err);
    free(codes);
    return rc;
}

df_code df_product_open(df_kernel *k, df_product_shape shape, const float *const *weights, df_err *err) {
    product *p = k->state = calloc(1, sizeof *p);
    if (!p) return df_err_set(err, DF_ENOMEM, "product");
    shape.bias = weights[1] != NULL;
    shape.sum = sums_residual(k->node);
    shape.dtype = k->ctx->dtype;
    shape.int8 = df_node_is_int8(k->node);
    shape.zero = k->node->int8.zero;
    p->shape = shape;
    if (weights[1] && !(p->bias = df_cpu_copy(weights[1], shape.oc))) return df_err_set(err, DF_ENOMEM, "bias");
    return shape.int8 ? open_int8(k, p, weights[0], err) : find_or_pack(k, p, weights[0], err);
}

/* Rows on threads of their own: they must share well, and each must be worth reading the weights for. */
static bool strips_serve(const df_kernel *k, const product *p, int64_t n_rows) {
    enum { SMALL_WEIGHTS = 2 << 20, MIN_POSITIONS = 16, ENOUGH_POSITIONS = 256 };
    int threads = k->ctx->threads;
    bool shared = n_rows % threads == 0 || n_rows >= 4 * threads;
    size_t weights = dnnl_memory_desc_get_size(df_prim_weights(p->strips.kind[0]));
    return shared && (positions(p) >= ENOUGH_POSITIONS || (weights <= SMALL_WEIGHTS && positions(p) >= MIN_POSITIONS));
}

/* Weights in the layout of q->prim: those there are, or a copy. */
static df_code find_packed(const df_kernel *k, const product *p, plan *q, df_err *err) {
    const df_prim *canonical = p->strips.kind[0];
    if (df_prim_same_layout(q->prim, canonical)) q->packed = p->packed;
    for (const plan *o = p->plans; o && !q->packed; o = o->next)
        if (o->prim && df_prim_same_layout(q->prim, o->prim)) q->packed = o->packed;
    if (q->packed) return DF_OK;
    df_code rc = df_prim_repack(k->ctx, q->prim, canonical, p->packed, &q->own_packed, err);
    q->packed = q->own_packed;
    return rc;
}

/* Opens a primitive of `rows` rows for all threads and keeps it, as q->prim, if it proves itself. */
static df_code try_primitive(const df_kernel *k, const product *p, plan *q, int64_t rows, df_err *err) {
    const df_prim *canonical = p->strips.kind[0];
    bool same = false;
    int threads = k->ctx->threads;
    df_code rc = df_prim_open(&q->prim, k->ctx, &p->shape, rows, threads, df_prim_weights(canonical), err);
    if (rc == DF_EUNSUPPORTED) rc = df_prim_open(&q->prim, k->ctx, &p->shape, rows, threads, NULL, err);
    if (!rc) rc = df_invariance_check(&same, k->ctx, canonical, q->prim, err);
    if (!rc && same) rc = df_prim_args_open(&q->args, k->ctx, q->prim, err);
    if (!rc && same) rc = find_packed(k, p, q, err);
    if (!rc && !same) df_prim_close(&q->prim);
    return rc;
}

static df_code choose(const df_kernel *k, const product *p, plan *q, df_err *err) {
    df_product_way wish = k->ctx->way;
    df_code rc = DF_OK;
    q->way = DF_PRODUCT_STRIPS;
    if (p->strips.count > 1 || wish == DF_PRODUCT_STRIPS) return DF_OK;
    if (wish == DF_PRODUCT_AUTO && strips_serve(k, p, q->n_rows)) return DF_OK;
    if (wish != DF_PRODUCT_LOOP) rc = try_primitive(k, p, q, q->n_rows, err);
    if (q->prim) q->way = DF_PRODUCT_BATCH;
    if (rc || q->prim || k->ctx->threads == 1) return rc; /* on one thread a loop is what STRIPS does */
    rc = try_primitive(k, p, q, 1, err);
    if (q->prim) q->way = DF_PRODUCT_LOOP;
    return rc;
}

static plan *plan_of(const product *p, int64_t n_rows) {
    plan *q = p->plans;
    while (q && q->n_rows != n_rows) q = q->next;
    return q;
}

static size_t detour_bytes(const df_kernel *k, const product *p, int64_t n_rows) {
    if (!needs_detour(k->node)) return 0;
    size_t bytes = (size_t)(n_rows * positions(p) * p->shape.oc) * k->ctx->unit;
    return (bytes + 63) / 64 * 64;
}

static df_code make_plan(const df_kernel *k, product *p, int64_t n_rows, df_err *err) {
    plan *q = calloc(1, sizeof *q);
    if (!q) return df_err_set(err, DF_ENOMEM, "%s", k->node->name);
    q->n_rows = n_rows;
    df_code rc = choose(k, p, q, err);
    if (rc) {
        plan_close(q);
        return rc;
    }
    q->next = p->plans;
    p->plans = q;
    return DF_OK;
}

/* A lane runs STRIPS, which need no plan. */
df_code df_product_prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err) {
    product *p = k->state;
    bool lane = df_cpu_is_lane(k->ctx);
    df_code rc = lane || plan_of(p, n_rows) ? DF_OK : make_plan(k, p, n_rows, err);
    if (rc) return rc;
    const plan *q = lane ? NULL : plan_of(p, n_rows);
    size_t own = q && q->prim ? q->prim->scratch_bytes : (size_t)k->ctx->threads * p->strips.scratch_bytes;
    *scratch_bytes = detour_bytes(k, p, n_rows) + df_cpu_int8_input_bytes(k, n_rows) + own;
    return DF_OK;
}

/* One run: what the hooks around a strip, or around all rows, need. */
typedef struct pass {
    const df_kernel *k;
    const product *p;
    const df_cpu_run *r;
    void *y; /* where the product goes: out, or scratch */
} pass;

static void bring_residual(void *arg, int64_t row, int64_t first, int64_t n) {
    const pass *a = arg;
    const df_cpu_ctx *x = a->k->ctx;
    int64_t c = a->p->shape.oc, at = (row * positions(a->p) + first) * c;
    memcpy(df_cpu_to(x, a->r->out, at), df_cpu_from(x, a->r->residual, at), (size_t)(n * c) * x->unit);
}

static void finish(void *arg, int64_t row, int64_t first, int64_t n) {
    const pass *a = arg;
    const df_cpu_ctx *x = a->k->ctx;
    int64_t c = a->p->shape.oc, at = (row * positions(a->p) + first) * c;
    bool residual = a->r->residual && !a->p->shape.sum;
    x->simd->epilogue(df_cpu_to(x, a->r->out, at), df_cpu_from(x, a->y, at), n, c,
                      a->r->add_channel ? df_cpu_from(x, a->r->add_channel, row * c) : NULL, a->k->node->act,
                      residual ? df_cpu_from(x, a->r->residual, at) : NULL);
}

/* The same work for all rows, on all threads. */
static void over_rows(const pass *a, void (*hook)(void *, int64_t, int64_t, int64_t)) {
    int64_t all = a->r->n_rows * positions(a->p);
    int parts = df_cpu_parts(a->k->ctx, all * a->p->shape.oc);
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++) {
        int64_t begin, end;
        df_cpu_part(all, parts, part, &begin, &end);
        while (begin < end) {
            int64_t row = begin / positions(a->p), stop = (row + 1) * positions(a->p);
            if (stop > end) stop = end;
            hook((void *)(uintptr_t)a, row, begin - row * positions(a->p), stop - begin);
            begin = stop;
        }
    }
}

static df_code run_library(const plan *q, const pass *a, const df_operands *o, const df_strip_hooks *hooks,
                           df_err *err) {
    const df_product_shape *s = &a->p->shape;
    if (hooks->before) over_rows(a, hooks->before);
    df_code rc = DF_OK;
    for (int64_t row = 0; !rc && row < q->n_rows; row += q->prim->rows) {
        df_operands mine = *o;
        mine.x = (const char *)o->x + (size_t)(row * s->ih * s->iw * s->ic) * df_product_x_unit(s);
        mine.y = df_cpu_to(a->k->ctx, o->y, row * s->oh * s->ow * s->oc);
        rc = df_prim_run(q->prim, &q->args, a->k->ctx->streams[0], &mine, err);
    }
    if (!rc && hooks->after) over_rows(a, hooks->after);
    return rc;
}

df_code df_product_run(df_kernel *k, const df_cpu_run *r, df_err *err) {
    const product *p = k->state;
    const plan *q = df_cpu_is_lane(k->ctx) ? NULL : plan_of(p, r->n_rows);
    if (!q && !df_cpu_is_lane(k->ctx))
        return df_err_set(err, DF_EINVAL, "%s: not prepared for %lld rows", k->node->name, (long long)r->n_rows);
    size_t detour = detour_bytes(k, p, r->n_rows), input = df_cpu_int8_input_bytes(k, r->n_rows);
    const void *x = r->in[0];
    if (input) {
        df_cpu_int8_input(k, x, r->n_rows, (uint8_t *)r->scratch + detour);
        x = r->scratch + detour;
    }
    pass a = { k, p, r, detour ? r->scratch : r->out };
    bool epilogue = r->add_channel || k->node->act != DF_ACT_NONE || detour;
    df_strip_hooks hooks = { p->shape.sum && r->residual != r->out ? bring_residual : NULL, epilogue ? finish : NULL,
                             &a };
    bool library = q && q->prim;
    df_operands o = { x, library ? q->packed : p->packed, p->bias, a.y, r->scratch + detour + input };
    return library ? run_library(q, &a, &o, &hooks, err)
                   : df_strips_run(&p->strips, k->ctx, r->n_rows, &o, &hooks, err);
}

df_product_way df_product_way_of(const df_kernel *k, int64_t n_rows) {
    const plan *q = plan_of(k->state, n_rows);
    return q ? q->way : DF_PRODUCT_AUTO;
}

int64_t df_product_strips_of(const df_kernel *k) {
    return ((const product *)k->state)->strips.count;
}
