/* What activations are stored as: floats, or bf16 in the files that set DF_SIMD_BF16. Kernels compute in f32 in both:
 * loads widen, stores round to nearest even. (The instruction that does it drops subnormals: it is used where there are
 * none.) */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_ELEMENT_H
#define DF_ENGINE_BACKEND_CPU_SIMD_ELEMENT_H

#include "engine/backend/cpu/simd/vec.h"

#ifdef DF_SIMD_BF16

typedef uint16_t element;
typedef uint16_t vw __attribute__((vector_size(2 * VL))); /* one for each float of a vf ... */
typedef uint16_t vhw __attribute__((vector_size(VL))); /* ... and of a vh */
typedef uint32_t vhu __attribute__((vector_size(2 * VL)));

/* GCC 12 takes several instructions where AVX-512 has one. */
INLINE vu words_to_ints(vw w) {
#if VL == 16
    return (vu)_mm512_cvtepu16_epi32((__m256i)w);
#else
    return __builtin_convertvector(w, vu);
#endif
}
INLINE vw ints_to_words(vu i) { /* the low halves */
#if VL == 16
    return (vw)_mm512_cvtepi32_epi16((__m512i)i);
#else
    return __builtin_convertvector(i, vw);
#endif
}

INLINE vf widened(vw w) {
    return (vf)(words_to_ints(w) << 16);
}

INLINE vw narrowed(vf v) {
#ifdef __AVX512BF16__
    enum { SUBNORMAL = 0x20 };
    if (__builtin_expect(!_mm512_fpclass_ps_mask((__m512)v, SUBNORMAL), 1)) return (vw)_mm512_cvtneps_pbh((__m512)v);
#endif
    vu bits = (vu)v, nan = (vu)(v != v), rounded = bits + 0x7fff + (bits >> 16 & 1);
    return ints_to_words(((rounded & ~nan) | ((bits | 0x400000) & nan)) >> 16);
}

INLINE vf e_load(const element *p) {
    vw w;
    memcpy(&w, p, sizeof w);
    return widened(w);
}

INLINE void e_store(element *p, vf v) {
    vw w = narrowed(v);
    memcpy(p, &w, sizeof w);
}

INLINE vf e_load_n(const element *p, int n) { /* the first n lanes, 0 in the others */
#if VL == 16
    return widened((vw)_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p));
#else
    vw w = { 0 };
    for (int i = 0; i < n; i++) w[i] = p[i];
    return widened(w);
#endif
}

INLINE void e_store_n(element *p, vf v, int n) {
#if VL == 16
    _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), (__m256i)narrowed(v));
#else
    vw w = narrowed(v);
    for (int i = 0; i < n; i++) p[i] = w[i];
#endif
}

INLINE vd e_load_doubles(const element *p) { /* VL/2 of them */
    vhw w;
    memcpy(&w, p, sizeof w);
    return __builtin_convertvector((vh)(__builtin_convertvector(w, vhu) << 16), vd);
}

INLINE float e_get(element x) {
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

INLINE element e_put(float x) {
    return narrowed(v_set1(x))[0];
}

#else

typedef float element;

INLINE vf e_load(const element *p) {
    return v_load(p);
}
INLINE void e_store(element *p, vf v) {
    v_store(p, v);
}
INLINE vf e_load_n(const element *p, int n) {
    return v_load_n(p, n);
}
INLINE void e_store_n(element *p, vf v, int n) {
    v_store_n(p, v, n);
}
INLINE vd e_load_doubles(const element *p) { /* VL/2 of them */
    vh v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, vd);
}
INLINE float e_get(element x) {
    return x;
}
INLINE element e_put(float x) {
    return x;
}

#endif

#endif
