/* GroupNorm (+ activation) and LayerNorm: one block per statistic, two passes over its elements. */
#include "activation.cuh"
#include "block_sum.cuh"

/* Element e of the block's set lies at e / run * stride + e % run: for a group of channels run = its channels and
 * stride = all channels; for a layer norm's vector run = stride. */
__device__ static void normalise(float *y, const float *x, const float *gamma, const float *beta, int64_t n, int run,
                                 int64_t stride, double eps, int act) {
    __shared__ double partial[threads_per_block / 32 + 1];
    double sum = 0.0;
    for (int64_t e = threadIdx.x; e < n; e += blockDim.x) sum += x[e / run * stride + e % run];
    const double mean = block_sum(sum, partial) / (double)n;
    double squares = 0.0;
    for (int64_t e = threadIdx.x; e < n; e += blockDim.x) {
        const double d = x[e / run * stride + e % run] - mean;
        squares += d * d;
    }
    const double inverse = 1.0 / sqrt(block_sum(squares, partial) / (double)n + eps);
    for (int64_t e = threadIdx.x; e < n; e += blockDim.x) {
        const int64_t at = e / run * stride + e % run;
        const int c = (int)(e % run);
        y[at] = apply_act((float)((x[at] - mean) * inverse) * gamma[c] + beta[c], act);
    }
}

static __global__ void __launch_bounds__(threads_per_block)
    group_norm(float *y, const float *x, const float *gamma, const float *beta, int64_t positions, int channels,
               int groups, double eps, int act) {
    const int width = channels / groups, c0 = blockIdx.x % groups * width;
    const int64_t at = blockIdx.x / groups * positions * channels + c0;
    normalise(y + at, x + at, gamma + c0, beta + c0, positions * width, width, channels, eps, act);
}

static __global__ void __launch_bounds__(threads_per_block)
    layer_norm(float *y, const float *x, const float *gamma, const float *beta, int d, double eps) {
    const int64_t at = (int64_t)blockIdx.x * d;
    normalise(y + at, x + at, gamma, beta, d, d, d, eps, DF_CUDA_ACT_NONE);
}

cudaError_t df_cuda_group_norm(float *y, const float *x, const float *gamma, const float *beta, int64_t rows,
                               int64_t positions, int channels, int groups, double eps, int act, cudaStream_t stream) {
    DF_LAUNCH(group_norm, (unsigned)(rows * groups), threads_per_block, stream, y, x, gamma, beta, positions, channels,
              groups, eps, act);
    return DF_LAUNCH_ERROR();
}

cudaError_t df_cuda_layer_norm(float *y, const float *x, const float *gamma, const float *beta, int64_t n, int d,
                               double eps, cudaStream_t stream) {
    DF_LAUNCH(layer_norm, (unsigned)n, threads_per_block, stream, y, x, gamma, beta, d, eps);
    return DF_LAUNCH_ERROR();
}
