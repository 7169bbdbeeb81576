#include "launch.cuh"

static __global__ void embedding(float *y, const int32_t *ids, const float *token, const float *position,
                                 int64_t elements, int tokens, int d) {
    for (int64_t i = first_index(); i < elements; i += index_stride()) {
        const int64_t place = i / d, column = i % d;
        y[i] = token[(int64_t)ids[place] * d + column] + position[place % tokens * d + column];
    }
}

/* One thread an angle: element j of the first half is sin, of the second cos (swapped by cos_first). */
static __global__ void timestep_embedding(float *y, const double *t, int64_t elements, int dim, int cos_first,
                                          double freq_shift, double max_period, double scale) {
    const int half = dim / 2;
    for (int64_t i = first_index(); i < elements; i += index_stride()) {
        const int column = (int)(i % dim), j = column % (half > 0 ? half : 1);
        if (column >= 2 * half) { /* odd dim: the last element is zero */
            y[i] = 0.0f;
            continue;
        }
        const double angle = scale * t[i / dim] * exp(-log(max_period) * j / (half - freq_shift));
        const bool is_cos = (column < half) == (cos_first != 0);
        y[i] = (float)(is_cos ? cos(angle) : sin(angle));
    }
}

cudaError_t df_cuda_embedding(float *y, const int32_t *ids, const float *token, const float *position, int64_t rows,
                              int tokens, int d, cudaStream_t stream) {
    const int64_t elements = rows * tokens * d;
    DF_LAUNCH(embedding, blocks_for(elements), threads_per_block, stream, y, ids, token, position, elements, tokens, d);
    return DF_LAUNCH_ERROR();
}

cudaError_t df_cuda_timestep_embedding(float *y, const double *t, int64_t n, int dim, int cos_first,
                                       double freq_shift, double max_period, double scale, cudaStream_t stream) {
    const int64_t elements = n * dim;
    DF_LAUNCH(timestep_embedding, blocks_for(elements), threads_per_block, stream, y, t, elements, dim, cos_first,
              freq_shift, max_period, scale);
    return DF_LAUNCH_ERROR();
}
