/* The two kernels of df_cuda_attention; attention.cu chooses. a->scale is the scale itself here, never 0. */
#pragma once
#include "kernels.h"

constexpr int widest_head = 512; /* that tensor cores take */

/* F16 and BF16, d and dv multiples of 8, d <= widest_head, operands aligned to 16 bytes. */
cudaError_t attention_on_tensor_cores(df_dtype type, const df_cuda_attention_args &a, cudaStream_t stream);

/* All else: products and sums in f32. */
cudaError_t attention_in_f32(df_dtype type, const df_cuda_attention_args &a, cudaStream_t stream);
