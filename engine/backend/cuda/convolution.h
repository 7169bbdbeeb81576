/* A convolution by cuDNN, channels last, and what is fused behind it: of conv2d and upsample_conv2d.
 *
 * Each row is a convolution of one picture of its own, all by one algorithm that the node chooses when it is opened:
 * the library is never asked for a batch, so its choice cannot depend on one (docs/gpu.md). Pictures that do not begin
 * at a multiple of 16 bytes in a batch are brought to one, so that not even their place shows. Padding that is not the
 * same on both sides is made by a kernel before. */
#ifndef DF_ENGINE_BACKEND_CUDA_CONVOLUTION_H
#define DF_ENGINE_BACKEND_CUDA_CONVOLUTION_H

#include "engine/backend/cuda/kernel.h"

typedef struct df_cuda_convolution df_cuda_convolution;

/* Of a picture `in` [H][W][C] that the node's attributes, or a 3x3 kernel's with padding 1 behind upsampling, turn into
 * the node's result. weights [out][C][k][k], and [out] or NULL. Also on failure *out is to be closed. */
df_code df_cuda_convolution_open(df_cuda_convolution **out, df_kernel *k, df_shape in, df_conv_attr attr,
                                 const float *const *weights, df_err *err);
void df_cuda_convolution_close(const df_kernel *k, df_cuda_convolution *c); /* accepts NULL */
size_t df_cuda_convolution_weight_bytes(const df_kernel *k);

size_t df_cuda_convolution_scratch_bytes(const df_kernel *k, const df_cuda_convolution *c, int64_t n_rows);
/* From x [n_rows][H][W][C], with everything that is fused into the node, to r->out. */
df_code df_cuda_convolution_run(const df_kernel *k, const df_cuda_convolution *c, const df_cuda_run *r, const void *x,
                                char *scratch, df_err *err);

#endif
