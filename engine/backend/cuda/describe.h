/* What a GPU is called. */
#ifndef DF_ENGINE_BACKEND_CUDA_DESCRIBE_H
#define DF_ENGINE_BACKEND_CUDA_DESCRIBE_H

#include <stddef.h>

#include "base/err.h"

/* "NVIDIA H100 80GB HBM3" into out[out_bytes]. gpu: as the process counts those that it sees. Errors: those of
 * df_cuda_device_check. */
df_code df_cuda_describe(int gpu, char *out, size_t out_bytes, df_err *err);

#endif
