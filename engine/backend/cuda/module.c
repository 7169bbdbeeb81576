#include "engine/backend/cuda/module.h"

#include "engine/backend/cuda/backend.h"
#include "engine/backend/cuda/describe.h"
#include "engine/backend/cuda/runtime.h"

extern const df_cuda_module df_cuda_module_exported;

const df_cuda_module df_cuda_module_exported = {
    .interface = DF_CUDA_MODULE_INTERFACE,
    .backend = &df_backend_cuda,
    .runtime = &df_cuda_runtime,
    .cuda_version = CUDART_VERSION,
    .describe = df_cuda_describe,
};
