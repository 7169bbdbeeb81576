/* The GPU's memory and CUDA graphs as a backend's space. */
#ifndef DF_ENGINE_BACKEND_CUDA_SPACE_H
#define DF_ENGINE_BACKEND_CUDA_SPACE_H

#include "engine/backend/space.h"

extern const df_space df_cuda_space;

#endif
