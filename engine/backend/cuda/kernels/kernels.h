/* The CUDA kernels of the graph's operations, one launcher an op, but for those that a library computes: matrix
 * products (cuBLASLt) and convolutions (cuDNN), which get df_cuda_epilogue behind them. sampling.h has what a step
 * needs around the graph.
 *
 * `type` is that of activations: F32, F16 or BF16; another one is cudaErrorInvalidValue. Arithmetic is f32 or better
 * whatever the type, and an element of a result is rounded once, when it is stored. Tensors are dense and
 * channels-last, [rows][positions][channels]; `places` are rows times positions. Vectors of weights (gamma, beta, bias)
 * and codebooks are f32, tables of embeddings are of `type`.
 *
 * A launcher checks nothing else, allocates nothing and waits for nothing: it returns the launch's error. All may be
 * captured in a CUDA graph. y may be in[0] where df_op_can_run_in_place; other operands do not overlap it.
 * Sums are taken in an order that follows from the shape of one row alone, without atomics, and products are
 * contracted into sums only where a source says so (--fmad=false): a row's bytes depend neither on the number of rows
 * nor on the grid nor on alignment. Pointers aligned to 16 bytes are read and written 16 bytes at a time where the
 * channels allow it.
 * The same sources are compiled for the host and run there, thread by thread, by tests/engine/backend/cuda. */
#ifndef DF_ENGINE_BACKEND_CUDA_KERNELS_KERNELS_H
#define DF_ENGINE_BACKEND_CUDA_KERNELS_KERNELS_H

#include <cuda_runtime_api.h>

#include "engine/graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Element by element ------------------------------------------------------------------------------------------- */

/* y[i] = act(x[i]) */
cudaError_t df_cuda_activation(df_dtype type, void *y, const void *x, int64_t n, df_act act, cudaStream_t stream);

/* y = a + b, y = a * b; y may be either operand. */
cudaError_t df_cuda_add(df_dtype type, void *y, const void *a, const void *b, int64_t n, cudaStream_t stream);
cudaError_t df_cuda_mul(df_dtype type, void *y, const void *a, const void *b, int64_t n, cudaStream_t stream);

/* y = x * by + plus, in f64. */
cudaError_t df_cuda_scale(df_dtype type, void *y, const void *x, int64_t n, double by, double plus,
                          cudaStream_t stream);

/* x [places][2 width] = (a, b) -> y [places][width] = a * gelu(b), exact (erf) gelu. Shazeer 2020, arXiv:2002.05202. */
cudaError_t df_cuda_geglu(df_dtype type, void *y, const void *x, int64_t places, int64_t width, cudaStream_t stream);

/* Between types, F32, F16 and BF16 each; round to nearest even. y may be x only where the types are one. */
cudaError_t df_cuda_convert(df_dtype to, void *y, df_dtype from, const void *x, int64_t n, cudaStream_t stream);

/* --- With vectors per row and channel ----------------------------------------------------------------------------- */

/* y[r][p][c] = x[r][p][c] + v[r][c] */
cudaError_t df_cuda_add_channel(df_dtype type, void *y, const void *x, const void *v, int64_t rows, int64_t positions,
                                int64_t channels, cudaStream_t stream);

/* y = x * (1 + scale[r][c]) + shift[r][c]. Peebles and Xie 2022, arXiv:2212.09748. */
cudaError_t df_cuda_modulate(df_dtype type, void *y, const void *x, const void *shift, const void *scale, int64_t rows,
                             int64_t positions, int64_t channels, cudaStream_t stream);

/* y = x * gate[r][c] + residual; residual may be NULL, or y. */
cudaError_t df_cuda_gate(df_dtype type, void *y, const void *x, const void *gate, const void *residual, int64_t rows,
                         int64_t positions, int64_t channels, cudaStream_t stream);

/* What a library's product has left to do, in one pass: y = act(x + bias[c] + add_channel[r][c]) + residual. */
typedef struct df_cuda_epilogue {
    const float *bias; /* [C], NULL: none */
    const void *add_channel; /* [rows][C], NULL: none */
    df_act act;
    const void *residual; /* [rows][positions][C], NULL: none; may be y */
} df_cuda_epilogue;
cudaError_t df_cuda_apply_epilogue(df_dtype type, void *y, const void *x, const df_cuda_epilogue *e, int64_t rows,
                                   int64_t positions, int64_t channels, cudaStream_t stream);

/* --- Rearrangement ------------------------------------------------------------------------------------------------ */

/* y [places][ca + cb] = (a [places][ca], b [places][cb]). concat_tokens is the same with rows for places and tokens
 * times channels for ca and cb. */
cudaError_t df_cuda_concat(df_dtype type, void *y, const void *a, int64_t ca, const void *b, int64_t cb, int64_t places,
                           cudaStream_t stream);

/* y [places][count] = x [places][width] from `first` on; slice_tokens as concat_tokens. */
cudaError_t df_cuda_slice(df_dtype type, void *y, const void *x, int64_t width, int64_t first, int64_t count,
                          int64_t places, cudaStream_t stream);

/* x [rows][h][w][c] -> y [rows][to_h][to_w][c]; df_nearest_source says which. */
cudaError_t df_cuda_upsample_nearest(df_dtype type, void *y, const void *x, int64_t rows, int64_t h, int64_t w,
                                     int64_t to_h, int64_t to_w, int64_t channels, cudaStream_t stream);

/* x [rows][h][w][c] -> y [rows][to_h][to_w][c] with zeros around it: x begins at (top, left). */
cudaError_t df_cuda_pad(df_dtype type, void *y, const void *x, int64_t rows, int64_t h, int64_t w, int64_t top,
                        int64_t left, int64_t to_h, int64_t to_w, int64_t channels, cudaStream_t stream);

/* x [rows][h * w][patch * patch * channels] -> y [rows][h * patch][w * patch][channels] */
cudaError_t df_cuda_unpatchify(df_dtype type, void *y, const void *x, int64_t rows, int64_t h, int64_t w, int64_t patch,
                               int64_t channels, cudaStream_t stream);

/* x [rows][height][width] -> y [rows][width][height]: from planes [C][H * W] to channels last, and back. */
cudaError_t df_cuda_transpose(df_dtype type, void *y, const void *x, int64_t rows, int64_t height, int64_t width,
                              cudaStream_t stream);

/* --- Tables ------------------------------------------------------------------------------------------------------- */

/* y [rows][tokens][d] = token[ids[r][t]] + position[t]; position may be NULL. An id outside 0..vocab-1 reads nothing
 * and gives NaN. class_embedding: one token, no positions. */
cudaError_t df_cuda_embedding(df_dtype type, void *y, const int32_t *ids, const void *token, const void *position,
                              int64_t rows, int64_t tokens, int64_t d, int64_t vocab, cudaStream_t stream);

/* Where an id of ids [n] is outside 0..vocab-1 and fault[0] is 0: fault = { tag, the first such id }. fault [2], in
 * memory of the device; tag is not 0. */
cudaError_t df_cuda_check_ids(int32_t *fault, const int32_t *ids, int64_t n, int64_t vocab, int32_t tag,
                              cudaStream_t stream);

/* y [n][a->dim] of t [n]; angles in f64. Ho et al. 2020, as diffusers' get_timestep_embedding. */
cudaError_t df_cuda_timestep_embedding(df_dtype type, void *y, const double *t, int64_t n, const df_timestep_attr *a,
                                       cudaStream_t stream);

/* y [rows][h][w][c] = x + the centred h x w of table [grid_h][grid_w][c]; grid_h 0: table [h][w][c]. */
cudaError_t df_cuda_add_constant(df_dtype type, void *y, const void *x, const void *table, int64_t rows, int64_t h,
                                 int64_t w, int64_t channels, int64_t grid_h, int64_t grid_w, cudaStream_t stream);

/* x [places][channels] -> nearest row of codebook [vocab][channels] f32 by squared distance, in f64; the first of
 * equals. van den Oord et al. 2017, arXiv:1711.00937. */
cudaError_t df_cuda_quantize(df_dtype type, void *y, const void *x, const float *codebook, int64_t places,
                             int64_t channels, int64_t vocab, cudaStream_t stream);

/* --- Norms -------------------------------------------------------------------------------------------------------- */

/* y = act(gamma[c] * (x - mean) / sqrt(var + eps) + beta[c]), statistics per row and group of channels / groups
 * channels; gamma and beta both or neither NULL. Three launches: sums of chunks of positions, their combination in the
 * order of chunks (Chan et al. 1979), the result. scratch: 16-byte aligned. Wu and He 2018, arXiv:1803.08494. */
size_t df_cuda_group_norm_scratch_bytes(int64_t rows, int64_t positions, int64_t channels, int64_t groups);
cudaError_t df_cuda_group_norm(df_dtype type, void *y, const void *x, const float *gamma, const float *beta,
                               int64_t rows, int64_t positions, int64_t channels, int64_t groups, double eps,
                               df_act act, void *scratch, cudaStream_t stream);

/* The same over the last dimension of x [places][d], in one launch. Ba et al. 2016, arXiv:1607.06450. */
cudaError_t df_cuda_layer_norm(df_dtype type, void *y, const void *x, const float *gamma, const float *beta,
                               int64_t places, int64_t d, double eps, df_act act, cudaStream_t stream);

/* y = gamma[c] * x / sqrt(mean(x^2) + eps). Zhang and Sennrich 2019, arXiv:1910.07467. */
cudaError_t df_cuda_rms_norm(df_dtype type, void *y, const void *x, const float *gamma, int64_t places, int64_t d,
                             double eps, cudaStream_t stream);

/* --- Attention ---------------------------------------------------------------------------------------------------- */

/* out [rows][queries][heads * dv] = softmax(scale * q k^T + bias) v, head by head, scores never stored: tiles of keys
 * pass by and the softmax is kept up to date. Dao et al. 2022, arXiv:2205.14135; Dao 2023, arXiv:2307.08691.
 * F16 and BF16 with d and dv multiples of 8, d up to 512, run on tensor cores; there the weights of the softmax are
 * rounded to the type before they multiply v. Operands are then aligned to 16 bytes, else cudaErrorMisalignedAddress:
 * another kernel would give other bytes. All else runs in f32, any d and dv. */
typedef struct df_cuda_attention_args {
    const void *q, *k, *v; /* [rows][queries][heads * d], [rows][keys][heads * d], [rows][keys][heads * dv] */
    void *out; /* none of the operands */
    int64_t rows, queries, keys;
    int heads, d, dv;
    double scale; /* 0: 1 / sqrt(d) */
    bool causal; /* query t sees keys 0..t; queries == keys */
    const float *bias; /* [heads][queries + keys - 1]: of key s for query t at queries - 1 + s - t; NULL: none */
} df_cuda_attention_args;
cudaError_t df_cuda_attention(df_dtype type, const df_cuda_attention_args *a, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
