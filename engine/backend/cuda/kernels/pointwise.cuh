/* Kernels in which an element of the result follows from a few elements of the operands. What is computed is an object
 * `f`: f.at<V>(i) gives elements i .. i + V of the result. */
#pragma once
#include "element.cuh"

template <int V, class T, class F>
__global__ void __launch_bounds__(threads_per_block) pointwise(T *y, const F f, int64_t n) {
    for (int64_t i = first_index() * V; i < n; i += index_stride() * V) store<V>(y + i, f.template at<V>(i));
}

/* Blocks that fill any device; a thread takes more than one turn beyond that. */
inline int64_t blocks_for(int64_t threads) {
    constexpr int64_t most = 1 << 16;
    const int64_t blocks = (threads + threads_per_block - 1) / threads_per_block;
    return blocks < most ? blocks : most;
}

/* V elements at a time if `aligned` and V divides `granule`: what may follow from neighbours, the channels for example.
 * V is what fills 16 bytes of the widest type in use. */
template <int V, class T, class F>
cudaError_t run_pointwise(T *y, const F &f, int64_t n, int64_t granule, bool aligned, cudaStream_t stream) {
    if (aligned && granule % V == 0)
        return launch(pointwise<V, T, F>, blocks_for(n / V), threads_per_block, 0, stream, y, f, n);
    return launch(pointwise<1, T, F>, blocks_for(n), threads_per_block, 0, stream, y, f, n);
}

template <class T> constexpr int wide_for = 16 / sizeof(T);
