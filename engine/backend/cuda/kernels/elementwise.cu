/* activation, add, mul, scale, geglu, and conversion between types. */
#include "activation.cuh"
#include "pointwise.cuh"

namespace {

template <class T> struct activated {
    const T *x;
    df_act act;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        numbers<V> y = load<V>(x + i);
        for (int k = 0; k < V; k++) y.v[k] = apply_act(y.v[k], act);
        return y;
    }
};

template <class T> struct sum_of {
    const T *a, *b;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        numbers<V> y = load<V>(a + i), other = load<V>(b + i);
        for (int k = 0; k < V; k++) y.v[k] += other.v[k];
        return y;
    }
};

template <class T> struct product_of {
    const T *a, *b;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        numbers<V> y = load<V>(a + i), other = load<V>(b + i);
        for (int k = 0; k < V; k++) y.v[k] *= other.v[k];
        return y;
    }
};

template <class T> struct scaled {
    const T *x;
    double by, plus;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        numbers<V> y = load<V>(x + i);
        for (int k = 0; k < V; k++) y.v[k] = (float)((double)y.v[k] * by + plus);
        return y;
    }
};

template <class T> struct gated_gelu {
    const T *x;
    int64_t width;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const T *pair = x + i / width * 2 * width + i % width;
        numbers<V> y = load<V>(pair), gate = load<V>(pair + width);
        for (int k = 0; k < V; k++) y.v[k] *= gelu_exact(gate.v[k]);
        return y;
    }
};

template <class T> struct same {
    const T *x;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        return load<V>(x + i);
    }
};

} // namespace

cudaError_t df_cuda_activation(df_dtype type, void *y, const void *x, int64_t n, df_act act, cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const activated<T> f = { (const T *)x, act };
        return run_pointwise<wide_for<T>>((T *)y, f, n, n, are_aligned(y, x), stream);
    });
}

cudaError_t df_cuda_add(df_dtype type, void *y, const void *a, const void *b, int64_t n, cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const sum_of<T> f = { (const T *)a, (const T *)b };
        return run_pointwise<wide_for<T>>((T *)y, f, n, n, are_aligned(y, a, b), stream);
    });
}

cudaError_t df_cuda_mul(df_dtype type, void *y, const void *a, const void *b, int64_t n, cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const product_of<T> f = { (const T *)a, (const T *)b };
        return run_pointwise<wide_for<T>>((T *)y, f, n, n, are_aligned(y, a, b), stream);
    });
}

cudaError_t df_cuda_scale(df_dtype type, void *y, const void *x, int64_t n, double by, double plus,
                          cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const scaled<T> f = { (const T *)x, by, plus };
        return run_pointwise<wide_for<T>>((T *)y, f, n, n, are_aligned(y, x), stream);
    });
}

cudaError_t df_cuda_geglu(df_dtype type, void *y, const void *x, int64_t places, int64_t width, cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        const gated_gelu<T> f = { (const T *)x, width };
        return run_pointwise<wide_for<T>>((T *)y, f, places * width, width, are_aligned(y, x), stream);
    });
}

cudaError_t df_cuda_convert(df_dtype to, void *y, df_dtype from, const void *x, int64_t n, cudaStream_t stream) {
    return for_type(from, [&](auto s) {
        typedef decltype(s) S;
        const same<S> f = { (const S *)x };
        return for_type(to, [&](auto t) {
            typedef decltype(t) T;
            constexpr int wide = wide_for<T> < wide_for<S> ? wide_for<T> : wide_for<S>;
            return run_pointwise<wide>((T *)y, f, n, n, are_aligned(y, x), stream);
        });
    });
}
