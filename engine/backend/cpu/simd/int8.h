/* Activations to the codes that a product in 8 bits takes: engine/backend/int8.h, several at a time. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_INT8_H
#define DF_ENGINE_BACKEND_CPU_SIMD_INT8_H

#include "engine/backend/cpu/simd/element.h"

INLINE void codes_store(uint8_t *q, vf code, int n) { /* the first n */
#if VL == 16
    _mm_mask_storeu_epi8(q, (__mmask16)((1u << n) - 1), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32((__m512)code)));
#else
    float codes[VL];
    v_store(codes, code);
    for (int i = 0; i < n; i++) q[i] = (uint8_t)codes[i];
#endif
}

/* Limits first: they are whole numbers, so that rounding stays between them, and v_max turns NaN into the lower. */
INLINE vf code_of(vf x, vf inverse, vf zero) {
    vf low = v_set1(0.0f) - zero, high = v_set1(255.0f) - zero;
    return v_round(v_min(v_max(x * inverse, low), high)) + zero;
}

static void to_int8(uint8_t *q, const void *in, int64_t n, float step, float zero_code) {
    const element *x = in;
    vf inverse = v_set1(1 / step), zero = v_set1(zero_code);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) codes_store(q + i, code_of(e_load(x + i), inverse, zero), VL);
    int tail = (int)(n - i);
    if (tail) codes_store(q + i, code_of(e_load_n(x + i, tail), inverse, zero), tail);
}

#endif
