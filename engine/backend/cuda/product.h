/* linear, and a convolution that is one: y = act(x W^T + bias + add_channel) + residual by cuBLASLt.
 *
 * A row of the batch is one matrix of a batched product: x [positions][k] times W [out][k], W the same for all. The
 * algorithm is chosen once, for one row, among those that split no sum (and none is chosen anew for another number of
 * rows). Where the library does not take it for a batch of n, rows are multiplied one after the other. Either way a
 * row's result is that of the product for one row (docs/gpu.md).
 *
 * The library's epilogue does what means the same numbers: bias (in 16 bits only where none of it has to be rounded),
 * relu and tanh-gelu behind it, and a plain residual as the matrix that the product is added to. */
#ifndef DF_ENGINE_BACKEND_CUDA_PRODUCT_H
#define DF_ENGINE_BACKEND_CUDA_PRODUCT_H

#include "engine/backend/cuda/kernel.h"

/* To be called from an op's open; weights [out][k] and [out], NULL without a bias. Into k->state. */
df_code df_cuda_product_open(df_kernel *k, int64_t positions, int64_t inner, int64_t out, const float *const *weights,
                             df_err *err);
size_t df_cuda_product_weight_bytes(const df_kernel *k); /* of what open makes */
void df_cuda_product_close(df_kernel *k);
df_code df_cuda_product_prepare(df_kernel *k, int64_t n_rows, size_t *scratch_bytes, df_err *err);
df_code df_cuda_product_run(const df_kernel *k, const df_cuda_run *r, df_err *err);

#endif
