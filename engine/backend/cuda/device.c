#include "engine/backend/cuda/device.h"

#include <stdbool.h>
#include <stdlib.h>

#include "engine/backend/cuda/runtime.h"

enum { LEAST_MAJOR = 8 }; /* of the compute capability: CMakeLists.txt builds from sm_80 on */

static df_code no_gpu(const char *why, df_err *err) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (visible)
        return df_err_set(err, DF_EUNSUPPORTED, "backend cuda: no GPU: %s (CUDA_VISIBLE_DEVICES is '%.64s')", why,
                          visible);
    return df_err_set(err, DF_EUNSUPPORTED, "backend cuda: no GPU: %s", why);
}

static df_code too_old(int driver, int built, df_err *err) {
    return df_err_set(err, DF_EUNSUPPORTED,
                      "backend cuda: the NVIDIA driver is too old: it knows CUDA %d.%d, this was built with %d.%d; "
                      "install a newer driver",
                      driver / 1000, driver % 1000 / 10, built / 1000, built % 1000 / 10);
}

static df_code check_driver(df_err *err) {
    const df_cuda_runtime_ops *rt = &df_cuda_runtime;
    int driver = 0, built = 0;
    cudaError_t e = rt->driver_version(&driver);
    if (!e) e = rt->runtime_version(&built);
    if (e) return df_err_set(err, DF_EUNSUPPORTED, "backend cuda: %s", rt->error_text(e));
    if (!driver)
        return df_err_set(err, DF_EUNSUPPORTED,
                          "backend cuda: no NVIDIA driver on this machine: install it, or use "
                          "--backend cpu");
    return driver / 1000 < built / 1000 ? too_old(driver, built, err) : DF_OK;
}

static df_code check_count(int gpu, df_err *err) {
    const df_cuda_runtime_ops *rt = &df_cuda_runtime;
    int n = 0;
    cudaError_t e = rt->device_count(&n);
    if (e) rt->last_error();
    if (e || n < 1) return no_gpu(e ? rt->error_text(e) : "none is visible", err);
    if (gpu < 0 || gpu >= n)
        return df_err_set(err, DF_EINVAL, "backend cuda: there is no GPU %d: %d %s visible, numbered from 0", gpu, n,
                          n == 1 ? "is" : "are");
    return DF_OK;
}

df_code df_cuda_device_check(int gpu, df_err *err) {
    const df_cuda_runtime_ops *rt = &df_cuda_runtime;
    struct cudaDeviceProp p;
    df_code rc = check_driver(err);
    if (!rc) rc = check_count(gpu, err);
    if (rc) return rc;
    cudaError_t e = rt->device_properties(&p, gpu);
    if (e) return df_err_set(err, DF_EUNSUPPORTED, "backend cuda: GPU %d: %s", gpu, rt->error_text(e));
    if (p.major < LEAST_MAJOR)
        return df_err_set(err, DF_EUNSUPPORTED,
                          "backend cuda: GPU %d (%.64s) is of compute capability %d.%d; kernels are built for %d.0 and "
                          "later",
                          gpu, p.name, p.major, p.minor, LEAST_MAJOR);
    return DF_OK;
}
