/* Noise generators: one per image, made from its own seed; nothing runs on from image to image.
 *
 *   df_noise *z = df_noise_new(DF_NOISE_TORCH_CPU, seed);  df_noise_normal(z, x, n);  df_noise_free(&z);
 *
 * torch-cpu gives what torch.randn(n, generator=torch.Generator("cpu").manual_seed(seed)) gives: mt19937 (Matsumoto
 * and Nishimura 1998) and PyTorch's two layouts of Box-Muller (16 at a time for n >= 16, pairs with a cached second
 * value for n < 16).
 * torch-cuda gives what the same does with "cuda" in place of "cpu": Philox4x32-10, one counter per GPU thread. Up to
 * 40,960 elements that is what every GPU gives; above, GPUs differ by how many threads they hold, and this is an H100
 * SXM or H200 (torch_cuda.h says more, and what is proven).
 * Draws are consecutive: two calls differ from one of the summed length, exactly as in PyTorch. */
#ifndef DF_ENGINE_NOISE_NOISE_H
#define DF_ENGINE_NOISE_NOISE_H

#include <stddef.h>
#include <stdint.h>

typedef enum df_noise_kind { DF_NOISE_TORCH_CPU, DF_NOISE_TORCH_CUDA } df_noise_kind;

typedef struct df_noise df_noise;

df_noise *df_noise_new(df_noise_kind kind, uint64_t seed); /* NULL when out of memory */
void df_noise_free(df_noise **z);
void df_noise_normal(df_noise *z, float *out, size_t n); /* standard normal, f32 */

int df_noise_kind_of(const char *name); /* "torch-cpu", "torch-cuda"; -1 if unknown */
const char *df_noise_kind_name(df_noise_kind kind);

#endif
