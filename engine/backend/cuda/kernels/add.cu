#include "launch.cuh"

static __global__ void add(float *y, const float *a, const float *b, int64_t n) {
    for (int64_t i = first_index(); i < n; i += index_stride()) y[i] = a[i] + b[i];
}

static __global__ void add_channel(float *y, const float *x, const float *v, int64_t n, int64_t row_elements,
                                   int64_t channels) {
    for (int64_t i = first_index(); i < n; i += index_stride())
        y[i] = x[i] + v[i / row_elements * channels + i % channels];
}

cudaError_t df_cuda_add(float *y, const float *a, const float *b, int64_t n, cudaStream_t stream) {
    DF_LAUNCH(add, blocks_for(n), threads_per_block, stream, y, a, b, n);
    return DF_LAUNCH_ERROR();
}

cudaError_t df_cuda_add_channel(float *y, const float *x, const float *v, int64_t rows, int64_t positions,
                                int64_t channels, cudaStream_t stream) {
    const int64_t row_elements = positions * channels, n = rows * row_elements;
    DF_LAUNCH(add_channel, blocks_for(n), threads_per_block, stream, y, x, v, n, row_elements, channels);
    return DF_LAUNCH_ERROR();
}
