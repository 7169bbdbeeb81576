#include "activation.cuh"

static __global__ void geglu(float *y, const float *x, int64_t elements, int64_t width) {
    for (int64_t i = first_index(); i < elements; i += index_stride()) {
        const float *pair = x + i / width * 2 * width + i % width;
        y[i] = pair[0] * gelu_exact(pair[width]);
    }
}

cudaError_t df_cuda_geglu(float *y, const float *x, int64_t n, int64_t width, cudaStream_t stream) {
    DF_LAUNCH(geglu, blocks_for(n * width), threads_per_block, stream, y, x, n * width, width);
    return DF_LAUNCH_ERROR();
}
