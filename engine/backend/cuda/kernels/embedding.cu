/* Tables: embedding and class_embedding, with a check of their ids, add_constant; and timestep_embedding. */
#include "pointwise.cuh"

namespace {

template <class T> struct embedded {
    const int32_t *ids;
    const T *token, *position;
    int64_t tokens, d, vocab;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const int64_t place = i / d, column = i % d, id = ids[place];
        numbers<V> y;
        if (id < 0 || id >= vocab) {
            for (int k = 0; k < V; k++) y.v[k] = NAN;
            return y;
        }
        y = load<V>(token + id * d + column);
        if (!position) return y;
        const numbers<V> plus = load<V>(position + place % tokens * d + column);
        for (int k = 0; k < V; k++) y.v[k] += plus.v[k];
        return y;
    }
};

template <class T> struct with_constant {
    const T *x, *table;
    int64_t h, w, channels, grid_w, first; /* first: the crop's first place in the grid */
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const int64_t place = i / channels % (h * w);
        const int64_t stored = first + place / w * grid_w + place % w;
        numbers<V> y = load<V>(x + i), plus = load<V>(table + stored * channels + i % channels);
        for (int k = 0; k < V; k++) y.v[k] += plus.v[k];
        return y;
    }
};

/* Element j of the first half is sin, of the second cos (or the other way round); an odd dim ends with a zero. */
struct sinusoid {
    const double *t;
    df_timestep_attr a;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        static_assert(V == 1, "angles are computed one by one");
        const int half = a.dim / 2, column = (int)(i % a.dim), j = column % half;
        if (column >= 2 * half) return { { 0.0f } };
        const double angle = a.scale * t[i / a.dim] * exp(-log(a.max_period) * j / (half - a.freq_shift));
        const bool is_cos = (column < half) == a.flip_sin_to_cos;
        return { { (float)(is_cos ? cos(angle) : sin(angle)) } };
    }
};

/* One block, so that whoever finds something finds the first. */
__global__ void __launch_bounds__(threads_per_block)
    check_ids(int32_t *fault, const int32_t *ids, int64_t n, int64_t vocab, int32_t tag) {
    DF_SHARED(int64_t, first, threads_per_block);
    int64_t i = threadIdx.x;
    while (i < n && ids[i] >= 0 && ids[i] < vocab) i += threads_per_block;
    first[threadIdx.x] = i;
    __syncthreads();
    for (int apart = threads_per_block / 2; apart > 0; apart /= 2) {
        if ((int)threadIdx.x < apart && first[threadIdx.x + apart] < first[threadIdx.x])
            first[threadIdx.x] = first[threadIdx.x + apart];
        __syncthreads();
    }
    if (threadIdx.x || first[0] >= n || fault[0]) return;
    fault[0] = tag;
    fault[1] = ids[first[0]];
}

} // namespace

cudaError_t df_cuda_check_ids(int32_t *fault, const int32_t *ids, int64_t n, int64_t vocab, int32_t tag,
                              cudaStream_t stream) {
    return launch(check_ids, 1, threads_per_block, 0, stream, fault, ids, n, vocab, tag);
}

cudaError_t df_cuda_embedding(df_dtype type, void *y, const int32_t *ids, const void *token, const void *position,
                              int64_t rows, int64_t tokens, int64_t d, int64_t vocab, cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const embedded<T> f = { ids, (const T *)token, (const T *)position, tokens, d, vocab };
        return run_pointwise<wide_for<T>>((T *)y, f, rows * tokens * d, d, are_aligned(y, token, position), stream);
    });
}

cudaError_t df_cuda_add_constant(df_dtype type, void *y, const void *x, const void *table, int64_t rows, int64_t h,
                                 int64_t w, int64_t channels, int64_t grid_h, int64_t grid_w, cudaStream_t stream) {
    const int64_t across = grid_h ? grid_w : w, first = grid_h ? (grid_h - h) / 2 * grid_w + (grid_w - w) / 2 : 0;
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const with_constant<T> f = { (const T *)x, (const T *)table, h, w, channels, across, first };
        return run_pointwise<wide_for<T>>((T *)y, f, rows * h * w * channels, channels, are_aligned(y, x, table),
                                          stream);
    });
}

cudaError_t df_cuda_timestep_embedding(df_dtype type, void *y, const double *t, int64_t n, const df_timestep_attr *a,
                                       cudaStream_t stream) {
    return for_type(type, [&](auto of) {
        typedef decltype(of) T;
        return run_pointwise<1>((T *)y, sinusoid { t, *a }, n * a->dim, 1, false, stream);
    });
}
