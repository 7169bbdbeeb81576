/* The three parts of a Winograd convolution (../winograd.h) for one tile, or one group of tiles.
 *
 * Transforms are those of Toom and Cook's evaluation at points: 0, 1, -1 and infinity for tiles of 2, and
 * 0, +-1/sqrt(2), +-sqrt(2) and infinity for tiles of 4. The usual 0, +-1, +-2 cost as much and round twice as badly
 * (docs/numerics.md). A tile's channels are vectors, so that a transform is sums and products of whole vectors. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_WINOGRAD_KERNEL_H
#define DF_ENGINE_BACKEND_CPU_SIMD_WINOGRAD_KERNEL_H

#include "engine/backend/cpu/simd/elementwise.h"
#include "engine/backend/cpu/simd/simd.h"

/* Products that are worth it: f32 with fused multiply-adds, and pairs of bf16. */
#ifdef DF_SIMD_BF16
#ifdef __AVX512BF16__
#define HAS_WINOGRAD
#endif
#elif VL > 4
#define HAS_WINOGRAD
#endif

#ifdef HAS_WINOGRAD

enum {
    WINOGRAD_MAX_SIDE = 6,
    WINOGRAD_GROUP = VL == 16 ? 14 : 6, /* tiles whose sums fit the registers, with two vectors of channels each */
};

#define ROOT_2 1.41421356237309505f
#define ROOT_HALF 0.707106781186547524f

/* v = B^T d, of m + 2 numbers, `step` vectors apart; v may be d. */
INLINE void winograd_into_points(vf *v, const vf *d, int step, int m) {
    vf d0 = d[0 * step], d1 = d[1 * step], d2 = d[2 * step], d3 = d[3 * step];
    if (m == 2) {
        v[0 * step] = d0 - d2;
        v[1 * step] = d1 + d2;
        v[2 * step] = d2 - d1;
        v[3 * step] = d3 - d1;
        return;
    }
    vf d4 = d[4 * step], d5 = d[5 * step];
    vf even = v_fma(v_set1(-2.0f), d2, d4), odd = v_fma(v_set1(ROOT_HALF), d3, v_set1(-ROOT_2) * d1);
    vf even2 = v_fma(v_set1(-0.5f), d2, d4), odd2 = v_fma(v_set1(ROOT_2), d3, v_set1(-ROOT_HALF) * d1);
    v[0 * step] = v_fma(v_set1(-2.5f), d2, d0 + d4);
    v[1 * step] = even + odd;
    v[2 * step] = even - odd;
    v[3 * step] = even2 + odd2;
    v[4 * step] = even2 - odd2;
    v[5 * step] = v_fma(v_set1(-2.5f), d3, d1 + d5);
}

/* y = A^T s: m numbers of m + 2. */
INLINE void winograd_from_points(vf *y, const vf *s, int y_step, int step, int m) {
    vf sum = s[1 * step] + s[2 * step], difference = s[1 * step] - s[2 * step];
    if (m == 2) {
        y[0 * y_step] = s[0 * step] + sum;
        y[1 * y_step] = difference + s[3 * step];
        return;
    }
    vf sum2 = s[3 * step] + s[4 * step], difference2 = s[3 * step] - s[4 * step];
    y[0 * y_step] = s[0 * step] + sum + sum2;
    y[1 * y_step] = v_fma(v_set1(ROOT_HALF), difference, v_set1(ROOT_2) * difference2);
    y[2 * y_step] = v_fma(v_set1(0.5f), sum, v_set1(2.0f) * sum2);
    y[3 * y_step] = v_fma(v_set1(0.5f * ROOT_HALF), difference, v_fma(v_set1(2.0f * ROOT_2), difference2, s[5 * step]));
}

/* What the product reads of the data: rounded once; bf16 products drop subnormals, and so may this. */
INLINE void winograd_operand_store(element *v, vf x) {
#ifdef DF_SIMD_BF16
    __m256bh w = _mm512_cvtneps_pbh((__m512)x);
    memcpy(v, &w, sizeof w);
#else
    e_store(v, x);
#endif
}

INLINE void winograd_input_of(element *v, int64_t plane, int64_t chunk, const void *const *pixel, int64_t c, int m) {
    const int side = m + 2;
    vf d[WINOGRAD_MAX_SIDE * WINOGRAD_MAX_SIDE];
    for (int64_t i = 0; i < c; i += VL, v += chunk) {
        int n = c - i < VL ? (int)(c - i) : VL;
        for (int x = 0; x < side; x++) {
            for (int y = 0; y < side; y++) {
                const element *p = (const element *)pixel[y * side + x] + i;
                d[y * side + x] = n == VL ? e_load(p) : e_load_n(p, n);
            }
            winograd_into_points(d + x, d + x, side, m);
        }
        for (int y = 0; y < side; y++) {
            winograd_into_points(d + y * side, d + y * side, 1, m);
            for (int x = 0; x < side; x++) winograd_operand_store(v + (y * side + x) * plane, d[y * side + x]);
        }
    }
}

static void winograd_input(void *v, int64_t plane, int64_t chunk, const void *const *pixel, int64_t c, int m) {
    if (m == 2)
        winograd_input_of(v, plane, chunk, pixel, c, 2);
    else
        winograd_input_of(v, plane, chunk, pixel, c, 4);
}

INLINE void winograd_output_vector(const df_winograd_tile *t, int64_t i, int n, df_act act, int m) {
    const int side = m + 2;
    vf s[WINOGRAD_MAX_SIDE * 4], y[4 * 4], column[WINOGRAD_MAX_SIDE];
    for (int x = 0; x < side; x++) {
        for (int j = 0; j < side; j++) column[j] = v_load(t->sums + (j * side + x) * t->plane + i);
        winograd_from_points(s + x, column, side, 1, m);
    }
    for (int j = 0; j < m; j++) winograd_from_points(y + j * m, s + j * side, 1, 1, m);
    vf shift = v_load(t->bias + i),
       channels = t->add_channel ? e_load_n((const element *)t->add_channel + i, n) : v_set1(0);
    for (int j = 0; j < t->lines; j++)
        for (int x = 0; x < t->columns; x++) {
            int64_t at = j * t->line + x * t->pixel + i;
            vf v = y[j * m + x] + shift;
            if (t->add_channel) v += channels;
            v = v_act(v, act);
            if (t->residual) v += e_load_n((const element *)t->residual + at, n);
            e_store_n((element *)t->y + at, v, n);
        }
}

INLINE void winograd_output_of(const df_winograd_tile *t, df_act act, int m) {
    for (int64_t i = 0; i < t->c; i += VL) winograd_output_vector(t, i, t->c - i < VL ? (int)(t->c - i) : VL, act, m);
}

static void winograd_output(const df_winograd_tile *t, df_act act, int m) {
#define CALL(a) m == 2 ? winograd_output_of(t, a, 2) : winograd_output_of(t, a, 4)
    FOR_ACT(act, CALL)
#undef CALL
}

#ifdef DF_SIMD_BF16
typedef uint32_t winograd_scalar; /* of V: two channels, which share a lane in U */
INLINE vf winograd_fma(vf sum, winograd_scalar v, const float *u) {
    __m512i w;
    memcpy(&w, u, sizeof w);
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)v), (__m512bh)w);
}
#else
typedef float winograd_scalar;
INLINE vf winograd_fma(vf sum, winograd_scalar v, const float *u) {
    return v_fma(v_set1(v), v_load(u), sum);
}
#endif

/* Each sum runs over the channels in order, whatever n is. */
INLINE void winograd_product_of(float *sums, int64_t stride, const void *data, const void *weights, int64_t chunks,
                                int n) {
    enum { SCALARS = VL * sizeof(element) / sizeof(winograd_scalar) };
    const winograd_scalar *v = data;
    const float *u = weights; /* a vector of them holds VL floats or VL pairs of bf16 */
    vf acc[WINOGRAD_GROUP][2] = { 0 };
    for (int64_t chunk = 0; chunk < chunks; chunk++, v += (n - 1) * SCALARS)
#pragma GCC unroll 4
        for (int k = 0; k < SCALARS; k++, v++, u += 2 * VL)
#pragma GCC unroll 14
            for (int i = 0; i < n; i++) {
                acc[i][0] = winograd_fma(acc[i][0], v[i * SCALARS], u);
                acc[i][1] = winograd_fma(acc[i][1], v[i * SCALARS], u + VL);
            }
#pragma GCC unroll 14
    for (int i = 0; i < n; i++) {
        v_store(sums + i * stride, acc[i][0]);
        v_store(sums + i * stride + VL, acc[i][1]);
    }
}

static void winograd_product(float *sums, int64_t stride, const void *v, const void *u, int64_t chunks, int n) {
#define CASE(i)                                                                                                        \
    case i: winograd_product_of(sums, stride, v, u, chunks, i); break;
    switch (n) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
#if VL == 16
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
        CASE(13)
        CASE(14)
#endif
    }
#undef CASE
}

#undef ROOT_2
#undef ROOT_HALF

#endif

#endif
