/* 3x3 convolutions of stride 1 by Winograd's algorithm: tiles of m x m results from (m + 2)^2 products a channel in
 * place of 9 m^2, that is 2.25 times fewer for m = 2 and 4 times fewer for m = 4.
 *
 *   Y = A^T [ sum over channels of (G g G^T) * (B^T d B) ] A          * is element by element; each element is a
 * "point"
 *
 * Weights are transformed in f64 and packed when the node is opened (U). A run takes blocks of tiles, whatever rows
 * they are of: all threads transform the block's input (V), then multiply and transform back, in tasks of some tiles
 * and some output channels with their sums in the cache of the thread. Bias, channel vector, activation and residual
 * are applied as results leave the registers, which are rounded once. A convolution behind a doubled picture reads the
 * picture itself, pixel by pixel.
 *
 *   V  [point][chunk of VL channels][tile][VL], in groups of as many tiles as the product takes at once
 *   U  [point][panel of 2 VL output channels][channel][2 VL]; in bf16 of pairs of channels: [channel / 2][2 VL][2]
 *
 * Every element of V, sum and result is computed by the same operations in the same order in whatever block, task or
 * group its tile is: the promise of backend.h holds by construction. Which m a node takes, if any, is a rule of its
 * shape, the type, the vector kernels and --fast-conv (winograd_rule.c), never of a timing.
 * Source: Lavin and Gray 2015, arXiv:1509.09308; choice of points: Barabasz et al. 2018, arXiv:1803.10986. */
#ifndef DF_ENGINE_BACKEND_CPU_WINOGRAD_H
#define DF_ENGINE_BACKEND_CPU_WINOGRAD_H

#include "engine/backend/cpu/kernel.h"

/* A conv2d or upsample_conv2d node, as one 3x3 convolution of a picture `zoom` times as large as what is read. */
typedef struct df_winograd_layer {
    int64_t ih, iw, ic, oh, ow, oc; /* ih, iw: of the larger picture */
    int64_t top, left; /* padding */
    int64_t zoom; /* 1 or 2 */
} df_winograd_layer;

df_winograd_layer df_winograd_layer_of(const df_kernel *k);

/* 2 or 4; 0: the node is no such convolution, or does better without. */
int df_winograd_m(const df_kernel *k);

/* For a node with df_winograd_m: opens it, and makes the op in k that of this algorithm. */
df_code df_winograd_open(df_kernel *k, const float *const *weights, df_err *err);

/* weights [oc][ic][3][3] -> U for the vector kernels of ctx; NULL when out of memory; to be freed. */
void *df_winograd_pack(const df_cpu_ctx *ctx, const float *weights, int64_t oc, int64_t ic, int m);
size_t df_winograd_weight_bytes(const df_kernel *k); /* of a node with df_winograd_m, packed */
size_t df_winograd_packed_bytes(const df_cpu_ctx *ctx, int64_t oc, int64_t ic, int m);

#endif
