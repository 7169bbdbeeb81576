#include "engine/backend/cpu/invariance.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct answer {
    df_product_shape shape;
    int64_t rows, threads, same;
} answer;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static answer *known; /* [n_known], under the lock */
static size_t n_known;

static bool recall(answer *a) {
    bool found = false;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n_known && !found; i++) {
        found = known[i].rows == a->rows && known[i].threads == a->threads &&
                !memcmp(&known[i].shape, &a->shape, sizeof a->shape);
        if (found) a->same = known[i].same;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

/* Out of memory only means that the next one checks again. */
static void remember(const answer *a) {
    pthread_mutex_lock(&lock);
    answer *more = realloc(known, (n_known + 1) * sizeof *known);
    if (more) {
        known = more;
        known[n_known++] = *a;
    }
    pthread_mutex_unlock(&lock);
}

#define TINY 0x1p-20 /* what an f32 sum of numbers around 1 is off by, about */

/* Numbers of both signs and of several sizes; the same on every machine. */
static void *noise(df_dtype dtype, size_t n, uint32_t seed, double scale) {
    void *x = df_cpu_alloc(n * df_dtype_bytes(dtype));
    for (size_t i = 0; x && i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        df_dtype_store(dtype, x, i, ((double)(seed >> 9) * 0x1p-23 - 0.5) * (i % 5 ? scale : 4 * scale));
    }
    return x;
}

/* The data of channel c is that of channel ic - 1 - c, and their weights are each other's negatives: the sums are 0 but
 * for what rounding leaves of them, which is another number for almost every order of adding. Also in bf16, where the
 * last bits of a result of full size are lost. */
static void cancel_data(char *x, size_t unit, size_t positions, size_t ic) {
    for (size_t p = 0; p < positions; p++, x += ic * unit)
        for (size_t c = 0; c < ic / 2; c++) memcpy(x + (ic - 1 - c) * unit, x + c * unit, unit);
}

/* Of products in 8 bits, whose sums are exact: what may differ is how they are scaled. */
static void *integers(size_t n, uint32_t seed) {
    unsigned char *x = df_cpu_alloc(n);
    for (size_t i = 0; x && i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (unsigned char)(seed >> 24);
    }
    return x;
}

static void cancel_weights(float *w, size_t oc, size_t ic, size_t taps) {
    for (size_t o = 0; o < oc; o++, w += ic * taps) {
        for (size_t i = 0; i < ic / 2 * taps; i++) w[(ic - 1 - i / taps) * taps + i % taps] = -w[i];
        for (size_t t = 0; ic > 1 && ic % 2 && t < taps; t++)
            w[ic / 2 * taps + t] *= (float)TINY; /* it has no partner */
    }
}

typedef struct trial {
    char *x;
    void *weights;
    float *bias;
    char *start; /* what y holds before, for sums */
    char *y, *expected; /* [rows][row], [row] */
    void *packed, *others, *scratch; /* weights for the canonical primitive, for the candidate */
    size_t x_bytes, y_bytes; /* of a row */
} trial;

static df_code trial_open(trial *t, const df_cpu_ctx *ctx, const df_prim *canonical, const df_prim *candidate,
                          df_err *err) {
    const df_product_shape *s = &canonical->shape;
    df_dtype dtype = (df_dtype)s->dtype;
    size_t rows = (size_t)candidate->rows, x_row = (size_t)(s->ih * s->iw * s->ic);
    size_t y_row = (size_t)(s->oh * s->ow * s->oc);
    size_t scratch =
        canonical->scratch_bytes > candidate->scratch_bytes ? canonical->scratch_bytes : candidate->scratch_bytes;
    t->x_bytes = x_row * df_product_x_unit(s);
    t->y_bytes = y_row * df_dtype_bytes(dtype);
    size_t oc = (size_t)s->oc, ic = (size_t)s->ic, taps = (size_t)(s->kernel * s->kernel);
    t->x = s->int8 ? integers(rows * x_row, 1) : noise(dtype, rows * x_row, 1, 1);
    t->weights = s->int8 ? integers(oc * ic * taps, 2) : noise(DF_F32, oc * ic * taps, 2, 1);
    t->bias = noise(DF_F32, oc, 3, TINY);
    t->start = noise(dtype, y_row, 4, TINY);
    t->y = df_cpu_alloc(rows * t->y_bytes);
    t->expected = df_cpu_alloc(t->y_bytes);
    t->scratch = df_cpu_alloc(scratch);
    if (!t->x || !t->weights || !t->bias || !t->start || !t->y || !t->expected || !t->scratch)
        return df_err_set(err, DF_ENOMEM, "trial of a layer");
    if (!s->int8) {
        cancel_data(t->x, df_dtype_bytes(dtype), rows * x_row / ic, ic);
        cancel_weights(t->weights, oc, ic, taps);
    }
    df_code rc = df_prim_pack(ctx, canonical, t->weights, &t->packed, err);
    return rc ? rc : df_prim_pack(ctx, candidate, t->weights, &t->others, err);
}

static void trial_close(trial *t) {
    void *all[] = { t->x, t->weights, t->bias, t->start, t->y, t->expected, t->packed, t->others, t->scratch };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* y [p->rows][row] from the rows at x. */
static df_code try_prim(const trial *t, const df_cpu_ctx *ctx, const df_prim *p, const void *packed, const char *x,
                        char *y, df_err *err) {
    df_prim_args args;
    df_code rc = df_prim_args_open(&args, ctx, p, err);
    if (rc) return rc;
    for (int64_t i = 0; i < p->rows; i++) memcpy(y + (size_t)i * t->y_bytes, t->start, t->y_bytes);
    int saved = df_cpu_enter(p->threads);
    rc = df_prim_run(p, &args, ctx->streams[0], &(df_operands) { x, packed, t->bias, y, t->scratch }, err);
    df_cpu_leave(saved);
    df_prim_args_close(&args);
    return rc;
}

static df_code compare(bool *same, trial *t, const df_cpu_ctx *ctx, const df_prim *canonical, const df_prim *candidate,
                       df_err *err) {
    df_code rc = try_prim(t, ctx, candidate, t->others, t->x, t->y, err);
    *same = true;
    for (size_t row = 0; !rc && *same && row < (size_t)candidate->rows;) {
        rc = try_prim(t, ctx, canonical, t->packed, t->x + row * t->x_bytes, t->expected, err);
        *same = !memcmp(t->y + row * t->y_bytes, t->expected, t->y_bytes);
        size_t last = (size_t)candidate->rows - 1;
        row = row < last ? last : last + 1;
    }
    return rc;
}

df_code df_invariance_check(bool *same, const df_cpu_ctx *ctx, const df_prim *canonical, const df_prim *candidate,
                            df_err *err) {
    answer a = { canonical->shape, candidate->rows, candidate->threads, false };
    a.shape.scales = NULL; /* they scale one way or the other the same */
    if (!recall(&a)) {
        trial t = { 0 };
        bool yes = false;
        df_code rc = trial_open(&t, ctx, canonical, candidate, err);
        if (!rc) rc = compare(&yes, &t, ctx, canonical, candidate, err);
        trial_close(&t);
        if (rc) return rc;
        a.same = yes;
        remember(&a);
    }
    *same = a.same;
    return DF_OK;
}
