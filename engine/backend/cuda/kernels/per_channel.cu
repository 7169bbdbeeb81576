/* Operations with a vector per row and channel: modulate, gate, add_channel, and what is folded into a product. */
#include "activation.cuh"
#include "pointwise.cuh"

namespace {

/* Where the vectors of an element's row and channel lie. */
struct channel_map {
    int64_t row_elements, channels;
    __device__ int64_t vector_at(int64_t i) const {
        return i / row_elements * channels + i % channels;
    }
};

template <class T> struct modulated {
    const T *x, *shift, *scale;
    channel_map map;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const int64_t c = map.vector_at(i);
        numbers<V> y = load<V>(x + i), by = load<V>(scale + c), plus = load<V>(shift + c);
        for (int k = 0; k < V; k++) y.v[k] = y.v[k] * (1.0f + by.v[k]) + plus.v[k];
        return y;
    }
};

template <class T> struct gated {
    const T *x, *gate, *residual;
    channel_map map;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        numbers<V> y = load<V>(x + i), by = load<V>(gate + map.vector_at(i));
        for (int k = 0; k < V; k++) y.v[k] *= by.v[k];
        if (!residual) return y;
        const numbers<V> plus = load<V>(residual + i);
        for (int k = 0; k < V; k++) y.v[k] += plus.v[k];
        return y;
    }
};

template <int V, class T> __device__ void add_numbers(numbers<V> &y, const T *p) {
    const numbers<V> plus = load<V>(p);
    for (int k = 0; k < V; k++) y.v[k] += plus.v[k];
}

template <class T> struct epilogue {
    const T *x, *add_channel, *residual;
    const float *bias;
    df_act act;
    channel_map map;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        numbers<V> y = load<V>(x + i);
        if (bias) add_numbers<V>(y, bias + i % map.channels);
        if (add_channel) add_numbers<V>(y, add_channel + map.vector_at(i));
        for (int k = 0; k < V; k++) y.v[k] = apply_act(y.v[k], act);
        if (residual) add_numbers<V>(y, residual + i);
        return y;
    }
};

} // namespace

cudaError_t df_cuda_modulate(df_dtype type, void *y, const void *x, const void *shift, const void *scale, int64_t rows,
                             int64_t positions, int64_t channels, cudaStream_t stream) {
    const channel_map map = { positions * channels, channels };
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const modulated<T> f = { (const T *)x, (const T *)shift, (const T *)scale, map };
        return run_pointwise<wide_for<T>>((T *)y, f, rows * map.row_elements, channels, are_aligned(y, x, shift, scale),
                                          stream);
    });
}

cudaError_t df_cuda_gate(df_dtype type, void *y, const void *x, const void *gate, const void *residual, int64_t rows,
                         int64_t positions, int64_t channels, cudaStream_t stream) {
    const channel_map map = { positions * channels, channels };
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const gated<T> f = { (const T *)x, (const T *)gate, (const T *)residual, map };
        return run_pointwise<wide_for<T>>((T *)y, f, rows * map.row_elements, channels,
                                          are_aligned(y, x, gate, residual), stream);
    });
}

cudaError_t df_cuda_apply_epilogue(df_dtype type, void *y, const void *x, const df_cuda_epilogue *e, int64_t rows,
                                   int64_t positions, int64_t channels, cudaStream_t stream) {
    const channel_map map = { positions * channels, channels };
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const epilogue<T> f = { (const T *)x, (const T *)e->add_channel, (const T *)e->residual, e->bias, e->act, map };
        return run_pointwise<wide_for<T>>((T *)y, f, rows * map.row_elements, channels,
                                          are_aligned(y, x, e->bias, e->add_channel, e->residual), stream);
    });
}

cudaError_t df_cuda_add_channel(df_dtype type, void *y, const void *x, const void *v, int64_t rows, int64_t positions,
                                int64_t channels, cudaStream_t stream) {
    const df_cuda_epilogue e = { NULL, v, DF_ACT_NONE, NULL };
    return df_cuda_apply_epilogue(type, y, x, &e, rows, positions, channels, stream);
}
