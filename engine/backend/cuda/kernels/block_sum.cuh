/* Sum over a block in a fixed order: lanes of a warp by butterfly, then the warps' sums by one thread in turn. */
#pragma once
#include "launch.cuh"

__device__ inline double warp_sum(double v) {
    for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(0xffffffffu, v, offset);
    return v;
}

/* Every thread of the block gets the sum. `partial` is shared memory for one double a warp, plus one. */
__device__ inline double block_sum(double v, double *partial) {
    const int warp = threadIdx.x / 32, n_warps = (blockDim.x + 31) / 32;
    v = warp_sum(v);
    if (threadIdx.x % 32 == 0) partial[warp] = v;
    __syncthreads();
    if (threadIdx.x == 0) {
        double total = 0.0;
        for (int i = 0; i < n_warps; i++) total += partial[i];
        partial[n_warps] = total;
    }
    __syncthreads();
    return partial[n_warps]; /* read before the next sum's first barrier, written after it: partial may be used again */
}
