/* Sums of the norms, in f64: a group spans millions of elements in the decoder of a large picture. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_NORMS_H
#define DF_ENGINE_BACKEND_CPU_SIMD_NORMS_H

#include <math.h>

#include "engine/backend/cpu/simd/elementwise.h"

enum { HL = VL / 2, SUM_VECTORS = 4 };

INLINE void vd_store(double *p, vd v) {
    memcpy(p, &v, sizeof v);
}

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

INLINE double vd_sum(vd v) {
    double s[HL], sum = 0;
    vd_store(s, v);
    for (int i = 0; i < HL; i++) sum += s[i];
    return sum;
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
