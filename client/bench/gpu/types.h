/* What GPUs can do at most, by their data sheets, and what others have measured on them.
 *
 *   const df_gpu_type *t = df_gpu_type_of("NVIDIA H100 80GB HBM3");      NULL: not in the table
 *   seconds = df_roofline_seconds(&t->peak, &work, rows, DF_BF16);
 *
 * A roofline (Williams, Waterman and Patterson 2009): arithmetic at the rate of its kind, or memory traffic at the
 * bandwidth, whichever takes longer; nothing reaches it. Threads: pure functions. */
#ifndef DF_CLIENT_BENCH_GPU_TYPES_H
#define DF_CLIENT_BENCH_GPU_TYPES_H

#include "cluster/node_work.h"

typedef struct df_gpu_peak {
    double tensor_tflops; /* products of bf16 and f16, dense, sums in f32; 0: not known */
    double vector_tflops; /* f32, no tensor cores */
    double gigabytes_per_second; /* 0: not known */
} df_gpu_peak;

typedef struct df_gpu_type {
    const char *name; /* "H100 SXM" */
    const char *model; /* what stands in the device's own name */
    df_gpu_peak peak;
    double sdxl_pictures_per_second; /* MLPerf Inference v5.1, offline, of one GPU of eight; 0: none */
    bool listed; /* among those that a report names what to expect of */
} df_gpu_type;

extern const df_gpu_type df_gpu_types[];
extern const int df_gpu_n_types;

const df_gpu_type *df_gpu_type_of(const char *device_name); /* NULL: not in the table */

bool df_gpu_peak_is_known(const df_gpu_peak *p);

/* The least time of so many rows together. peak: all of it known. */
double df_roofline_seconds(const df_gpu_peak *peak, const df_node_work *w, int64_t rows, df_dtype dtype);

/* Arithmetic that bounds work of that kind, TFLOP/s. */
double df_gpu_peak_tflops(const df_gpu_peak *peak, df_work_kind kind, df_dtype dtype);

#endif
