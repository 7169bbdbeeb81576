/* Whether there is a GPU that the cuda backend can run on, and, if not, why. */
#ifndef DF_ENGINE_BACKEND_CUDA_DEVICE_H
#define DF_ENGINE_BACKEND_CUDA_DEVICE_H

#include "base/err.h"

/* DF_EUNSUPPORTED: no driver, one that is too old, no GPU, or one that kernels are not built for. DF_EINVAL: no such
 * number. */
df_code df_cuda_device_check(int gpu, df_err *err);

#endif
