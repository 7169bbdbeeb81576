/* How kernels are launched, where their shared memory comes from and which type they are made for: <<<>>> on the
 * device, a loop over fibers on the host. */
#pragma once
#include "kernels.h"

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

/* Declares `T *name`, or an array, of memory that the block shares. */
#define DF_SHARED(T, name, count) __shared__ T name[count]
/* The bytes that the launch asked for; once a kernel. */
#define DF_SHARED_DYNAMIC(T, name)                                                                                     \
    extern __shared__ uint4 df_dynamic_shared[];                                                                       \
    T *name = reinterpret_cast<T *>(df_dynamic_shared)
#else
#include "grid_simulator.h"
#endif

constexpr int threads_per_block = 256;
constexpr unsigned whole_warp = 0xffffffffu;

template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), int64_t blocks, int threads, size_t shared_bytes, cudaStream_t stream,
                   A... args) {
    if (blocks < 1) return cudaSuccess;
    if (blocks > INT32_MAX) return cudaErrorInvalidConfiguration;
#ifdef __CUDACC__
    constexpr size_t without_asking = 48 << 10;
    if (shared_bytes > without_asking) {
        const cudaError_t rc =
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared_bytes);
        if (rc != cudaSuccess) return rc;
    }
    kernel<<<(unsigned)blocks, (unsigned)threads, shared_bytes, stream>>>(P(args)...);
    return cudaGetLastError();
#else
    return simulator::launch(stream, [=] {
        simulator::run_grid((unsigned)blocks, (unsigned)threads, shared_bytes, [&] { kernel(P(args)...); });
    });
#endif
}

/* f(T()) for the storage type that `type` stands for. */
template <class F> cudaError_t for_type(df_dtype type, F f) {
    switch (type) {
    case DF_F32: return f(float());
    case DF_F16: return f(__half());
    case DF_BF16: return f(__nv_bfloat16());
    default: return cudaErrorInvalidValue;
    }
}

/* All can be read and written 16 bytes at a time; NULL can. */
template <class... P> bool are_aligned(const P *...p) {
    return (((uintptr_t)p | ...) & 15) == 0;
}

__device__ inline int64_t first_index() {
    return (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ inline int64_t index_stride() {
    return (int64_t)gridDim.x * blockDim.x;
}

/* The same sum in every lane, its order the same whatever else runs. */
__device__ inline double warp_sum(double v) {
    for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(whole_warp, v, offset);
    return v;
}
