/* The samplers' arithmetic, element by element. Operations stand as engine/samplers has them:
 * the same roundings in the same order. */
#include "pointwise.cuh"
#include "sampling.h"

namespace {

struct combined {
    const float *x[DF_VECTORS_MAX_TERMS];
    float by[DF_VECTORS_MAX_TERMS];
    int n_terms;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        numbers<V> y = load<V>(x[0] + i);
        for (int k = 0; k < V; k++) y.v[k] *= by[0];
#pragma unroll /* an index known at compile time keeps the arrays out of local memory */
        for (int t = 1; t < DF_VECTORS_MAX_TERMS; t++) {
            if (t >= n_terms) break;
            const numbers<V> z = load<V>(x[t] + i);
            for (int k = 0; k < V; k++) y.v[k] += by[t] * z.v[k];
        }
        return y;
    }
};

__device__ inline float clean_of(df_prediction kind, float a, float b, float x, float predicted) {
    if (kind == DF_PREDICT_EPSILON) return (x - b * predicted) / a;
    if (kind == DF_PREDICT_V) return a * x - b * predicted;
    return predicted;
}

__device__ inline float noise_of(df_prediction kind, float a, float b, float x, float predicted) {
    if (kind == DF_PREDICT_EPSILON) return predicted;
    if (kind == DF_PREDICT_V) return a * predicted + b * x;
    return (x - a * predicted) / b;
}

__device__ inline float clean_of_sigma(df_prediction kind, float sigma, float x, float predicted) {
    if (kind == DF_PREDICT_EPSILON) return x - sigma * predicted;
    if (kind == DF_PREDICT_V) {
        const float norm = sigma * sigma + 1.0f;
        return predicted * (-sigma / sqrtf(norm)) + x / norm;
    }
    return predicted;
}

struct of_prediction {
    df_predicted what;
    df_prediction kind;
    float a, b;
    const float *x, *predicted;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const numbers<V> before = load<V>(x + i);
        numbers<V> y = load<V>(predicted + i);
        for (int k = 0; k < V; k++) {
            if (what == DF_PREDICTED_CLEAN) y.v[k] = clean_of(kind, a, b, before.v[k], y.v[k]);
            if (what == DF_PREDICTED_NOISE) y.v[k] = noise_of(kind, a, b, before.v[k], y.v[k]);
            if (what == DF_PREDICTED_CLEAN_OF_SIGMA) y.v[k] = clean_of_sigma(kind, a, before.v[k], y.v[k]);
        }
        return y;
    }
};

struct divided {
    const float *x, *y;
    float by;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        numbers<V> z = load<V>(x + i), minus = {};
        if (y) minus = load<V>(y + i);
        for (int k = 0; k < V; k++) z.v[k] = (z.v[k] - minus.v[k]) / by; /* without y: minus 0, which changes nothing */
        return z;
    }
};

struct clipped {
    const float *x;
    float limit;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        numbers<V> y = load<V>(x + i);
        for (int k = 0; k < V; k++) y.v[k] = fminf(fmaxf(y.v[k], -limit), limit);
        return y;
    }
};

struct blended {
    const float *x, *under, *mask;
    int64_t plane;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const numbers<V> below = load<V>(under + i), m = load<V>(mask + i % plane);
        numbers<V> y = load<V>(x + i);
        for (int k = 0; k < V; k++) y.v[k] = (1.0f - m.v[k]) * below.v[k] + m.v[k] * y.v[k];
        return y;
    }
};

constexpr int wide = wide_for<float>;

} // namespace

cudaError_t df_cuda_combine(float *out, const df_term *terms, int n_terms, int64_t n, cudaStream_t stream) {
    if (n_terms < 1 || n_terms > DF_VECTORS_MAX_TERMS) return cudaErrorInvalidValue;
    combined f = {};
    bool aligned = are_aligned(out);
    for (int t = 0; t < n_terms; t++) {
        f.x[t] = terms[t].x;
        f.by[t] = terms[t].by;
        aligned = aligned && are_aligned(terms[t].x);
    }
    f.n_terms = n_terms;
    return run_pointwise<wide>(out, f, n, n, aligned, stream);
}

cudaError_t df_cuda_predict(float *out, df_predicted what, df_prediction kind, float a, float b, const float *x,
                            const float *predicted, int64_t n, cudaStream_t stream) {
    const of_prediction f = { what, kind, a, b, x, predicted };
    return run_pointwise<wide>(out, f, n, n, are_aligned(out, x, predicted), stream);
}

cudaError_t df_cuda_divide(float *out, const float *x, const float *y, float by, int64_t n, cudaStream_t stream) {
    const divided f = { x, y, by };
    return run_pointwise<wide>(out, f, n, n, are_aligned(out, x, y), stream);
}

cudaError_t df_cuda_clip(float *x, float limit, int64_t n, cudaStream_t stream) {
    const clipped f = { x, limit };
    return run_pointwise<wide>(x, f, n, n, are_aligned(x), stream);
}

cudaError_t df_cuda_blend(float *x, const float *under, const float *mask, int64_t n, int64_t plane,
                          cudaStream_t stream) {
    const blended f = { x, under, mask, plane };
    return run_pointwise<wide>(x, f, n, plane, are_aligned(x, under, mask), stream);
}
