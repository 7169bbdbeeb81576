/* Kernels without a sum: epilogue, GEGLU, scale and shift, modulation, gates, and the bare functions for the tests. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_ELEMENTWISE_H
#define DF_ENGINE_BACKEND_CPU_SIMD_ELEMENTWISE_H

#include "engine/backend/cpu/simd/vec_math.h"

/* The activation is known where a body is expanded, so that inner loops carry no switch. */
#define FOR_ACT(act, call)                                                                                             \
    switch (act) {                                                                                                     \
    case DF_ACT_NONE: call(DF_ACT_NONE); break;                                                                        \
    case DF_ACT_SILU: call(DF_ACT_SILU); break;                                                                        \
    case DF_ACT_GELU: call(DF_ACT_GELU); break;                                                                        \
    case DF_ACT_GELU_TANH: call(DF_ACT_GELU_TANH); break;                                                              \
    case DF_ACT_QUICK_GELU: call(DF_ACT_QUICK_GELU); break;                                                            \
    case DF_ACT_RELU: call(DF_ACT_RELU); break;                                                                        \
    }

INLINE void epilogue_line(float *y, const float *x, int64_t c, const float *add, df_act act, const float *residual) {
    int64_t i = 0;
    for (; i + VL <= c; i += VL) {
        vf v = v_load(x + i);
        if (add) v += v_load(add + i);
        v = v_act(v, act);
        if (residual) v += v_load(residual + i);
        v_store(y + i, v);
    }
    int n = (int)(c - i);
    if (!n) return;
    vf v = v_load_n(x + i, n);
    if (add) v += v_load_n(add + i, n);
    v = v_act(v, act);
    if (residual) v += v_load_n(residual + i, n);
    v_store_n(y + i, v, n);
}

static void epilogue(float *y, const float *x, int64_t n, int64_t c, const float *add, df_act act,
                     const float *residual) {
    if (!add) { /* one long line: no tails between positions */
        c *= n;
        n = 1;
    }
    for (int64_t p = 0; p < n; p++) {
        const float *r = residual ? residual + p * c : NULL;
#define CALL(a) epilogue_line(y + p * c, x + p * c, c, add, a, r)
        FOR_ACT(act, CALL)
#undef CALL
    }
}

INLINE void scale_shift_line(float *y, const float *x, int64_t c, const float *scale, const float *shift, df_act act) {
    int64_t i = 0;
    for (; i + VL <= c; i += VL) v_store(y + i, v_act(v_fma(v_load(x + i), v_load(scale + i), v_load(shift + i)), act));
    int n = (int)(c - i);
    if (n) v_store_n(y + i, v_act(v_fma(v_load_n(x + i, n), v_load_n(scale + i, n), v_load_n(shift + i, n)), act), n);
}

static void scale_shift(float *y, const float *x, int64_t n, int64_t c, const float *scale, const float *shift,
                        df_act act) {
    for (int64_t p = 0; p < n; p++) {
#define CALL(a) scale_shift_line(y + p * c, x + p * c, c, scale, shift, a)
        FOR_ACT(act, CALL)
#undef CALL
    }
}

static void geglu(float *y, const float *x, int64_t n, int64_t d) {
    for (int64_t p = 0; p < n; p++, y += d, x += 2 * d) {
        int64_t i = 0;
        for (; i + VL <= d; i += VL) v_store(y + i, v_load(x + i) * v_gelu(v_load(x + d + i)));
        int tail = (int)(d - i);
        if (tail) v_store_n(y + i, v_load_n(x + i, tail) * v_gelu(v_load_n(x + d + i, tail)), tail);
    }
}

static void modulate(float *y, const float *x, int64_t n, int64_t c, const float *shift, const float *scale) {
    vf one = v_set1(1.0f);
    for (int64_t p = 0; p < n; p++, y += c, x += c) {
        int64_t i = 0;
        for (; i + VL <= c; i += VL) v_store(y + i, v_fma(v_load(x + i), one + v_load(scale + i), v_load(shift + i)));
        int tail = (int)(c - i);
        if (!tail) continue;
        vf by = one + v_load_n(scale + i, tail);
        v_store_n(y + i, v_fma(v_load_n(x + i, tail), by, v_load_n(shift + i, tail)), tail);
    }
}

INLINE void gate_line(float *y, const float *x, int64_t c, const float *gate, const float *residual) {
    int64_t i = 0;
    for (; i + VL <= c; i += VL) {
        vf v = v_load(x + i), g = v_load(gate + i);
        v_store(y + i, residual ? v_fma(v, g, v_load(residual + i)) : v * g);
    }
    int n = (int)(c - i);
    if (!n) return;
    vf v = v_load_n(x + i, n), g = v_load_n(gate + i, n);
    v_store_n(y + i, residual ? v_fma(v, g, v_load_n(residual + i, n)) : v * g, n);
}

static void gate(float *y, const float *x, int64_t n, int64_t c, const float *by, const float *residual) {
    for (int64_t p = 0; p < n; p++)
        if (residual)
            gate_line(y + p * c, x + p * c, c, by, residual + p * c);
        else
            gate_line(y + p * c, x + p * c, c, by, NULL);
}

static void affine(float *y, const float *x, int64_t n, float by, float plus) {
    vf b = v_set1(by), p = v_set1(plus);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) v_store(y + i, v_fma(v_load(x + i), b, p));
    int tail = (int)(n - i);
    if (tail) v_store_n(y + i, v_fma(v_load_n(x + i, tail), b, p), tail);
}

#define MAP(name, fn)                                                                                                  \
    static void name(float *y, const float *x, int64_t n) {                                                            \
        int64_t i = 0;                                                                                                 \
        for (; i + VL <= n; i += VL) v_store(y + i, fn(v_load(x + i)));                                                \
        if (i < n) v_store_n(y + i, fn(v_load_n(x + i, (int)(n - i))), (int)(n - i));                                  \
    }
MAP(map_exp, v_exp)
MAP(map_erf, v_erf)
#undef MAP

#endif
