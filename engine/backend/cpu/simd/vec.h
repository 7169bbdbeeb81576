/* vf: a vector of VL floats, and the few operations the kernels need, for the instruction set of the file that
 * includes this. Arithmetic operators are those of GCC's vector extension.
 *
 * v_min and v_max give b when a or b is NaN: with the value under test as b, NaN passes through. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_VEC_H
#define DF_ENGINE_BACKEND_CPU_SIMD_VEC_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define VL 16
#elif defined(__AVX2__)
#define VL 8
#else
#define VL 4
#endif
#if VL > 4
#include <immintrin.h>
#endif

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef uint32_t vu __attribute__((vector_size(4 * VL)));
typedef float vh __attribute__((vector_size(2 * VL))); /* half as many floats ... */
typedef double vd __attribute__((vector_size(4 * VL))); /* ... for as many doubles as fit a register */

#define INLINE static inline __attribute__((always_inline))

INLINE vf v_load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void v_store(float *p, vf v) {
    memcpy(p, &v, sizeof v);
}

INLINE vf v_lanes(void) { /* their numbers */
#if VL == 16
    return (vf) { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
#elif VL == 8
    return (vf) { 0, 1, 2, 3, 4, 5, 6, 7 };
#else
    return (vf) { 0, 1, 2, 3 };
#endif
}

#if VL == 16

INLINE vf v_set1(float x) {
    return (vf)_mm512_set1_ps(x);
}
INLINE vf v_fma(vf a, vf b, vf c) {
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
INLINE vd vd_fma(vd a, vd b, vd c) {
    return (vd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
INLINE vf v_max(vf a, vf b) {
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
}
INLINE vf v_min(vf a, vf b) {
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}
INLINE vf v_select_lt(vf a, vf b, vf lt, vf ge) { /* a < b ? lt : ge */
    return (vf)_mm512_mask_blend_ps(_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ), (__m512)ge, (__m512)lt);
}
INLINE bool v_any_lt(vf a, vf b) {
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ) != 0;
}
INLINE vf v_round(vf x) {
    return (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
INLINE vf v_scale2(vf x, vf n) { /* x * 2^n, n integral */
    return (vf)_mm512_scalef_ps((__m512)x, (__m512)n);
}
INLINE vf v_about_1_over(vf x) { /* off by 2^-14 at most where the machine has a short way, else exact */
    return (vf)_mm512_rcp14_ps((__m512)x);
}
INLINE vf v_load_n(const float *p, int n) { /* the first n lanes, 0 in the others */
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
INLINE void v_store_n(float *p, vf v, int n) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}

#else

#if VL == 8
INLINE vf v_set1(float x) {
    return (vf)_mm256_set1_ps(x);
}
INLINE vf v_fma(vf a, vf b, vf c) {
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
INLINE vd vd_fma(vd a, vd b, vd c) {
    return (vd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}
INLINE vf v_max(vf a, vf b) {
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
}
INLINE vf v_min(vf a, vf b) {
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
}
INLINE bool v_any_lt(vf a, vf b) {
    return _mm256_movemask_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_LT_OQ)) != 0;
}
INLINE vf v_round(vf x) {
    return (vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
INLINE vi v_to_int(vf x) {
    return (vi)_mm256_cvttps_epi32((__m256)x);
}
INLINE vi v_first(int n) { /* all bits in the first n lanes */
    return n > (vi) { 0, 1, 2, 3, 4, 5, 6, 7 };
}
INLINE vf v_load_n(const float *p, int n) {
    return (vf)_mm256_maskload_ps(p, (__m256i)v_first(n));
}
INLINE void v_store_n(float *p, vf v, int n) {
    _mm256_maskstore_ps(p, (__m256i)v_first(n), (__m256)v);
}
#else
INLINE vf v_set1(float x) {
    return (vf) { x, x, x, x };
}
INLINE vf v_fma(vf a, vf b, vf c) { /* not fused: the bytes of this path may differ from the others' */
    return a * b + c;
}
INLINE vd vd_fma(vd a, vd b, vd c) {
    return a * b + c;
}
INLINE vf v_bits(vi mask, vf yes, vf no) {
    return (vf)(((vi)yes & mask) | ((vi)no & ~mask));
}
INLINE vf v_max(vf a, vf b) {
    return v_bits(a > b, a, b);
}
INLINE vf v_min(vf a, vf b) {
    return v_bits(a < b, a, b);
}
INLINE bool v_any_lt(vf a, vf b) {
    vi lt = a < b;
    return lt[0] | lt[1] | lt[2] | lt[3];
}
INLINE vf v_round(vf x) { /* |x| < 2^22: adding 1.5 * 2^23 leaves no room for a fraction */
    vf magic = v_set1(12582912.0f);
    return (x + magic) - magic;
}
INLINE vi v_to_int(vf x) { /* x integral; NaN gives any value, which only ever multiplies a NaN */
    return (vi)((vu)(x + v_set1(12582912.0f)) - 0x4B400000);
}
INLINE vf v_load_n(const float *p, int n) {
    vf v = { 0 };
    for (int i = 0; i < n; i++) v[i] = p[i];
    return v;
}
INLINE void v_store_n(float *p, vf v, int n) {
    for (int i = 0; i < n; i++) p[i] = v[i];
}
#endif

INLINE vf v_about_1_over(vf x) {
    return v_set1(1.0f) / x;
}

INLINE vf v_select_lt(vf a, vf b, vf lt, vf ge) {
    vi mask = a < b;
    return (vf)(((vi)lt & mask) | ((vi)ge & ~mask));
}

/* In two steps: 2^n itself may overflow or be subnormal where x * 2^n is not, |n| <= 250. */
INLINE vf v_scale2(vf x, vf n) {
    vi all = v_to_int(n), half = all >> 1;
    return x * (vf)(((vu)half + 127) << 23) * (vf)(((vu)all - (vu)half + 127) << 23);
}
#endif

/* v with its lanes moved down by half of what is left, and so on: sums and maxima over lanes, pairwise, always in the
 * same order. */
#if VL == 16
#define FOLDS(X)                                                                                                       \
    X(8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15)                                                      \
    X(4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7)                                                                  \
    X(2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3)                                                                  \
    X(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
#elif VL == 8
#define FOLDS(X) X(4, 5, 6, 7, 4, 5, 6, 7) X(2, 3, 2, 3, 2, 3, 2, 3) X(1, 1, 1, 1, 1, 1, 1, 1)
#else
#define FOLDS(X) X(2, 3, 2, 3) X(1, 1, 1, 1)
#endif

INLINE float v_sum(vf v) {
#define FOLD(...) v += __builtin_shufflevector(v, v, __VA_ARGS__);
    FOLDS(FOLD)
#undef FOLD
    return v[0];
}

INLINE float v_max_lane(vf v) {
#define FOLD(...) v = v_max(__builtin_shufflevector(v, v, __VA_ARGS__), v);
    FOLDS(FOLD)
#undef FOLD
    return v[0];
}

#endif
