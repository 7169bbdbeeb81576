/* PyTorch's CPU generator: its seeding, its uniforms and its two ways to normal numbers.
 * Reference: torch.Generator("cpu").manual_seed(seed) and torch.randn, f32 (ATen's normal_fill and
 * normal_distribution<double>). The logarithm and the circle functions are the C library's f32 ones, as in PyTorch's
 * generic build; its AVX2 build uses approximations of its own that differ in the last bit or two. */
#ifndef DF_ENGINE_NOISE_TORCH_CPU_H
#define DF_ENGINE_NOISE_TORCH_CPU_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/noise/mt19937.h"

typedef struct df_torch_cpu {
    df_mt19937 engine;
    double cached; /* second half of the last pair; outlives calls, also those for 16 values and more */
    bool has_cached;
} df_torch_cpu;

void df_torch_cpu_seed(df_torch_cpu *g, uint64_t seed); /* only the low 32 bits matter, as in manual_seed */
void df_torch_cpu_normal(df_torch_cpu *g, float *out, size_t n);

#endif
