#include "client/bench/gpu/types.h"

#include <math.h>
#include <string.h>

/* Sources: NVIDIA's data sheets of A100, H100, H200 and HGX B200, GH200 and GB200; where they give rates "with
 * sparsity", half of them. MLPerf Inference v5.1, closed division, stable-diffusion-xl, offline samples/s over the
 * number of GPUs. */
const df_gpu_type df_gpu_types[] = {
    { "A100 SXM 80 GB", "A100-SXM4-80GB", { 312, 19.5, 2039 }, .listed = true },
    { "A100 SXM 40 GB", "A100-SXM4-40GB", { 312, 19.5, 1555 }, .listed = false },
    { "A100 PCIe 80 GB", "A100 80GB PCIe", { 312, 19.5, 1935 }, .listed = false },
    { "A100 PCIe 40 GB", "A100-PCIE-40GB", { 312, 19.5, 1555 }, .listed = false },
    { "H100 PCIe", "H100 PCIe", { 756, 51, 2039 }, .listed = false },
    { "H100 NVL", "H100 NVL", { 835, 60, 3938 }, .listed = false },
    { "GH200", "GH200", { 989, 67, 4000 }, .listed = false }, /* its name has H200's in it */
    { "GB200", "GB200", { 2500, 80, 8000 }, .listed = false },
    { "H200 NVL", "H200 NVL", { 835, 60, 4800 }, .listed = false },
    { "H100 SXM", "H100 80GB HBM3", { 989, 67, 3352 }, 2.26, true },
    { "H200", "H200", { 989, 67, 4800 }, 2.40, true },
    { "B200", "B200", { 2250, 75, 8000 }, 4.07, true },
};
const int df_gpu_n_types = sizeof df_gpu_types / sizeof *df_gpu_types;

const df_gpu_type *df_gpu_type_of(const char *device_name) {
    for (int i = 0; i < df_gpu_n_types; i++)
        if (strstr(device_name, df_gpu_types[i].model)) return &df_gpu_types[i];
    return NULL;
}

bool df_gpu_peak_is_known(const df_gpu_peak *p) {
    return p->tensor_tflops > 0 && p->vector_tflops > 0 && p->gigabytes_per_second > 0;
}

double df_gpu_peak_tflops(const df_gpu_peak *peak, df_work_kind kind, df_dtype dtype) {
    bool tensor = kind != DF_WORK_POINTWISE && df_dtype_bytes(dtype) == 2;
    return tensor ? peak->tensor_tflops : peak->vector_tflops;
}

double df_roofline_seconds(const df_gpu_peak *peak, const df_node_work *w, int64_t rows, df_dtype dtype) {
    double n = (double)rows, bytes = (n * w->values + w->weights) * (double)df_dtype_bytes(dtype);
    double compute = n * w->flops / (1e12 * df_gpu_peak_tflops(peak, w->kind, dtype)) +
                     n * w->fused_flops / (1e12 * peak->vector_tflops);
    return fmax(compute, bytes / (1e9 * peak->gigabytes_per_second));
}
