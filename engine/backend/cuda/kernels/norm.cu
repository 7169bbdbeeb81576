/* layer_norm and rms_norm: a warp for each vector, which it reads again for each pass (it is in the cache by then). */
#include "activation.cuh"
#include "element.cuh"

namespace {

constexpr int warps_per_block = threads_per_block / 32;

/* Sum of term(x) over the vector: neighbours in f32, all else in f64. */
template <bool wide, class T, class F> __device__ double sum_over(const T *x, int64_t d, F term) {
    double sum = 0.0;
    for (int64_t at = (threadIdx.x % 32) * run_length; at < d; at += 32 * run_length) {
        const numbers<run_length> v = load_run<wide>(x + at, d - at);
        float run = 0.0f;
        for (int k = 0; k < run_length; k++)
            if (at + k < d) run += term(v.v[k]);
        sum += (double)run;
    }
    return warp_sum(sum);
}

__device__ inline float square(float x) {
    return x * x;
}

template <class T> struct norm_args {
    T *y;
    const T *x;
    const float *gamma, *beta;
    int64_t places, d;
    double eps;
    df_act act;
};

template <bool wide, class T>
__device__ void write_result(const norm_args<T> &a, int64_t place, centre mean, float inverse) {
    const T *x = a.x + place * a.d;
    for (int64_t at = (threadIdx.x % 32) * run_length; at < a.d; at += 32 * run_length) {
        numbers<run_length> v = load_run<wide>(x + at, a.d - at), gamma, beta;
        if (a.gamma) gamma = load_run<wide>(a.gamma + at, a.d - at);
        if (a.beta) beta = load_run<wide>(a.beta + at, a.d - at);
        for (int k = 0; k < run_length; k++) {
            float y = from_centre(v.v[k], mean) * inverse;
            if (a.gamma) y *= gamma.v[k];
            if (a.beta) y += beta.v[k];
            v.v[k] = apply_act(y, a.act);
        }
        store_run<wide>(a.y + place * a.d + at, v, a.d - at);
    }
}

template <bool wide, bool centred, class T>
__global__ void __launch_bounds__(threads_per_block) vector_norm(const norm_args<T> a) {
    const int64_t place = (int64_t)blockIdx.x * warps_per_block + threadIdx.x / 32;
    if (place >= a.places) return;
    const T *x = a.x + place * a.d;
    centre mean = { 0.0f, 0.0f };
    if (centred) mean = centre_at(sum_over<wide>(x, a.d, [](float v) { return v; }) / (double)a.d);
    const double squares = sum_over<wide>(x, a.d, [=](float v) { return square(from_centre(v, mean)); });
    write_result<wide>(a, place, mean, (float)(1.0 / sqrt(squares / (double)a.d + a.eps)));
}

template <bool centred, class T> cudaError_t run_norm(const norm_args<T> &a, cudaStream_t stream) {
    const int64_t blocks = (a.places + warps_per_block - 1) / warps_per_block;
    if (are_aligned(a.y, a.x, a.gamma, a.beta) && a.d % run_length == 0)
        return launch(vector_norm<true, centred, T>, blocks, threads_per_block, 0, stream, a);
    return launch(vector_norm<false, centred, T>, blocks, threads_per_block, 0, stream, a);
}

} // namespace

cudaError_t df_cuda_layer_norm(df_dtype type, void *y, const void *x, const float *gamma, const float *beta,
                               int64_t places, int64_t d, double eps, df_act act, cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        return run_norm<true>(norm_args<T> { (T *)y, (const T *)x, gamma, beta, places, d, eps, act }, stream);
    });
}

cudaError_t df_cuda_rms_norm(df_dtype type, void *y, const void *x, const float *gamma, int64_t places, int64_t d,
                             double eps, cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        return run_norm<false>(norm_args<T> { (T *)y, (const T *)x, gamma, NULL, places, d, eps, DF_ACT_NONE }, stream);
    });
}
