/* Kernels without a sum: epilogue, GEGLU, scale and shift, modulation, gates, and the bare functions for the tests. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_ELEMENTWISE_H
#define DF_ENGINE_BACKEND_CPU_SIMD_ELEMENTWISE_H

#include "engine/backend/cpu/simd/element.h"
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

INLINE void epilogue_line(element *y, const element *x, int64_t c, const element *add, df_act act,
                          const element *residual) {
    int64_t i = 0;
    for (; i + VL <= c; i += VL) {
        vf v = e_load(x + i);
        if (add) v += e_load(add + i);
        v = v_act(v, act);
        if (residual) v += e_load(residual + i);
        e_store(y + i, v);
    }
    int n = (int)(c - i);
    if (!n) return;
    vf v = e_load_n(x + i, n);
    if (add) v += e_load_n(add + i, n);
    v = v_act(v, act);
    if (residual) v += e_load_n(residual + i, n);
    e_store_n(y + i, v, n);
}

static void epilogue(void *out, const void *in, int64_t n, int64_t c, const void *add, df_act act,
                     const void *residual) {
    element *y = out;
    const element *x = in, *r = residual;
    if (!add) { /* one long line: no tails between positions */
        c *= n;
        n = 1;
    }
    for (int64_t p = 0; p < n; p++) {
#define CALL(a) epilogue_line(y + p * c, x + p * c, c, add, a, r ? r + p * c : NULL)
        FOR_ACT(act, CALL)
#undef CALL
    }
}

INLINE void scale_shift_line(element *y, const element *x, int64_t c, const float *scale, const float *shift,
                             df_act act) {
    int64_t i = 0;
    for (; i + VL <= c; i += VL) e_store(y + i, v_act(v_fma(e_load(x + i), v_load(scale + i), v_load(shift + i)), act));
    int n = (int)(c - i);
    if (n) e_store_n(y + i, v_act(v_fma(e_load_n(x + i, n), v_load_n(scale + i, n), v_load_n(shift + i, n)), act), n);
}

static void scale_shift(void *out, const void *in, int64_t n, int64_t c, const float *scale, const float *shift,
                        df_act act) {
    element *y = out;
    const element *x = in;
    for (int64_t p = 0; p < n; p++) {
#define CALL(a) scale_shift_line(y + p * c, x + p * c, c, scale, shift, a)
        FOR_ACT(act, CALL)
#undef CALL
    }
}

static void geglu(void *out, const void *in, int64_t n, int64_t d) {
    element *y = out;
    const element *x = in;
    for (int64_t p = 0; p < n; p++, y += d, x += 2 * d) {
        int64_t i = 0;
        for (; i + VL <= d; i += VL) e_store(y + i, e_load(x + i) * v_gelu(e_load(x + d + i)));
        int tail = (int)(d - i);
        if (tail) e_store_n(y + i, e_load_n(x + i, tail) * v_gelu(e_load_n(x + d + i, tail)), tail);
    }
}

static void modulate(void *out, const void *in, int64_t n, int64_t c, const void *shifts, const void *scales) {
    element *y = out;
    const element *x = in, *shift = shifts, *scale = scales;
    vf one = v_set1(1.0f);
    for (int64_t p = 0; p < n; p++, y += c, x += c) {
        int64_t i = 0;
        for (; i + VL <= c; i += VL) e_store(y + i, v_fma(e_load(x + i), one + e_load(scale + i), e_load(shift + i)));
        int tail = (int)(c - i);
        if (!tail) continue;
        vf by = one + e_load_n(scale + i, tail);
        e_store_n(y + i, v_fma(e_load_n(x + i, tail), by, e_load_n(shift + i, tail)), tail);
    }
}

INLINE void gate_line(element *y, const element *x, int64_t c, const element *gate, const element *residual) {
    int64_t i = 0;
    for (; i + VL <= c; i += VL) {
        vf v = e_load(x + i), g = e_load(gate + i);
        e_store(y + i, residual ? v_fma(v, g, e_load(residual + i)) : v * g);
    }
    int n = (int)(c - i);
    if (!n) return;
    vf v = e_load_n(x + i, n), g = e_load_n(gate + i, n);
    e_store_n(y + i, residual ? v_fma(v, g, e_load_n(residual + i, n)) : v * g, n);
}

static void gate(void *out, const void *in, int64_t n, int64_t c, const void *by, const void *residual) {
    element *y = out;
    const element *x = in, *r = residual;
    for (int64_t p = 0; p < n; p++)
        if (r)
            gate_line(y + p * c, x + p * c, c, by, r + p * c);
        else
            gate_line(y + p * c, x + p * c, c, by, NULL);
}

static void affine(void *out, const void *in, int64_t n, float by, float plus) {
    element *y = out;
    const element *x = in;
    vf b = v_set1(by), p = v_set1(plus);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) e_store(y + i, v_fma(e_load(x + i), b, p));
    int tail = (int)(n - i);
    if (tail) e_store_n(y + i, v_fma(e_load_n(x + i, tail), b, p), tail);
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
