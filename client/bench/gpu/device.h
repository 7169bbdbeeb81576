/* The device that is measured: its backend, and what it is called. */
#ifndef DF_CLIENT_BENCH_GPU_DEVICE_H
#define DF_CLIENT_BENCH_GPU_DEVICE_H

#include "client/bench/gpu/options.h"

typedef struct df_gpu_device {
    const df_backend *backend;
    char name[128]; /* "NVIDIA H100 80GB HBM3"; of a processor its model and how many threads are used */
} df_gpu_device;

/* DF_EUNSUPPORTED: it is not there, or does not compute in that type; DF_EINVAL: no such backend. */
df_code df_gpu_device_open(df_gpu_device *out, const df_gpu_options *o, df_err *err);

#endif
