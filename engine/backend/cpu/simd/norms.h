/* Sums of the norms, in f64 but for short stretches of bf16: a group spans millions of elements in the decoder of a
 * large picture. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_NORMS_H
#define DF_ENGINE_BACKEND_CPU_SIMD_NORMS_H

#include <math.h>

#include "engine/backend/cpu/simd/elementwise.h"

enum { HL = VL / 2, SUM_VECTORS = 4 };

INLINE vd vd_load(const double *p) {
    vd v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void vd_store(double *p, vd v) {
    memcpy(p, &v, sizeof v);
}

INLINE double vd_sum(vd v) { /* pairwise, always in the same order */
#if VL == 16
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 4, 5, 6, 7);
    v += __builtin_shufflevector(v, v, 2, 3, 2, 3, 2, 3, 2, 3);
#elif VL == 8
    v += __builtin_shufflevector(v, v, 2, 3, 2, 3);
#endif
    return v[0] + v[1];
}

#ifdef DF_SIMD_BF16

/* The square of a bf16 has 16 bits: sums of up to 256 squares of one size are exact in f32. Sums run there for EXACT
 * numbers or less, and in f64 from there on. */
enum { EXACT = 64 };

INLINE vf e_load_upto(const element *p, int64_t n) {
    return n < VL ? e_load_n(p, (int)n) : e_load(p);
}

INLINE vd half_doubles(vf v, int high) {
    vh half[2];
    memcpy(half, &v, sizeof v);
    return __builtin_convertvector(half[high], vd);
}

INLINE void add_lanes(double *to, vf v, int64_t n) {
    if (n >= VL) {
        vd_store(to, vd_load(to) + half_doubles(v, 0));
        vd_store(to + HL, vd_load(to + HL) + half_doubles(v, 1));
        return;
    }
    for (int64_t i = 0; i < n; i++) to[i] += (double)v[i];
}

/* Up to SUM_VECTORS * VL channels, down EXACT positions or less: one accumulator a channel, so the order is that of
 * the positions. */
INLINE void channel_sums_block(double *sum, double *square, const element *x, int64_t n, int64_t c, int64_t width,
                               const int vectors) {
    vf s[SUM_VECTORS] = { 0 }, q[SUM_VECTORS] = { 0 };
    for (int64_t p = 0; p < n; p++, x += c) {
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++) {
            vf v = e_load_upto(x + j * VL, width - j * VL);
            s[j] += v;
            q[j] = v_fma(v, v, q[j]);
        }
    }
    for (int j = 0; j < vectors; j++) {
        add_lanes(sum + j * VL, s[j], width - j * VL);
        add_lanes(square + j * VL, q[j], width - j * VL);
    }
}

static void channel_sums(double *sum, double *square, const void *in, int64_t n, int64_t c) {
    const element *x = in;
    enum { WIDE = SUM_VECTORS * VL };
    memset(sum, 0, (size_t)c * sizeof *sum);
    memset(square, 0, (size_t)c * sizeof *square);
    for (int64_t p = 0; p < n; p += EXACT) {
        int64_t some = n - p < EXACT ? n - p : EXACT, i = 0;
        const element *y = x + p * c;
        for (; i + WIDE <= c; i += WIDE) channel_sums_block(sum + i, square + i, y + i, some, c, WIDE, SUM_VECTORS);
        for (; i < c; i += VL) channel_sums_block(sum + i, square + i, y + i, some, c, c - i, 1);
    }
}

INLINE void line_sums(double *sum, double *square, const element *x, int64_t c) {
    vd s = { 0 }, q = { 0 };
    for (int64_t first = 0; first < c; first += EXACT * VL) {
        vf s32 = { 0 }, q32 = { 0 };
        int64_t i = first, end = c - first < EXACT * VL ? c : first + EXACT * VL;
        for (; i < end; i += VL) {
            vf v = e_load_upto(x + i, end - i);
            s32 += v;
            q32 = v_fma(v, v, q32);
        }
        s += half_doubles(s32, 0) + half_doubles(s32, 1);
        q += half_doubles(q32, 0) + half_doubles(q32, 1);
    }
    *sum = vd_sum(s);
    *square = vd_sum(q);
}

#else

/* SUM_VECTORS * HL channels at once, down all positions: one accumulator a channel, so the order is that of the
 * positions. */
INLINE void channel_sums_block(double *sum, double *square, const element *x, int64_t n, int64_t c) {
    vd s[SUM_VECTORS] = { 0 }, q[SUM_VECTORS] = { 0 };
    for (int64_t p = 0; p < n; p++, x += c) {
#pragma GCC unroll 4
        for (int j = 0; j < SUM_VECTORS; j++) {
            vd v = e_load_doubles(x + j * HL);
            s[j] += v;
            q[j] = vd_fma(v, v, q[j]);
        }
    }
    for (int j = 0; j < SUM_VECTORS; j++) {
        vd_store(sum + j * HL, s[j]);
        vd_store(square + j * HL, q[j]);
    }
}

static void channel_sums(double *sum, double *square, const void *in, int64_t n, int64_t c) {
    const element *x = in;
    int64_t i = 0;
    for (; i + SUM_VECTORS * HL <= c; i += SUM_VECTORS * HL) channel_sums_block(sum + i, square + i, x + i, n, c);
    for (; i < c; i++) {
        double s = 0, q = 0;
        for (int64_t p = 0; p < n; p++) {
            double v = (double)e_get(x[p * c + i]);
            s += v;
            q += v * v;
        }
        sum[i] = s;
        square[i] = q;
    }
}

INLINE void line_sums(double *sum, double *square, const element *x, int64_t c) {
    vd s0 = { 0 }, s1 = { 0 }, q0 = { 0 }, q1 = { 0 };
    int64_t i = 0;
    for (; i + VL <= c; i += VL) {
        vd a = e_load_doubles(x + i), b = e_load_doubles(x + i + HL);
        s0 += a;
        s1 += b;
        q0 = vd_fma(a, a, q0);
        q1 = vd_fma(b, b, q1);
    }
    double s = vd_sum(s0 + s1), q = vd_sum(q0 + q1);
    for (; i < c; i++) {
        double v = (double)e_get(x[i]);
        s += v;
        q += v * v;
    }
    *sum = s;
    *square = q;
}

#endif

INLINE vf norm_one(vf x, vf mean, vf rstd, vf gamma, vf beta, df_act act) {
    return v_act(v_fma((x - mean) * rstd, gamma, beta), act);
}

INLINE void layer_norm_line(element *y, const element *x, int64_t c, const float *gamma, const float *beta, double eps,
                            df_act act) {
    double sum, square;
    line_sums(&sum, &square, x, c);
    double m = sum / (double)c, var = square / (double)c - m * m;
    if (var < 0) var = 0; /* rounding; NaN stays */
    vf mean = v_set1((float)m), rstd = v_set1((float)(1 / sqrt(var + eps)));
    int64_t i = 0;
    for (; i + VL <= c; i += VL) {
        vf g = gamma ? v_load(gamma + i) : v_set1(1.0f), b = beta ? v_load(beta + i) : v_set1(0.0f);
        e_store(y + i, norm_one(e_load(x + i), mean, rstd, g, b, act));
    }
    int n = (int)(c - i);
    if (!n) return;
    vf g = gamma ? v_load_n(gamma + i, n) : v_set1(1.0f), b = beta ? v_load_n(beta + i, n) : v_set1(0.0f);
    e_store_n(y + i, norm_one(e_load_n(x + i, n), mean, rstd, g, b, act), n);
}

static void layer_norm(void *out, const void *in, int64_t n, int64_t c, const float *gamma, const float *beta,
                       double eps, df_act act) {
    element *y = out;
    const element *x = in;
    for (int64_t p = 0; p < n; p++) {
#define CALL(a) layer_norm_line(y + p * c, x + p * c, c, gamma, beta, eps, a)
        FOR_ACT(act, CALL)
#undef CALL
    }
}

INLINE void rms_norm_line(element *y, const element *x, int64_t c, const float *gamma, double eps) {
    double sum, square;
    line_sums(&sum, &square, x, c);
    vf by = v_set1((float)(1 / sqrt(square / (double)c + eps)));
    int64_t i = 0;
    for (; i + VL <= c; i += VL) e_store(y + i, e_load(x + i) * by * v_load(gamma + i));
    int n = (int)(c - i);
    if (n) e_store_n(y + i, e_load_n(x + i, n) * by * v_load_n(gamma + i, n), n);
}

static void rms_norm(void *out, const void *in, int64_t n, int64_t c, const float *gamma, double eps) {
    element *y = out;
    const element *x = in;
    for (int64_t p = 0; p < n; p++) rms_norm_line(y + p * c, x + p * c, c, gamma, eps);
}

#endif
