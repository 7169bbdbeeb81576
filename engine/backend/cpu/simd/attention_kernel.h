/* Attention of one head with an online softmax: scores live for a few vectors of queries and one chunk of keys at a
 * time, in L1. Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135.
 *
 * A lane is a query. Scores are [keys][queries], the result is [channels][queries] until it is done, and both products
 * run through one micro-kernel: ROWS keys (or channels), each broadcast, times up to QV vectors of queries (or of their
 * weights), all in registers, summed in f32 whatever the activations are. No lane is wasted however wide a head is, and
 * the softmax never looks across lanes. Keys are packed in blocks of VL, [d][VL] each, values in blocks of VL channels,
 * [S][VL] each: what a tile reads lies in one stream. S and dv are filled up with 0. Where factors are pairs
 * (factor.h), d of the keys and S of the values are counted in pairs; softmax's weights are then bf16, and so is what
 * they are divided by. Every sum runs over its index in order: how queries are grouped does not show in the result. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_ATTENTION_KERNEL_H
#define DF_ENGINE_BACKEND_CPU_SIMD_ATTENTION_KERNEL_H

#include <math.h>

#include "engine/backend/cpu/simd/factor.h"
#include "engine/backend/cpu/simd/simd.h"
#include "engine/backend/cpu/simd/transpose.h"

enum {
    QV = 3,
    ROWS = VL == 16 ? 8 : 4, /* ROWS * QV accumulators, QV vectors and a broadcast fit the registers */
    CHUNK = 128, /* keys per softmax step: their scores fit L1 */
};

/* What is taken off a query's scores before the exponential is the largest of its first chunk, whose weight is thus an
 * exact 1. It is raised to a larger one only when that is this much larger: weights may be 2^40 or e^40, which costs no
 * precision. (With bias or mask, where nothing is gained, it is always raised.) */
#define ROOM 40.0f

INLINE int64_t round_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}

/* sum[row][v] += a[k][row] * b[k][v] over k, for ROWS rows and nv vectors. Rows of a are VL long. nv is a constant
 * where this is expanded. */
INLINE void add_tile(vf sum[ROWS][QV], const factor *a, const factor *b, int64_t n_k, const int nv) {
    for (int64_t k = 0; k < n_k; k++) {
        vfactor w[QV];
#pragma GCC unroll 3
        for (int v = 0; v < nv; v++) w[v] = f_load(b + (k * nv + v) * VL);
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; i++) {
            vfactor x = f_set1(a[k * VL + i]);
#pragma GCC unroll 3
            for (int v = 0; v < nv; v++) sum[i][v] = f_fma(x, w[v], sum[i][v]);
        }
    }
}

#define FOR_TILE(nv, body)                                                                                             \
    _Pragma("GCC unroll 8") for (int i = 0; i < ROWS; i++) _Pragma("GCC unroll 3") for (int v = 0; v < (nv); v++) {    \
        body;                                                                                                          \
    }

/* Packing */

static int64_t attention_key_floats(int64_t n_keys, int64_t d) {
    return round_up(round_up(n_keys, VL) * factors(d), 16);
}

static int64_t attention_value_floats(int64_t n_keys, int64_t dv) {
    return round_up(factors(round_up(n_keys, VL)) * round_up(dv, VL), 16);
}

/* Factors [i, i + VL) of up to VL rows of d numbers, as columns y[factor * stride]; 0 where there are no rows. */
INLINE void pack_square(factor *y, int64_t stride, const element *x, int64_t x_stride, int64_t rows, int64_t i,
                        int64_t d) {
    vf square[VL];
    int64_t count = factors(d) - i;
    for (int64_t j = 0; j < VL; j++)
        square[j] = j < rows ? (vf)f_take(x + j * x_stride + i * PER_FACTOR, d - i * PER_FACTOR) : v_set1(0.0f);
    v_transpose(square);
    for (int64_t k = 0; k < VL && k < count; k++) f_store(y + (i + k) * stride, (vfactor)square[k]);
}

static void pack_keys(factor *y, const element *k, int64_t stride, int64_t n_keys, int64_t d) {
    for (int64_t s = 0; s < n_keys; s += VL, y += factors(d) * VL)
        for (int64_t i = 0; i < factors(d); i += VL) pack_square(y, VL, k + s * stride, stride, n_keys - s, i, d);
}

static void pack_values(factor *y, const element *v, int64_t stride, int64_t n_keys, int64_t dv) {
    int64_t lines = factors(round_up(n_keys, VL));
    for (int64_t i = 0; i < dv; i += VL)
        for (int64_t line = 0; line < lines; line++, y += VL) {
            int64_t s = line * PER_FACTOR, left = n_keys - s;
            f_store(y, left > 0 ? f_join(v + s * stride + i, left > 1 ? stride : 0, dv - i) : (vfactor) { 0 });
        }
}

static void attention_pack(float *pk, float *pv, const void *k, int64_t k_stride, const void *v, int64_t v_stride,
                           int64_t n_keys, int64_t d, int64_t dv) {
    pack_keys((factor *)pk, k, k_stride, n_keys, d);
    pack_values((factor *)pv, v, v_stride, n_keys, dv);
}

/* One task: nv vectors of queries from t0 on */

typedef struct task {
    const df_attn_head *h;
    int64_t t0, t1;
    factor *q; /* [factors(d)][nv][VL] */
    float *scores; /* [CHUNK][nv][VL]; then weights [factors(CHUNK)][nv][VL] */
    float *out; /* [dv][nv][VL], dv filled up to whole vectors */
    vf max[QV], sum[QV], shrink[QV]; /* of each query */
} task;

static int64_t attention_work_floats(int64_t d, int64_t dv) {
    return QV * VL * (CHUNK + factors(d) + round_up(dv, VL));
}

INLINE void take_queries(task *a, const int nv) {
    const df_attn_head *h = a->h;
    for (int v = 0; v < nv; v++) {
        int64_t t = a->t0 + v * VL;
        for (int64_t i = 0; i < factors(h->d); i += VL)
            pack_square(a->q + v * VL, nv * VL, (const element *)h->q + t * h->q_stride, h->q_stride, a->t1 - t, i,
                        h->d);
    }
}

/* The bias of a key is that of the key before it, moved on by one query. */
INLINE void add_bias(task *a, int64_t s0, int64_t n, const int nv) {
    for (int64_t s = 0; s < n; s++) {
        float *y = a->scores + s * nv * VL;
        const float *b = a->h->bias + a->t0 - (s0 + s);
        for (int v = 0; v < nv; v++) v_store(y + v * VL, v_load(y + v * VL) + v_load(b + v * VL));
    }
}

/* Keys from s0 + n on fill up the last tile: no query sees them. With causal no query sees a key behind itself. */
INLINE void mask_scores(task *a, int64_t s0, int64_t n, const int nv) {
    for (int64_t s = 0; s < round_up(n, ROWS); s++) {
        float *y = a->scores + s * nv * VL;
        int64_t ahead = s < n ? a->h->causal ? s0 + s - a->t0 : 0 : INT32_MAX; /* of the task's first query */
        for (int v = 0; v < nv && ahead > v * VL; v++) {
            vf query = v_lanes() + v_set1((float)(v * VL));
            v_store(y + v * VL, v_select_lt(query, v_set1((float)ahead), v_set1(-INFINITY), v_load(y + v * VL)));
        }
    }
}

/* Weights of a tile of scores; what they add up to goes to sum. */
INLINE void weigh_tile(task *a, factor *weights, vf scores[ROWS][QV], vf sum[QV], const int nv) {
    vf by = v_set1(a->h->scale * F_EXP_UNIT);
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i += PER_FACTOR)
#pragma GCC unroll 3
        for (int v = 0; v < nv; v++) {
            vfactor w = f_weights(&scores[i][v], QV, by, -a->max[v]);
            f_store(weights + (i / PER_FACTOR * nv + v) * VL, w);
            sum[v] = f_fma(w, f_one(), sum[v]);
        }
}

INLINE void tile_top(vf top[QV], vf scores[ROWS][QV], const int nv) {
    for (int v = 0; v < nv; v++) top[v] = scores[0][v];
    FOR_TILE(nv, top[v] = v_max(scores[i][v], top[v]))
}

/* Weights of n keys straight from the registers that their scores are summed in. False if a score is so far above what
 * is taken off that it could overflow: then nothing is done but to scratch. */
INLINE bool weigh_at_once(task *a, const factor *keys, int64_t n, vf sum[QV], const int nv) {
    vf by = v_set1(a->h->scale * F_EXP_UNIT), room = v_set1(ROOM);
    int64_t d = factors(a->h->d);
    for (int64_t s = 0; s < n; s += ROWS) {
        vf scores[ROWS][QV] = { 0 }, top[QV];
        add_tile(scores, keys + s / VL * VL * d + s % VL, a->q, d, nv);
        if (n - s < ROWS) FOR_TILE(nv, if (i >= n - s) scores[i][v] = v_set1(-INFINITY))
        tile_top(top, scores, nv);
        for (int v = 0; v < nv; v++)
            if (v_any_lt(a->max[v] + room, top[v] * by)) return false;
        weigh_tile(a, (factor *)a->scores + s / PER_FACTOR * nv * VL, scores, sum, nv);
    }
    return true;
}

/* The scores of n keys, with bias and mask. */
INLINE void score(task *a, const factor *keys, int64_t s0, int64_t n, const int nv) {
    int64_t d = factors(a->h->d);
    for (int64_t s = 0; s < n; s += ROWS) {
        vf scores[ROWS][QV] = { 0 };
        add_tile(scores, keys + s / VL * VL * d + s % VL, a->q, d, nv);
        FOR_TILE(nv, v_store(a->scores + ((s + i) * nv + v) * VL, scores[i][v]))
    }
    if (a->h->bias) add_bias(a, s0, n, nv);
    if (n % ROWS || a->h->causal) mask_scores(a, s0, n, nv);
}

INLINE void load_scores(const task *a, int64_t s, vf scores[ROWS][QV],
                        const int nv) { FOR_TILE(nv, scores[i][v] = v_load(a->scores + ((s + i) * nv + v) * VL)) }

INLINE bool is_plain(const df_attn_head *h) {
    return !h->bias && !h->causal;
}

/* Weights of n scores. What is taken off is raised only where it must be, and what was summed so far is to shrink by as
 * much: a query gets the same weights here and in weigh_at_once, whatever the queries beside it need. */
INLINE void weigh_scores(task *a, int64_t n, bool first, vf sum[QV], const int nv) {
    vf by = v_set1(a->h->scale * F_EXP_UNIT), room = v_set1(is_plain(a->h) ? ROOM : 0.0f);
    vf top[QV], scores[ROWS][QV] = { 0 };
    for (int64_t s = 0; s < n; s += ROWS) {
        vf more[QV];
        load_scores(a, s, scores, nv);
        tile_top(more, scores, nv);
        for (int v = 0; v < nv; v++) top[v] = s ? v_max(more[v], top[v]) : more[v];
    }
    for (int v = 0; v < nv; v++) {
        vf most = top[v] * by, max = first ? most : v_select_lt(a->max[v] + room, most, most, a->max[v]);
        a->shrink[v] = f_exp(a->max[v] - max);
        a->max[v] = max;
    }
    for (int64_t s = 0; s < n; s += ROWS) {
        load_scores(a, s, scores, nv);
        weigh_tile(a, (factor *)a->scores + s / PER_FACTOR * nv * VL, scores, sum, nv);
    }
}

typedef enum so_far { NOTHING, KEEP, SHRINK } so_far; /* what becomes of earlier sums */

INLINE void add_values(task *a, const factor *values, int64_t n, so_far earlier, const int nv) {
    int64_t lines = factors(round_up(a->h->n_keys, VL));
    for (int64_t c = 0; c < a->h->dv; c += ROWS) {
        float *out = a->out + c * nv * VL;
        vf sum[ROWS][QV] = { 0 };
        if (earlier != NOTHING) FOR_TILE(nv, sum[i][v] = v_load(out + (i * nv + v) * VL))
        if (earlier == SHRINK) FOR_TILE(nv, sum[i][v] *= a->shrink[v])
        add_tile(sum, values + c / VL * VL * lines + c % VL, (const factor *)a->scores, factors(n), nv);
        FOR_TILE(nv, v_store(out + (i * nv + v) * VL, sum[i][v]))
    }
}

/* Keys [s0, s0 + n). */
INLINE void attention_chunk(task *a, int64_t s0, int64_t n, const int nv) {
    const df_attn_head *h = a->h;
    const factor *keys = (const factor *)h->k + s0 * factors(h->d);
    const factor *values = (const factor *)h->v + s0 / PER_FACTOR * VL;
    bool first = s0 == 0;
    vf sum[QV] = { 0 };
    so_far earlier = first ? NOTHING : KEEP;
    if (first || !is_plain(h) || !weigh_at_once(a, keys, n, sum, nv)) {
        score(a, keys, s0, n, nv);
        for (int v = 0; v < nv; v++) sum[v] = v_set1(0.0f);
        weigh_scores(a, round_up(n, ROWS), first, sum, nv);
        if (!first) earlier = SHRINK;
    }
    for (int v = 0; v < nv; v++)
        a->sum[v] = earlier == NOTHING ? sum[v]
                    : earlier == KEEP  ? a->sum[v] + sum[v]
                                       : v_fma(a->sum[v], a->shrink[v], sum[v]);
    add_values(a, values, round_up(n, ROWS), earlier, nv);
}

/* A square of the result, divided by its sums, back to rows of channels. */
INLINE void give_square(const task *a, int v, int64_t i, const int nv) {
    const df_attn_head *h = a->h;
    vf x[VL], by = v_set1(1.0f) / a->sum[v];
    for (int j = 0; j < VL; j++) x[j] = v_load(a->out + ((i + j) * nv + v) * VL) * by;
    v_transpose(x);
    int64_t t = a->t0 + v * VL, left = h->dv - i;
    for (int j = 0; j < VL && t + j < a->t1; j++) {
        element *y = (element *)h->out + (t + j) * h->out_stride + i;
        if (left < VL)
            e_store_n(y, x[j], (int)left);
        else
            e_store(y, x[j]);
    }
}

INLINE void attention_task(const df_attn_head *h, int64_t t0, int64_t t1, const int nv) {
    task a = { .h = h, .t0 = t0, .t1 = t1, .scores = h->work };
    int64_t end = h->causal && t1 < h->n_keys ? t1 : h->n_keys;
    a.q = (factor *)(a.scores + CHUNK * nv * VL);
    a.out = (float *)(a.q + factors(h->d) * nv * VL);
    take_queries(&a, nv);
    for (int64_t s0 = 0; s0 < end; s0 += CHUNK) attention_chunk(&a, s0, end - s0 < CHUNK ? end - s0 : CHUNK, nv);
    for (int v = 0; v < nv; v++)
        for (int64_t i = 0; i < h->dv; i += VL) give_square(&a, v, i, nv);
}

static void attention(const df_attn_head *h, int64_t t0, int64_t t1) {
    switch (round_up(t1 - t0, VL) / VL) {
    case 1: attention_task(h, t0, t1, 1); break;
    case 2: attention_task(h, t0, t1, 2); break;
    default: attention_task(h, t0, t1, 3); break;
    }
}

#endif
