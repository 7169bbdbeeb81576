/* Classifier-free guidance, and bringing a guided output back to the spread of the conditional one. */
#include "pointwise.cuh"
#include "sampling.h"

namespace {

template <class T> struct guided {
    const T *cond, *uncond;
    float scale;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        numbers<V> y = load<V>(cond + i);
        if (!uncond) return y;
        const numbers<V> from = load<V>(uncond + i);
        for (int k = 0; k < V; k++) y.v[k] = from.v[k] + scale * (y.v[k] - from.v[k]);
        return y;
    }
};

constexpr int n_threads = 1024, n_warps = n_threads / 32;

/* Every thread gets the sum over the block, warps in their order. partial [n_warps]. */
__device__ inline double block_sum(double v, double *partial) {
    v = warp_sum(v);
    __syncthreads(); /* the last sum has been read */
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = v;
    __syncthreads();
    double sum = 0.0;
    for (int i = 0; i < n_warps; i++) sum += partial[i];
    return sum;
}

/* Divides by n - 1, as torch.std does. */
template <class T> __device__ double deviation(const T *x, int64_t n, double *partial) {
    double sum = 0.0, squares = 0.0;
    for (int64_t i = threadIdx.x; i < n; i += n_threads) sum += (double)to_float(x[i]);
    const double mean = block_sum(sum, partial) / (double)n;
    for (int64_t i = threadIdx.x; i < n; i += n_threads) {
        const double d = (double)to_float(x[i]) - mean;
        squares += d * d;
    }
    return sqrt(block_sum(squares, partial) / (double)(n - 1));
}

/* One block. */
template <class T>
__global__ void __launch_bounds__(n_threads) rescale(float *out, const T *cond, float mix, int64_t n) {
    DF_SHARED(double, partial, n_warps);
    if (mix == 0.0f || n < 2) return;
    const double spread = deviation(out, n, partial), wanted = deviation(cond, n, partial);
    if (!(spread > 0.0)) return; /* a flat output has no spread to bring back */
    const float factor = (float)(wanted / spread);
    for (int64_t i = threadIdx.x; i < n; i += n_threads) out[i] = mix * (out[i] * factor) + (1.0f - mix) * out[i];
}

} // namespace

cudaError_t df_cuda_guidance(float *out, df_dtype type, const void *cond, const void *uncond, float scale, int64_t n,
                             cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const guided<T> f = { (const T *)cond, (const T *)uncond, scale };
        return run_pointwise<wide_for<float>>(out, f, n, n, are_aligned(out, cond, uncond), stream);
    });
}

cudaError_t df_cuda_guidance_rescale(float *out, df_dtype type, const void *cond, float amount, int64_t n,
                                     cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        return launch(rescale<T>, 1, n_threads, 0, stream, out, (const T *)cond, amount, n);
    });
}
