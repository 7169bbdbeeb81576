/* What leaves the device: 8-bit pictures, and whether a row is finite. Threads that find a row bad all write the same.
 */
#include "pointwise.cuh"
#include "sampling.h"

namespace {

template <class T> struct in_8_bits {
    const T *x;
    int32_t *bad;
    int64_t n;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        numbers<V> y = load<V>(x + i);
        for (int k = 0; k < V; k++) {
            const float x01 = y.v[k] / 2 + 0.5f;
            const bool finite = isfinite(y.v[k]);
            if (!finite) bad[i / n] = 1;
            y.v[k] = !finite || x01 < 0.0f ? 0.0f : (x01 > 1.0f ? 1.0f : x01) * 255;
        }
        return y;
    }
};

template <class T>
__global__ void __launch_bounds__(threads_per_block) find_not_finite(int32_t *bad, const T *x, int64_t all, int64_t n) {
    for (int64_t i = first_index(); i < all; i += index_stride())
        if (!isfinite(to_float(x[i]))) bad[i / n] = 1;
}

} // namespace

cudaError_t df_cuda_find_not_finite(int32_t *bad, df_dtype type, const void *x, int64_t rows, int64_t n,
                                    cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        return launch(find_not_finite<T>, blocks_for(rows * n), threads_per_block, 0, stream, bad, (const T *)x,
                      rows * n, n);
    });
}

cudaError_t df_cuda_picture(uint8_t *rgb, int32_t *bad, df_dtype type, const void *x, int64_t rows, int64_t n,
                            cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const in_8_bits<T> f = { (const T *)x, bad, n };
        return run_pointwise<wide_for<T>>(rgb, f, rows * n, n, are_aligned(rgb, x), stream);
    });
}
