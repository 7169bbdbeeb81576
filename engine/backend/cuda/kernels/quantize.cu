/* quantize: a block for each place; its threads share the codes, the nearest of all wins, the first of equals. */
#include "element.cuh"

namespace {

constexpr int threads_per_place = 128;

struct candidate {
    double distance;
    int64_t code;
};

__device__ inline candidate nearer(candidate a, candidate b) {
    return b.distance < a.distance || (b.distance == a.distance && b.code < a.code) ? b : a;
}

template <class T>
__global__ void __launch_bounds__(threads_per_place)
    quantize(T *y, const T *x, const float *codebook, int64_t channels, int64_t vocab) {
    DF_SHARED(candidate, best, threads_per_place);
    const int64_t at = blockIdx.x * channels;
    candidate mine = { INFINITY, 0 };
    for (int64_t code = threadIdx.x; code < vocab; code += threads_per_place) {
        double sum = 0.0;
        for (int64_t c = 0; c < channels; c++) {
            const double d = (double)to_float(x[at + c]) - (double)codebook[code * channels + c];
            sum += d * d;
        }
        mine = nearer(mine, { sum, code });
    }
    best[threadIdx.x] = mine;
    __syncthreads();
    for (int apart = threads_per_place / 2; apart > 0; apart /= 2) {
        if ((int)threadIdx.x < apart) best[threadIdx.x] = nearer(best[threadIdx.x], best[threadIdx.x + apart]);
        __syncthreads();
    }
    for (int64_t c = threadIdx.x; c < channels; c += threads_per_place)
        y[at + c] = rounded<T>(codebook[best[0].code * channels + c]);
}

} // namespace

cudaError_t df_cuda_quantize(df_dtype type, void *y, const void *x, const float *codebook, int64_t places,
                             int64_t channels, int64_t vocab, cudaStream_t stream) {
    return for_type(type, [&](auto t) {
        typedef decltype(t) T;
        return launch(quantize<T>, places, threads_per_place, 0, stream, (T *)y, (const T *)x, codebook, channels,
                      vocab);
    });
}
