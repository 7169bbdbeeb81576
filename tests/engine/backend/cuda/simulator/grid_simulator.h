/* A grid simulator: runs CUDA kernel sources on the host, so that their indexing, reductions and barriers are tested on
 * machines without a GPU. A .cu file is compiled as C++ with this header's folder on the include path.
 *
 * Every CUDA thread of a block is a fiber; fibers take turns on one OS thread and switch only at barriers and warp
 * operations, and a warp runs until it waits for others. The order of warps and of a warp's lanes is DF_SIM_ORDER:
 * "forward", "reverse" or "random"; a result that changes with it shows a missing barrier. A barrier that some threads
 * reach at another line, or never, ends the program with a message. Shared memory is new for every block, of exactly
 * the size asked for, and full of NaN: what is read before it is written shows, and under ASan what lies beside.
 * Asynchronous copies are made only when they are waited for if turns are forward, at once if they are reverse, and
 * either way if they are random. Not modelled: streams, blocks at the same time, atomics, partial warp masks, textures,
 * speed. It proves logic, not the device's rounding or occupancy. */
#pragma once
#include <cuda_runtime.h>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <functional>
#include <vector>

#undef __launch_bounds__
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

struct async_copy {
    void *to;
    const void *from;
    size_t bytes, valid; /* the rest is zero */
};

struct fiber {
    void *stack_pointer;
    index3 thread;
    int lane;
    warp *own_warp;
    const barrier *waits_for;
    unsigned waits_past;
    bool done;
    std::vector<std::vector<async_copy>> groups; /* committed, oldest first */
    std::vector<async_copy> open_group;
};

extern thread_local fiber *current;
extern thread_local index3 block_index, block_dim, grid_dim;

[[noreturn]] void fail(const char *what, int a, int b);
void meet(barrier &b, int line);
barrier &block_barrier();
void run_grid(unsigned grid, unsigned block, size_t shared_bytes, const std::function<void()> &body);

/* At once without a stream; else where that stream is made (tests/engine/backend/cuda/double), if anywhere. */
cudaError_t launch(cudaStream_t stream, const std::function<void()> &kernel);
__attribute__((weak)) cudaError_t launch_on(cudaStream_t stream, const std::function<void()> &kernel);

/* The array declared at a place in the source, the same one for all threads of a block. */
void *shared_array(const char *file, int line, size_t bytes);
void *dynamic_shared();

void copy_async(const async_copy &copy);
void commit_copies();
void wait_for_copies(size_t may_be_left);

/* Called by every live lane of a warp together: the value that lane `from` brings. */
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

/* The same, of all lanes. */
template <class T> void gather(T value, T all[32]) {
    static_assert(sizeof(T) <= 16, "a lane exchanges at most 16 bytes");
    warp &w = *current->own_warp;
    unsigned char(*slot)[16] = w.slot[w.meet.generation & 1];
    memcpy(slot[current->lane], &value, sizeof value);
    meet(w.meet, 0);
    for (int lane = 0; lane < 32; lane++) memcpy(&all[lane], slot[lane], sizeof value);
}

} // namespace simulator

#define threadIdx (simulator::current->thread)
#define blockIdx (simulator::block_index)
#define blockDim (simulator::block_dim)
#define gridDim (simulator::grid_dim)
#define __syncthreads() simulator::meet(simulator::block_barrier(), __LINE__)
#define __syncwarp() simulator::meet(simulator::current->own_warp->meet, 0)

#define DF_SHARED(T, name, count) T *name = (T *)simulator::shared_array(__FILE__, __LINE__, sizeof(T) * (count))
#define DF_SHARED_DYNAMIC(T, name) T *name = (T *)simulator::dynamic_shared()

template <class T> T __shfl_xor_sync(unsigned, T value, int mask) {
    return simulator::exchange(value, simulator::current->lane ^ mask);
}
