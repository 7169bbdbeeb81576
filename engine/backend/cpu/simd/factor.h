/* What the products of attention multiply: floats; or, in the files compiled with AVX512-BF16, pairs of bf16, which the
 * machine multiplies and adds twice as fast, in f32. A pair lies along the index that is summed and fills a lane of 32
 * bits. Either is a `factor` of `numbers`.
 *
 * Softmax's weights are factors too. As bf16 they keep 8 bits, and their exponential is cut to what shows there: a
 * relative error of 1.0e-4, a twentieth of the rounding. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_FACTOR_H
#define DF_ENGINE_BACKEND_CPU_SIMD_FACTOR_H

#include "engine/backend/cpu/simd/element.h"
#include "engine/backend/cpu/simd/vec_math.h"

#if defined(DF_SIMD_BF16) && defined(__AVX512BF16__)

enum { PER_FACTOR = 2 };
typedef uint32_t factor __attribute__((may_alias)); /* in memory that held scores before */
typedef vu vfactor;

#define F_EXP_UNIT 1.44269504f /* weights are powers of 2 */

INLINE vfactor f_set1(factor x) {
    return (vu)_mm512_set1_epi32((int)x);
}
INLINE vf f_fma(vfactor a, vfactor b, vf c) { /* both products of each lane */
    return (vf)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
}
INLINE vfactor f_one(void) {
    return (vu)_mm512_set1_epi32(0x3f803f80);
}

/* The first `left` numbers at p, at most what fits; 0 in the others. */
INLINE vfactor f_take(const element *p, int64_t left) {
    return (vu)_mm512_maskz_loadu_epi16(left < 2 * VL ? ((__mmask32)1 << left) - 1 : ~(__mmask32)0, p);
}

/* Number i of p beside number i of p + next (next 0: beside 0), for i < left. */
INLINE vfactor f_join(const element *p, int64_t next, int64_t left) {
    __mmask16 mask = (__mmask16)(left < VL ? (1u << (left < 0 ? 0 : left)) - 1 : 0xffff);
    vu a = words_to_ints((vw)_mm256_maskz_loadu_epi16(mask, p));
    return next ? a | words_to_ints((vw)_mm256_maskz_loadu_epi16(mask, p + next)) << 16 : a;
}

/* 2^x for x <= 127, as f32; -inf gives 0. */
INLINE vf f_exp(vf x) {
    vf n, r = v_split(v_max(v_set1(-127.0f), x), &n);
    vf p = v_fma(v_set1(0.05500895f), r, v_set1(0.24221101f));
    return v_raise(v_fma(v_fma(p, r, v_set1(0.69328293f)), r, v_set1(1.0f)), n);
}

/* Weights of the scores of two keys. */
INLINE vfactor f_weights(const vf *scores, int64_t next, vf by, vf minus_max) {
    vu low = (vu)f_exp(v_fma(scores[0], by, minus_max)) + 0x8000;
    vu high = (vu)f_exp(v_fma(scores[next], by, minus_max)) + 0x8000;
    return low >> 16 | (high & 0xffff0000);
}

#else

enum { PER_FACTOR = 1 };
typedef float factor;
typedef vf vfactor;

#define F_EXP_UNIT 1.0f

INLINE vfactor f_set1(factor x) {
    return v_set1(x);
}
INLINE vf f_fma(vfactor a, vfactor b, vf c) {
    return v_fma(a, b, c);
}
INLINE vfactor f_one(void) {
    return v_set1(1.0f);
}
INLINE vfactor f_take(const element *p, int64_t left) {
    return left < VL ? e_load_n(p, left < 0 ? 0 : (int)left) : e_load(p);
}
INLINE vfactor f_join(const element *p, int64_t next, int64_t left) {
    (void)next;
    return f_take(p, left);
}
INLINE vf f_exp(vf x) {
    return v_exp_low(x);
}
INLINE vfactor f_weights(const vf *scores, int64_t next, vf by, vf minus_max) {
    (void)next;
    return f_exp(v_fma(scores[0], by, minus_max));
}

#endif

INLINE vfactor f_load(const factor *p) {
    vfactor v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void f_store(factor *p, vfactor v) {
    memcpy(p, &v, sizeof v);
}

INLINE int64_t factors(int64_t numbers) { /* that hold so many */
    return (numbers + PER_FACTOR - 1) / PER_FACTOR;
}

#endif
