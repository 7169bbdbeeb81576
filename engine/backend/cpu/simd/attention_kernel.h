/* Attention of one head with an online softmax: scores live for a few queries and one chunk of keys at a time, in L1.
 * Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135.
 *
 * Both products run through one micro-kernel: up to QB queries times up to NV vectors, all in registers, summed in f32
 * whatever the activations are. Keys are packed in blocks of VL keys, [d][VL] each, so that scores of VL keys are one
 * vector; values are packed [S][dv] with dv padded to whole vectors. Where factors are pairs (factor.h), d of the keys
 * and S of the values are counted in pairs, the last one filled up with 0; softmax's weights are then rounded to bf16,
 * and so is what they are divided by. Every sum runs over its index in order: how queries are grouped does not show in
 * the result. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_ATTENTION_KERNEL_H
#define DF_ENGINE_BACKEND_CPU_SIMD_ATTENTION_KERNEL_H

#include <math.h>

#include "engine/backend/cpu/simd/factor.h"
#include "engine/backend/cpu/simd/simd.h"
#include "engine/backend/cpu/simd/vec_math.h"

enum {
    QB = 6,
    NV = VL == 16 ? 4 : 2, /* QB * NV accumulators, NV operands and a broadcast fit the registers */
    CHUNK = 256, /* keys per softmax step; their packed keys and values fit L2 */
    CHUNK_WIDE = 64, /* the same for heads wider than WIDE */
    WIDE = 192,
};

INLINE int64_t round_up(int64_t n, int64_t to) {
    return (n + to - 1) / to * to;
}

typedef struct operand {
    const factor *p;
    int64_t row, vector; /* factors from one k to the next, from one vector of columns to the next */
} operand;

/* c[q][j] = (add ? c : 0) + sum over k of a[q][k] * b[k][j], for nq x nv; nq and nv are constants where expanded. */
INLINE void product_tile(float *c, int64_t c_stride, const factor *a, int64_t a_stride, operand b, int64_t n_k,
                         bool add, const int nq, const int nv) {
    vf acc[QB][NV];
#pragma GCC unroll 8
    for (int i = 0; i < nq; i++)
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) acc[i][j] = add ? v_load(c + i * c_stride + j * VL) : v_set1(0.0f);
    for (int64_t k = 0; k < n_k; k++) {
        vfactor w[NV];
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) w[j] = f_load(b.p + k * b.row + j * b.vector);
#pragma GCC unroll 8
        for (int i = 0; i < nq; i++) {
            vfactor x = f_set1(a[i * a_stride + k]);
#pragma GCC unroll 8
            for (int j = 0; j < nv; j++) acc[i][j] = f_fma(x, w[j], acc[i][j]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < nq; i++)
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++) v_store(c + i * c_stride + j * VL, acc[i][j]);
}

#define TILES_OF(nv)                                                                                                   \
    static void tiles_##nv(float *c, int64_t cs, const factor *a, int64_t as, operand b, int64_t n_k, bool add,        \
                           int nq) {                                                                                   \
        switch (nq) {                                                                                                  \
        case 1: product_tile(c, cs, a, as, b, n_k, add, 1, nv); break;                                                 \
        case 2: product_tile(c, cs, a, as, b, n_k, add, 2, nv); break;                                                 \
        case 3: product_tile(c, cs, a, as, b, n_k, add, 3, nv); break;                                                 \
        case 4: product_tile(c, cs, a, as, b, n_k, add, 4, nv); break;                                                 \
        case 5: product_tile(c, cs, a, as, b, n_k, add, 5, nv); break;                                                 \
        default: product_tile(c, cs, a, as, b, n_k, add, 6, nv); break;                                                \
        }                                                                                                              \
    }
TILES_OF(1)
TILES_OF(2)
#if VL == 16
TILES_OF(3)
TILES_OF(4)
#endif
#undef TILES_OF

/* nq <= QB queries by any number of vectors. */
static void product(float *c, int64_t cs, const factor *a, int64_t as, operand b, int64_t n_k, bool add, int nq,
                    int64_t vectors) {
    for (int64_t j = 0; j < vectors; j += NV, c += NV * VL, b.p += NV * b.vector) {
        switch (vectors - j) {
        case 1: tiles_1(c, cs, a, as, b, n_k, add, nq); break;
#if VL == 16
        case 2: tiles_2(c, cs, a, as, b, n_k, add, nq); break;
        case 3: tiles_3(c, cs, a, as, b, n_k, add, nq); break;
        default: tiles_4(c, cs, a, as, b, n_k, add, nq); break;
#else
        default: tiles_2(c, cs, a, as, b, n_k, add, nq); break;
#endif
        }
    }
}

static int64_t attention_packed_floats(int64_t n_keys, int64_t width) {
    return round_up(round_up(n_keys, VL) * round_up(width, VL) / PER_FACTOR, 16);
}

/* Scores of a group, its sums and maxima, the running results of all queries, then the queries. */
static int64_t attention_work_floats(int64_t d, int64_t dv) {
    return QB * CHUNK + 2 * DF_ATTN_QUERIES + DF_ATTN_QUERIES * (round_up(dv, VL) + factors(d));
}

/* n numbers, `stride` places apart. */
INLINE void put_numbers(number *y, int64_t stride, const element *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i * stride] = to_number(x[i]);
}

static void pack_keys(number *y, const element *k, int64_t stride, int64_t n_keys, int64_t d) {
    int64_t block = factors(d) * VL * PER_FACTOR;
    for (int64_t s0 = 0; s0 < n_keys; s0 += VL, y += block) {
        int64_t n = n_keys - s0 < VL ? n_keys - s0 : VL;
        if (n < VL || d % PER_FACTOR) memset(y, 0, (size_t)block * sizeof *y);
        for (int64_t s = 0; s < n; s++)
            for (int64_t i = 0; i < d; i++)
                y[(i / PER_FACTOR * VL + s) * PER_FACTOR + i % PER_FACTOR] = to_number(k[(s0 + s) * stride + i]);
    }
}

static void pack_values(number *y, const element *v, int64_t stride, int64_t n_keys, int64_t dv) {
    int64_t line = round_up(dv, VL) * PER_FACTOR;
    for (int64_t s = 0; s < n_keys; s += PER_FACTOR, y += line) {
        if (dv % VL || s + PER_FACTOR > n_keys) memset(y, 0, (size_t)line * sizeof *y);
        for (int64_t k = 0; k < PER_FACTOR && s + k < n_keys; k++)
            put_numbers(y + k, PER_FACTOR, v + (s + k) * stride, dv);
    }
}

static void attention_pack(float *pk, float *pv, const void *k, int64_t k_stride, const void *v, int64_t v_stride,
                           int64_t n_keys, int64_t d, int64_t dv) {
    pack_keys((number *)pk, k, k_stride, n_keys, d);
    pack_values((number *)pv, v, v_stride, n_keys, dv);
}

/* Scores of nq queries from t on with n keys from s0 on: the bias of a query is that of the one before it, moved on by
 * one key. Beyond the last key the padding is read, and masked later. */
INLINE void add_bias(float *scores, const float *bias, int64_t t, int nq, int64_t s0, int64_t n) {
    for (int i = 0; i < nq; i++) {
        float *s = scores + i * CHUNK;
        const float *b = bias + s0 - (t + i);
        for (int64_t j = 0; j < n; j += VL) v_store(s + j, v_load(s + j) + v_load(b + j));
    }
}

typedef struct running { /* of one query */
    float *max, *sum, *out; /* out [vectors * VL] */
} running;

/* Scores s[n] of one query -> weights exp(scale * s - max) as numbers in their place (a number is no longer than a
 * score), zero beyond `seen` up to the end of the last vector; the running result is scaled to the new maximum. */
INLINE void softmax_step(float *s, int64_t seen, int64_t n, float scale, running r, int64_t vectors, bool first) {
    int64_t padded = round_up(n, VL);
    for (int64_t i = seen; i < padded; i++) s[i] = -INFINITY;
    vf top = v_set1(-INFINITY);
    for (int64_t i = 0; i < padded; i += VL) top = v_max(v_load(s + i), top);
    float peak = v_max_lane(top) * scale, max = first || peak > *r.max ? peak : *r.max;
    vf sum = { 0 }, by = v_set1(scale), m = v_set1(-max);
    for (int64_t i = 0; i < padded; i += VL) sum += f_keep((number *)s + i, v_exp_low(v_fma(v_load(s + i), by, m)));
    float total = v_sum(sum);
    if (!first) {
        vf shrink = v_exp_low(v_set1(*r.max - max));
        total += *r.sum * shrink[0];
        for (int64_t j = 0; j < vectors; j++) v_store(r.out + j * VL, v_load(r.out + j * VL) * shrink);
    }
    *r.max = max;
    *r.sum = total;
}

/* Queries [t, t + nq), in q, against keys [s0, s0 + n). */
static void attention_group(const df_attn_head *h, const factor *q, int64_t t, int nq, int64_t s0, int64_t n,
                            float *scores, running r) {
    int64_t vectors = round_up(h->dv, VL) / VL, width = vectors * VL, d = factors(h->d);
    bool first = s0 == 0;
    operand keys = { (const factor *)h->k + s0 * d, VL, d * VL };
    product(scores, CHUNK, q, d, keys, d, false, nq, round_up(n, VL) / VL);
    if (h->bias) add_bias(scores, h->bias, t, nq, s0, n);
    for (int i = 0; i < nq; i++) {
        int64_t seen = h->causal && t + i + 1 - s0 < n ? t + i + 1 - s0 : n;
        running one = { r.max + i, r.sum + i, r.out + i * width };
        softmax_step(scores + i * CHUNK, seen < 0 ? 0 : seen, n, h->scale, one, vectors, first);
    }
    operand values = { (const factor *)h->v + s0 / PER_FACTOR * width, width, VL };
    product(r.out, width, (const factor *)scores, CHUNK, values, factors(n), !first, nq, vectors);
}

static void attention_finish(const df_attn_head *h, int64_t t, running r) {
    element *y = (element *)h->out + t * h->out_stride;
    vf by = v_set1(*r.sum);
    int64_t i = 0;
    for (; i + VL <= h->dv; i += VL) e_store(y + i, v_load(r.out + i) / by);
    if (i < h->dv) e_store_n(y + i, v_load(r.out + i) / by, (int)(h->dv - i));
}

/* Rows of factors(d); what fills up the last pair is 0. */
static void take_queries(factor *y, const df_attn_head *h, int64_t t0, int64_t t1) {
    int64_t d = factors(h->d);
    for (int64_t t = t0; t < t1; t++, y += d) {
        y[d - 1] = 0;
        put_numbers((number *)y, 1, (const element *)h->q + t * h->q_stride, h->d);
    }
}

static void attention(const df_attn_head *h, int64_t t0, int64_t t1) {
    int64_t chunk = h->d > WIDE || h->dv > WIDE ? CHUNK_WIDE : CHUNK, width = round_up(h->dv, VL);
    float *scores = h->work, *max = scores + QB * CHUNK, *sum = max + DF_ATTN_QUERIES, *out = sum + DF_ATTN_QUERIES;
    factor *queries = (factor *)(out + DF_ATTN_QUERIES * width);
    take_queries(queries, h, t0, t1);
    for (int64_t s0 = 0; s0 < h->n_keys; s0 += chunk) {
        int64_t n = h->n_keys - s0 < chunk ? h->n_keys - s0 : chunk;
        for (int64_t t = t0; t < t1; t += QB) {
            int nq = t1 - t < QB ? (int)(t1 - t) : QB;
            int64_t seen = h->causal && t + nq - s0 < n ? t + nq - s0 : n; /* by the last query of the group */
            int64_t i = t - t0;
            running r = { max + i, sum + i, out + i * width };
            if (seen > 0) attention_group(h, queries + i * factors(h->d), t, nq, s0, seen, scores, r);
        }
    }
    for (int64_t t = t0; t < t1; t++) {
        int64_t i = t - t0;
        attention_finish(h, t, (running) { max + i, sum + i, out + i * width });
    }
}

#endif
