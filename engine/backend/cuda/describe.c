#include "engine/backend/cuda/describe.h"

#include <stdio.h>

#include "engine/backend/cuda/device.h"
#include "engine/backend/cuda/runtime.h"

df_code df_cuda_describe(int gpu, char *out, size_t out_bytes, df_err *err) {
    struct cudaDeviceProp p;
    df_code rc = df_cuda_device_check(gpu, err);
    if (rc) return rc;
    cudaError_t e = df_cuda_runtime.device_properties(&p, gpu);
    if (e) return df_err_set(err, DF_EUNSUPPORTED, "GPU %d: %s", gpu, df_cuda_runtime.error_text(e));
    snprintf(out, out_bytes, "%.*s", (int)sizeof p.name, p.name);
    return DF_OK;
}
