/* The samplers' arithmetic, element by element with coefficients per row. Operations stand as engine/samplers has them:
 * the same roundings in the same order. */
#include "pointwise.cuh"
#include "sampling.h"

namespace {

struct combined {
    df_cuda_terms terms;
    const float *coef;
    int64_t n;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const float *by = coef + i / n * terms.n_terms;
        numbers<V> y = load<V>(terms.term[0] + i);
        for (int k = 0; k < V; k++) y.v[k] *= by[0];
#pragma unroll /* an index known at compile time keeps the pointers out of local memory */
        for (int t = 1; t < DF_CUDA_MAX_TERMS; t++) {
            if (t >= terms.n_terms) break;
            const numbers<V> x = load<V>(terms.term[t] + i);
            for (int k = 0; k < V; k++) y.v[k] += by[t] * x.v[k];
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
    df_cuda_predicted what;
    df_prediction kind;
    const float *levels, *x, *predicted;
    int64_t n;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const float a = levels[i / n * 2], b = levels[i / n * 2 + 1];
        const numbers<V> before = load<V>(x + i);
        numbers<V> y = load<V>(predicted + i);
        for (int k = 0; k < V; k++) {
            if (what == DF_CUDA_CLEAN) y.v[k] = clean_of(kind, a, b, before.v[k], y.v[k]);
            if (what == DF_CUDA_NOISE) y.v[k] = noise_of(kind, a, b, before.v[k], y.v[k]);
            if (what == DF_CUDA_CLEAN_OF_SIGMA) y.v[k] = clean_of_sigma(kind, a, before.v[k], y.v[k]);
        }
        return y;
    }
};

struct divided {
    const float *x, *y, *by;
    int64_t n;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const float divisor = by[i / n];
        numbers<V> z = load<V>(x + i), minus = {};
        if (y) minus = load<V>(y + i);
        for (int k = 0; k < V; k++) z.v[k] = (y ? z.v[k] - minus.v[k] : z.v[k]) / divisor;
        return z;
    }
};

struct clipped {
    const float *x, *limit;
    int64_t n;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const float most = limit[i / n];
        numbers<V> y = load<V>(x + i);
        for (int k = 0; k < V; k++) y.v[k] = fminf(fmaxf(y.v[k], -most), most);
        return y;
    }
};

struct blended {
    const float *x, *under, *mask;
    int64_t n, plane;
    template <int V> __device__ numbers<V> at(int64_t i) const {
        const numbers<V> below = load<V>(under + i), m = load<V>(mask + i / n * plane + i % n % plane);
        numbers<V> y = load<V>(x + i);
        for (int k = 0; k < V; k++) y.v[k] = (1.0f - m.v[k]) * below.v[k] + m.v[k] * y.v[k];
        return y;
    }
};

bool terms_are_aligned(const df_cuda_terms *t) {
    for (int i = 0; i < t->n_terms; i++)
        if (!are_aligned(t->term[i])) return false;
    return true;
}

constexpr int wide = wide_for<float>;

} // namespace

cudaError_t df_cuda_combine(float *out, const df_cuda_terms *terms, const float *coef, int64_t rows, int64_t n,
                            cudaStream_t stream) {
    if (terms->n_terms < 1 || terms->n_terms > DF_CUDA_MAX_TERMS) return cudaErrorInvalidValue;
    const combined f = { *terms, coef, n };
    return run_pointwise<wide>(out, f, rows * n, n, are_aligned(out) && terms_are_aligned(terms), stream);
}

cudaError_t df_cuda_predict(float *out, df_cuda_predicted what, df_prediction kind, const float *levels, const float *x,
                            const float *predicted, int64_t rows, int64_t n, cudaStream_t stream) {
    const of_prediction f = { what, kind, levels, x, predicted, n };
    return run_pointwise<wide>(out, f, rows * n, n, are_aligned(out, x, predicted), stream);
}

cudaError_t df_cuda_divide(float *out, const float *x, const float *y, const float *by, int64_t rows, int64_t n,
                           cudaStream_t stream) {
    const divided f = { x, y, by, n };
    return run_pointwise<wide>(out, f, rows * n, n, are_aligned(out, x, y), stream);
}

cudaError_t df_cuda_clip(float *x, const float *limit, int64_t rows, int64_t n, cudaStream_t stream) {
    const clipped f = { x, limit, n };
    return run_pointwise<wide>(x, f, rows * n, n, are_aligned(x), stream);
}

cudaError_t df_cuda_blend(float *x, const float *under, const float *mask, int64_t rows, int64_t n, int64_t plane,
                          cudaStream_t stream) {
    const blended f = { x, under, mask, n, plane };
    return run_pointwise<wide>(x, f, rows * n, plane, are_aligned(x, under, mask), stream);
}
