/* Normal numbers as engine/noise/torch_cuda.c makes them, a thread for each four. */
#include "element.cuh"
#include "sampling.h"

namespace {

constexpr int64_t per_thread = 4; /* numbers of a Philox block */

struct words {
    uint32_t word[4];
};

/* engine/noise/philox.c, for the device. */
__device__ inline words philox(words c, uint64_t key) {
    uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xd2511f53u * c.word[0], b = (uint64_t)0xcd9e8d57u * c.word[2];
        c = { { (uint32_t)(b >> 32) ^ c.word[1] ^ low, (uint32_t)b, (uint32_t)(a >> 32) ^ c.word[3] ^ high,
                (uint32_t)a } };
        low += 0x9e3779b9u;
        high += 0xbb67ae85u;
    }
    return c;
}

/* cuRAND's f32 constants. */
__device__ inline void box_muller(uint32_t x, uint32_t y, float *out) {
    constexpr float step = 2.3283064e-10f, angle_step = 2.3283064e-10f * 6.2831855f;
    const float u = (float)x * step + step / 2, v = fmaf((float)y, angle_step, angle_step / 2);
    const float radius = sqrtf(-2.0f * logf(u));
    out[0] = sinf(v) * radius;
    out[1] = cosf(v) * radius;
}

int64_t blocks_of(int64_t n, uint32_t grid) {
    const int64_t blocks = (n + threads_per_block - 1) / threads_per_block;
    return blocks < (int64_t)grid ? blocks : (int64_t)grid;
}

/* Thread t of the GPU that is played takes, in each round, numbers t, t + T, t + 2 T and t + 3 T of 4 T. */
__global__ void __launch_bounds__(threads_per_block)
    normal(float *out, int64_t n, uint64_t seed, uint64_t offset, int64_t blocks) {
    const int64_t round = blockIdx.x / blocks;
    const int64_t t = blockIdx.x % blocks * threads_per_block + threadIdx.x, threads = blocks * threads_per_block;
    const int64_t first = round * threads * per_thread + t;
    if (first >= n) return;
    const uint64_t counter = offset + (uint64_t)round;
    const words bits =
        philox({ { (uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)t, (uint32_t)(t >> 32) } }, seed);
    float x[per_thread];
    box_muller(bits.word[0], bits.word[1], x);
    box_muller(bits.word[2], bits.word[3], x + 2);
    for (int k = 0; k < per_thread; k++)
        if (first + k * threads < n) out[first + k * threads] = x[k];
}

} // namespace

uint64_t df_cuda_normal_advance(int64_t n, uint32_t grid) {
    if (n < 1) return 0;
    return (uint64_t)((n - 1) / (blocks_of(n, grid) * threads_per_block * per_thread) + 1);
}

cudaError_t df_cuda_normal(float *out, int64_t n, uint64_t seed, uint64_t offset, uint32_t grid, cudaStream_t stream) {
    const int64_t blocks = blocks_of(n, grid), rounds = (int64_t)df_cuda_normal_advance(n, grid);
    return launch(normal, blocks * rounds, threads_per_block, 0, stream, out, n, seed, offset, blocks);
}
