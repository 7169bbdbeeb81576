/* The CUDA kernels, one launcher an op, for the ops that need no library (matrix products and convolutions go to
 * cuBLASLt and cuDNN).
 *
 * All tensors are dense f32 on the device, channels-last: [rows][positions][channels]. A launcher checks nothing and
 * waits for nothing: it returns the launch's error. Reductions run in a fixed order within one block per row (no
 * atomics), so a row's bytes depend neither on the number of rows nor on the grid.
 * The same sources are compiled for the host and run there, thread by thread, by tests/engine/backend/cuda. */
#ifndef DF_ENGINE_BACKEND_CUDA_KERNELS_KERNELS_H
#define DF_ENGINE_BACKEND_CUDA_KERNELS_KERNELS_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Same numbers as df_act in engine/graph/graph.h. */
enum df_cuda_act {
    DF_CUDA_ACT_NONE,
    DF_CUDA_ACT_SILU,
    DF_CUDA_ACT_GELU,
    DF_CUDA_ACT_GELU_TANH,
    DF_CUDA_ACT_QUICK_GELU,
    DF_CUDA_ACT_RELU
};

/* y[i] = act(x[i]); y may be x. */
cudaError_t df_cuda_activation(float *y, const float *x, int64_t n, int act, cudaStream_t stream);

/* y = a + b; y may be either. */
cudaError_t df_cuda_add(float *y, const float *a, const float *b, int64_t n, cudaStream_t stream);

/* y[r][p][c] = x[r][p][c] + v[r][c]; y may be x. */
cudaError_t df_cuda_add_channel(float *y, const float *x, const float *v, int64_t rows, int64_t positions,
                                int64_t channels, cudaStream_t stream);

/* x [n][2 width] = (a, b) -> y [n][width] = a * gelu(b), exact (erf) gelu. Shazeer 2020, arXiv:2002.05202. */
cudaError_t df_cuda_geglu(float *y, const float *x, int64_t n, int64_t width, cudaStream_t stream);

/* y [n][ca + cb] = (a [n][ca], b [n][cb]). */
cudaError_t df_cuda_concat(float *y, const float *a, int64_t ca, const float *b, int64_t cb, int64_t n,
                           cudaStream_t stream);

/* x [rows][h][w][c] -> y [rows][oh][ow][c], source index min(floor(i * (float)h / oh), h - 1). */
cudaError_t df_cuda_upsample_nearest(float *y, const float *x, int64_t rows, int h, int w, int oh, int ow, int c,
                                     cudaStream_t stream);

/* y[r][t] = token[ids[r][t]] + position[t], width d. ids are within the table. */
cudaError_t df_cuda_embedding(float *y, const int32_t *ids, const float *token, const float *position, int64_t rows,
                              int tokens, int d, cudaStream_t stream);

/* y [n][dim] of t [n]; angles in f64. Ho et al. 2020, as diffusers' get_timestep_embedding. */
cudaError_t df_cuda_timestep_embedding(float *y, const double *t, int64_t n, int dim, int cos_first, double freq_shift,
                                       double max_period, double scale, cudaStream_t stream);

/* y = act(gamma[c] * (x - mean) / sqrt(var + eps) + beta[c]), statistics per row and group of channels / groups
 * channels, two passes, sums in f64; y may be x. Wu and He 2018, arXiv:1803.08494. */
cudaError_t df_cuda_group_norm(float *y, const float *x, const float *gamma, const float *beta, int64_t rows,
                               int64_t positions, int channels, int groups, double eps, int act, cudaStream_t stream);

/* The same over the last dimension of x [n][d]; y may be x. Ba et al. 2016, arXiv:1607.06450. */
cudaError_t df_cuda_layer_norm(float *y, const float *x, const float *gamma, const float *beta, int64_t n, int d,
                               double eps, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
