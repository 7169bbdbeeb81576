#include "launch.cuh"

/* PyTorch computes the source index in f32: floor(i * ((float)in / out)), cut to in - 1. */
__device__ static inline int source_index(int i, int in, int out) {
    const int s = (int)floorf((float)i * ((float)in / (float)out));
    return s < in - 1 ? s : in - 1;
}

static __global__ void upsample_nearest(float *y, const float *x, int64_t elements, int h, int w, int oh, int ow, int c) {
    for (int64_t i = first_index(); i < elements; i += index_stride()) {
        const int64_t pixel = i / c, row = pixel / ow / oh;
        const int sy = source_index((int)(pixel / ow % oh), h, oh), sx = source_index((int)(pixel % ow), w, ow);
        y[i] = x[((row * h + sy) * w + sx) * c + i % c];
    }
}

cudaError_t df_cuda_upsample_nearest(float *y, const float *x, int64_t rows, int h, int w, int oh, int ow, int c,
                                     cudaStream_t stream) {
    const int64_t elements = rows * oh * ow * c;
    DF_LAUNCH(upsample_nearest, blocks_for(elements), threads_per_block, stream, y, x, elements, h, w, oh, ow, c);
    return DF_LAUNCH_ERROR();
}
