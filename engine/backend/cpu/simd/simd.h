/* The own vector kernels, compiled once per instruction set and chosen at run time.
 *
 *   const df_simd *v = df_simd_best(DF_F32);      what this machine runs fastest: avx512, avx2 or plain;
 *                                                  in bf16 also avx512bf16, which multiplies it as it is
 *   v->epilogue(y, x, n, c, NULL, DF_ACT_SILU, NULL);
 *
 * One source (kernels.h and the headers it includes) is compiled in simd_plain.c, simd_avx2.c and simd_avx512.c, each
 * with its own flags, and again for bf16 in the files of that name. Pointers to void are to activations, of the table's
 * dtype; all arithmetic is in f32 or wider, and what is stored is rounded once. An element's value never depends on the
 * vector lane or on the tail it falls into: tails go through the same vector code as the bulk, and multiply-adds are
 * fused where the code says so and nowhere else. A machine therefore always computes the same bytes; machines of
 * different instruction sets may differ by rounding. Kernels allocate nothing and work on one thread: callers split
 * rows and positions. */
#ifndef DF_ENGINE_BACKEND_CPU_SIMD_SIMD_H
#define DF_ENGINE_BACKEND_CPU_SIMD_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/graph/graph.h"

enum {
    DF_ATTN_BIAS_PAD = 16,
    DF_CODE_BLOCK = 16, /* codes of a codebook side by side */
};

/* One row and head of an attention, keys and values packed by attention_pack. */
typedef struct df_attn_head {
    const void *q; /* [T][..], this head's slice starts here */
    const float *k, *v; /* packed */
    void *out; /* [T][..], this head's slice */
    int64_t q_stride, out_stride; /* elements from token to token */
    int64_t n_keys, d, dv;
    float scale;
    const float *bias; /* bias[t - s] is added to the product of key s and query t, before the scale; readable for
                        * DF_ATTN_BIAS_PAD more queries than there are. NULL: none */
    bool causal;
    float *work; /* attention_work_floats(d, dv) of this thread, 64-byte aligned */
} df_attn_head;

/* Where a tile's results of a Winograd convolution go (winograd.h). */
typedef struct df_winograd_tile {
    const float *sums; /* [channels] of the tile's first point; the other points' are `plane` floats apart */
    int64_t plane;
    void *y; /* the tile's first pixel */
    const void *residual; /* as y, or NULL */
    int64_t line, pixel; /* elements of y from line to line, from pixel to pixel */
    int lines, columns; /* of the tile that are in the picture */
    int64_t c;
    const float *bias; /* [c], readable up to a whole vector */
    const void *add_channel; /* [c], or NULL */
} df_winograd_tile;

typedef struct df_simd {
    const char *name; /* "plain" | "avx2" | "avx512" | "avx512bf16" */
    df_dtype dtype; /* of activations: F32 or BF16 */
    int lanes;

    /* y = act(x + add_channel) + residual over [n][c]; add_channel [c] and residual [n][c] may be NULL; y may be x or
     * residual. */
    void (*epilogue)(void *y, const void *x, int64_t n, int64_t c, const void *add_channel, df_act act,
                     const void *residual);

    /* y [n][d] = a * gelu(b) of x [n][2d] = (a, b). */
    void (*geglu)(void *y, const void *x, int64_t n, int64_t d);

    /* sum[c], square[c] = sums of x and x^2 over n positions of [n][c], in f64. */
    void (*channel_sums)(double *sum, double *square, const void *x, int64_t n, int64_t c);

    /* y = act(x * scale[c] + shift[c]) over [n][c]; y may be x. */
    void (*scale_shift)(void *y, const void *x, int64_t n, int64_t c, const float *scale, const float *shift,
                        df_act act);

    /* y = act(gamma * (x - mean) / sqrt(var + eps) + beta) per position, sums in f64; gamma and beta may be NULL.
     * y may be x. */
    void (*layer_norm)(void *y, const void *x, int64_t n, int64_t c, const float *gamma, const float *beta, double eps,
                       df_act act);

    /* y = gamma * x / sqrt(mean(x^2) + eps) per position, sums in f64; y may be x. */
    void (*rms_norm)(void *y, const void *x, int64_t n, int64_t c, const float *gamma, double eps);

    /* y = x * (1 + scale[c]) + shift[c] over [n][c]; y may be x. */
    void (*modulate)(void *y, const void *x, int64_t n, int64_t c, const void *shift, const void *scale);

    /* y = x * gate[c] + residual over [n][c]; residual may be NULL; y may be x or residual. */
    void (*gate)(void *y, const void *x, int64_t n, int64_t c, const void *gate, const void *residual);

    /* y = x * by + plus; y may be x. */
    void (*affine)(void *y, const void *x, int64_t n, float by, float plus);

    /* q [n] = clamp(round(x / step) + zero, 0, 255); NaN gives 0. */
    void (*to_int8)(uint8_t *q, const void *x, int64_t n, float step, float zero);

    /* y [n][c] = the nearest code to each position of x by squared distance in f64, the first of equals. codes: blocks
     * of DF_CODE_BLOCK codes, [c][DF_CODE_BLOCK] each. */
    void (*nearest_code)(void *y, const void *x, int64_t n, int64_t c, const float *codes, int64_t blocks);

    int attention_queries; /* of one task at most, a multiple of lanes */
    /* Of one head's packed keys and values, in units of 4 bytes, a multiple of 16. */
    int64_t (*attention_key_floats)(int64_t n_keys, int64_t d);
    int64_t (*attention_value_floats)(int64_t n_keys, int64_t dv);
    int64_t (*attention_work_floats)(int64_t d, int64_t dv);
    /* k [S][k_stride] -> pk, v [S][v_stride] -> pv: one head's slices, in the order the inner loops read them. */
    void (*attention_pack)(float *pk, float *pv, const void *k, int64_t k_stride, const void *v, int64_t v_stride,
                           int64_t n_keys, int64_t d, int64_t dv);
    /* Queries [t0, t1) of one head, t1 - t0 <= attention_queries. */
    void (*attention)(const df_attn_head *h, int64_t t0, int64_t t1);

    /* Winograd convolution by tiles of m x m, m 2 or 4; layouts are in winograd.h. winograd_group: tiles that the
     * product takes at once; 0: there is no product that is worth it, and the rest is not there either. */
    int winograd_group;
    /* V of one tile, its points `plane` and its chunks of channels `chunk` elements apart, from its (m + 2)^2 pixels.
     */
    void (*winograd_input)(void *v, int64_t plane, int64_t chunk, const void *const *pixel, int64_t c, int m);
    /* sums [n][2 * lanes], n <= winograd_group, tiles `stride` apart: V of the group times one panel of U. */
    void (*winograd_product)(float *sums, int64_t stride, const void *v, const void *u, int64_t chunks, int n);
    /* y = act(A^T sums A + bias + add_channel) + residual; y may be residual. */
    void (*winograd_output)(const df_winograd_tile *t, df_act act, int m);

    /* Element-wise y[i] = f(x[i]) in f32, for the tests of accuracy. */
    void (*exp)(float *y, const float *x, int64_t n);
    void (*erf)(float *y, const float *x, int64_t n);
} df_simd;

/* dtype: of activations, F32 or BF16. */
const df_simd *df_simd_best(df_dtype dtype);
/* By name; NULL if unknown, not built, or not runnable on this machine. */
const df_simd *df_simd_find(const char *name, df_dtype dtype);

#endif
