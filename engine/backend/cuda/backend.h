/* The backend `cuda`: a GPU. cuBLASLt for matrix products, cuDNN for convolutions, kernels/ for the rest, all enqueued
 * on one stream of the context; operands lie in its memory (space.h). docs/gpu.md tells how rows stay independent.
 *
 * Linked into the library diffarm_cuda (module.h), or with doubles of the tables in tests. A program gets it by
 * df_backend_load("cuda"). */
#ifndef DF_ENGINE_BACKEND_CUDA_BACKEND_H
#define DF_ENGINE_BACKEND_CUDA_BACKEND_H

#include "engine/backend/backend.h"

extern const df_backend df_backend_cuda;

#endif
