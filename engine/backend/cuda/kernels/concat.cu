#include "launch.cuh"

static __global__ void concat(float *y, const float *a, int64_t ca, const float *b, int64_t cb, int64_t elements) {
    const int64_t c = ca + cb;
    for (int64_t i = first_index(); i < elements; i += index_stride()) {
        const int64_t position = i / c, channel = i % c;
        y[i] = channel < ca ? a[position * ca + channel] : b[position * cb + channel - ca];
    }
}

cudaError_t df_cuda_concat(float *y, const float *a, int64_t ca, const float *b, int64_t cb, int64_t n,
                           cudaStream_t stream) {
    const int64_t elements = n * (ca + cb);
    DF_LAUNCH(concat, blocks_for(elements), threads_per_block, stream, y, a, ca, b, cb, elements);
    return DF_LAUNCH_ERROR();
}
