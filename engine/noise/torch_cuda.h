/* PyTorch's CUDA generator, on the CPU: torch.randn(n, generator=torch.Generator("cuda").manual_seed(seed),
 * device="cuda"), f32.
 *
 * A call launches blocks of 256 threads, as many as n needs but no more than the GPU holds at once. Thread t has
 * Philox's counter (offset, 0, t low, t high) and the seed as its key; each block of four words becomes four normal
 * numbers (Box-Muller, sine first), which land at t, t + T, t + 2 T and t + 3 T, T being the number of threads. Then
 * the counter goes up by one and t by 4 T, until n is covered. The next call begins behind the offsets of this one.
 *
 * Small n: while T >= n, that is n <= 256 * grid limit, every element is the first number of its own thread and the
 * result is the same on every GPU: up to 40,960 elements on the smallest in use (T4), 221,184 on an A100. Latents of
 * 512 x 512 (4 x 64 x 64 = 16,384) are below either, those of 1024 x 1024 with 4 channels (65,536) below most.
 * Large n: the order depends on the GPU. The grid limit is its SM count * (threads that an SM holds / 256):
 *   T4 160, RTX 2080 Ti 272, A10G 480, RTX 3090 492, V100 640, RTX 4090 768, A100 864, H100 PCIe 912, H100 SXM 1056
 * and DF_TORCH_CUDA_GRID is taken where nobody says otherwise.
 *
 * Proven: Philox, by Random123's known answers; seeds, layout, calls in sequence, and the order beyond one grid on A100
 * and H100, by values that PyTorch printed there (four decimals). Not proven: calls of 2^31 bytes and more, which
 * PyTorch cuts into pieces and this does not. Not the same bits: CUDA takes sine and cosine by a fast instruction with
 * an absolute error of about 2^-21, so a value may differ by some 1e-6.
 * Reference: ATen's calc_execution_policy and distribution_elementwise_grid_stride_kernel, cuRAND's curand_init,
 * curand_normal4. */
#ifndef DF_ENGINE_NOISE_TORCH_CUDA_H
#define DF_ENGINE_NOISE_TORCH_CUDA_H

#include <stddef.h>
#include <stdint.h>

enum { DF_TORCH_CUDA_GRID = 1056 }; /* H100 SXM and H200: 132 SMs of 2048 threads */

typedef struct df_torch_cuda {
    uint64_t seed; /* all 64 bits matter */
    uint64_t offset; /* counter that the next call starts from */
    uint32_t grid; /* blocks that the GPU runs at once */
} df_torch_cuda;

void df_torch_cuda_seed(df_torch_cuda *g, uint64_t seed, uint32_t grid);
void df_torch_cuda_normal(df_torch_cuda *g, float *out, size_t n);

#endif
