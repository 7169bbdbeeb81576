/* Elements as they are stored and as they are computed with, one or several neighbours at a time. */
#pragma once
#include "launch.cuh"

__device__ inline float to_float(float x) {
    return x;
}
__device__ inline float to_float(__half x) {
    return __half2float(x);
}
__device__ inline float to_float(__nv_bfloat16 x) {
    return __bfloat162float(x);
}

template <class T> __device__ T rounded(float x);
template <> __device__ inline float rounded(float x) {
    return x;
}
template <> __device__ inline __half rounded(float x) {
    return __float2half_rn(x);
}
template <> __device__ inline __nv_bfloat16 rounded(float x) {
    return __float2bfloat16_rn(x);
}

/* Of a number in 0..255, half to even. */
template <> __device__ inline uint8_t rounded(float x) {
    return (uint8_t)rintf(x);
}

template <int V> struct numbers { float v[V]; };

/* As many bytes as one instruction moves. */
template <size_t bytes> struct word_of;
template <> struct word_of<1> { typedef uint8_t type; };
template <> struct word_of<2> { typedef uint16_t type; };
template <> struct word_of<4> { typedef uint32_t type; };
template <> struct word_of<8> { typedef uint2 type; };
template <> struct word_of<16> { typedef uint4 type; };

template <int V, class T> union element_words {
    static constexpr size_t bytes = sizeof(T) * V < 16 ? sizeof(T) * V : 16;
    static constexpr int n_words = (int)(sizeof(T) * V / bytes);
    typedef typename word_of<bytes>::type word_type;
    word_type word[n_words];
    T element[V];
    __device__ element_words() {
    }
};

/* p aligned to V elements, or to 16 bytes where they are more. */
template <int V, class T> __device__ numbers<V> load(const T *p) {
    typedef element_words<V, T> words;
    words w;
    for (int i = 0; i < words::n_words; i++) w.word[i] = reinterpret_cast<const typename words::word_type *>(p)[i];
    numbers<V> x;
    for (int i = 0; i < V; i++) x.v[i] = to_float(w.element[i]);
    return x;
}

template <int V, class T> __device__ void store(T *p, const numbers<V> &x) {
    typedef element_words<V, T> words;
    words w;
    for (int i = 0; i < V; i++) w.element[i] = rounded<T>(x.v[i]);
    for (int i = 0; i < words::n_words; i++) reinterpret_cast<typename words::word_type *>(p)[i] = w.word[i];
}

/* Neighbours that a thread sums by itself. Fixed, so that sums do not depend on how the elements were loaded. */
constexpr int run_length = 8;

/* The first `valid` of a run, the others 0; all at once if wide. */
template <bool wide, class T> __device__ numbers<run_length> load_run(const T *p, int64_t valid) {
    if constexpr (wide) {
        return load<run_length>(p);
    } else {
        numbers<run_length> x;
        for (int i = 0; i < run_length; i++) x.v[i] = i < valid ? to_float(p[i]) : 0.0f;
        return x;
    }
}

template <bool wide, class T> __device__ void store_run(T *p, const numbers<run_length> &x, int64_t valid) {
    if constexpr (wide) {
        store<run_length>(p, x);
    } else {
        for (int i = 0; i < run_length; i++)
            if (i < valid) p[i] = rounded<T>(x.v[i]);
    }
}

/* A mean in two floats: x - mean is then right to the last bit also where the mean is far larger than what is left. */
struct centre {
    float high, low;
};

__device__ inline centre centre_at(double mean) {
    const float high = (float)mean;
    return { high, (float)(mean - (double)high) };
}

__device__ inline float from_centre(float x, centre c) {
    return (x - c.high) - c.low;
}
