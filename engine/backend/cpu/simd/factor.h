/* What the products of attention multiply: floats; or, in the files compiled with AVX512-BF16, pairs of bf16, which the
 * machine multiplies and adds twice as fast, in f32. A pair lies along the index that is summed and fills a lane of 32
 * bits. Either is a `factor` of `numbers`. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_FACTOR_H
#define DF_ENGINE_BACKEND_CPU_SIMD_FACTOR_H

#include "engine/backend/cpu/simd/element.h"

#if defined(DF_SIMD_BF16) && defined(__AVX512BF16__)

enum { PER_FACTOR = 2 };
typedef uint16_t number;
typedef uint32_t factor __attribute__((may_alias)); /* written number by number */
typedef vu vfactor;

INLINE number to_number(element x) {
    return x;
}
INLINE vfactor f_set1(factor x) {
    return (vu)_mm512_set1_epi32((int)x);
}
INLINE vf f_fma(vfactor a, vfactor b, vf c) { /* both products of each lane */
    return (vf)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
}
INLINE vf f_keep(number *p, vf v) { /* stores v as numbers; returns what they are */
    vw w = (vw)_mm512_cvtneps_pbh((__m512)v);
    memcpy(p, &w, sizeof w);
    return widened(w);
}

#else

enum { PER_FACTOR = 1 };
typedef float number;
typedef float factor;
typedef vf vfactor;

INLINE number to_number(element x) {
    return e_get(x);
}
INLINE vfactor f_set1(factor x) {
    return v_set1(x);
}
INLINE vf f_fma(vfactor a, vfactor b, vf c) {
    return v_fma(a, b, c);
}
INLINE vf f_keep(number *p, vf v) {
    v_store(p, v);
    return v;
}

#endif

INLINE vfactor f_load(const factor *p) {
    vfactor v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE int64_t factors(int64_t numbers) { /* that hold so many */
    return (numbers + PER_FACTOR - 1) / PER_FACTOR;
}

#endif
