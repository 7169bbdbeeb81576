#include "activation.cuh"

static __global__ void activation(float *y, const float *x, int64_t n, int act) {
    for (int64_t i = first_index(); i < n; i += index_stride()) y[i] = apply_act(x[i], act);
}

cudaError_t df_cuda_activation(float *y, const float *x, int64_t n, int act, cudaStream_t stream) {
    DF_LAUNCH(activation, blocks_for(n), threads_per_block, stream, y, x, n, act);
    return DF_LAUNCH_ERROR();
}
