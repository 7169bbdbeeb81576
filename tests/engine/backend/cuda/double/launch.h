/* Kernels on the double's streams. What a launcher reads and writes is declared around its call (launchers.c); the
 * simulator hands over each kernel that it launches, its arguments copied. */
#ifndef DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_LAUNCH_H
#define DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_LAUNCH_H

#include "engine/backend/cuda/kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Attention runs without its kernels: the same results but for rounding, in a hundredth of the time. */
void launch_attention_plainly(bool so);

/* What the thread's next kernels read and write, until launch_end. NULL: nothing. */
void launch_reads(const void *data, size_t bytes);
void launch_writes(const void *data, size_t bytes);
cudaError_t launch_end(cudaError_t e); /* e */

/* As a kernel; drop frees ctx some time after the last of its runs, which may be many. */
cudaError_t launch_function(cudaStream_t s, void (*run)(void *ctx), void (*drop)(void *ctx), void *ctx);
cudaError_t launch_attention(df_dtype type, const df_cuda_attention_args *a, cudaStream_t s); /* attention.c */

#ifdef __cplusplus
}
#endif
#endif
