/* A grid simulator: runs CUDA kernel sources on the host, so that their indexing, reductions and barriers are tested on
 * machines without a GPU. A .cu file is compiled as C++ with this header's folder on the include path.
 *
 * Every CUDA thread of a block is a fiber; fibers take turns on one OS thread and switch only at barriers and warp
 * operations. The order of turns is DF_SIM_ORDER: "forward", "reverse" or "random"; a result that changes with it shows
 * a missing barrier. A barrier that some threads reach at
 * another line, or never, ends the program with a message.
 * Not modelled: streams, atomics between blocks, partial warp masks, textures, speed. It proves logic, not the device's
 * rounding or occupancy. */
#pragma once
#include <cuda_runtime_api.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <functional>
#include <vector>

#undef __global__
#undef __device__
#undef __shared__
#undef __launch_bounds__
#define __global__
#define __device__
#define __shared__ thread_local
#define __launch_bounds__(...)

namespace simulator {

struct index3 {
    unsigned x, y, z;
};

struct barrier {
    unsigned arrived = 0, generation = 0, members = 0;
    int line = 0;
};

struct warp {
    barrier meet;
    alignas(16) unsigned char slot[2][32][16];
};

struct fiber {
    ucontext_t context;
    index3 thread;
    int lane;
    warp *own_warp;
    const barrier *waits_for;
    unsigned waits_past;
    bool done;
};

extern thread_local fiber *current;
extern thread_local index3 block_index, block_dim, grid_dim;

void meet(barrier &b, int line);
barrier &block_barrier();
void run_grid(unsigned grid, unsigned block, const std::function<void()> &body);

template <class K, class... A> void launch(K kernel, unsigned grid, unsigned block, cudaStream_t, A... args) {
    run_grid(grid, block, [&] { kernel(args...); });
}

/* Every live lane of the warp takes part: writes its value, meets the others, reads lane `from`. */
template <class T> T exchange(T value, int from) {
    static_assert(sizeof(T) <= 16, "a lane exchanges at most 16 bytes");
    warp &w = *current->own_warp;
    unsigned char(*slot)[16] = w.slot[w.meet.generation & 1];
    memcpy(slot[current->lane], &value, sizeof value);
    meet(w.meet, 0);
    T got;
    memcpy(&got, slot[from & 31], sizeof got);
    return got;
}

} // namespace simulator

#define threadIdx (simulator::current->thread)
#define blockIdx (simulator::block_index)
#define blockDim (simulator::block_dim)
#define gridDim (simulator::grid_dim)
#define __syncthreads() simulator::meet(simulator::block_barrier(), __LINE__)

template <class T> T __shfl_xor_sync(unsigned, T value, int mask) {
    return simulator::exchange(value, simulator::current->lane ^ mask);
}
