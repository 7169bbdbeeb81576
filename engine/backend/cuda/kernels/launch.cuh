/* How kernels are launched and indexed: DF_LAUNCH is <<<>>> on the device and a loop over fibers on the host. */
#pragma once
#ifdef __CUDACC__
#include <cuda_runtime.h>
#define DF_LAUNCH(kernel, grid, block, stream, ...) kernel<<<grid, block, 0, stream>>>(__VA_ARGS__)
#define DF_LAUNCH_ERROR() cudaGetLastError()
#else
#include "grid_simulator.h"
#define DF_LAUNCH(kernel, grid, block, stream, ...) simulator::launch(kernel, grid, block, stream, __VA_ARGS__)
#define DF_LAUNCH_ERROR() cudaSuccess
#endif

#include "kernels.h"

constexpr int threads_per_block = 256;

/* Blocks for a grid-stride loop over n elements: enough to fill any device, never over the grid limit. */
inline unsigned blocks_for(int64_t n) {
    int64_t blocks = (n + threads_per_block - 1) / threads_per_block;
    return (unsigned)(blocks < 1 ? 1 : blocks > 65535 ? 65535 : blocks);
}

__device__ inline int64_t first_index() {
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ inline int64_t index_stride() {
    return (int64_t)gridDim.x * blockDim.x;
}
