/* Kernels on the double's streams. What a launcher reads and writes is declared around its call (launchers.c); the
 * simulator hands over each kernel that it launches, its arguments copied. */
#ifndef DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_LAUNCH_H
#define DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_LAUNCH_H

#include "engine/backend/cuda/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the thread's next kernels read and write, until launch_end. NULL: nothing. */
void launch_reads(const void *data, size_t bytes);
void launch_writes(const void *data, size_t bytes);
cudaError_t launch_end(cudaError_t e); /* e */

#ifdef __cplusplus
}
#endif
#endif
