/* The CUDA kernels of a sampling step outside the graph: noise, guidance, the samplers' arithmetic, pictures.
 *
 * Latents are f32 [n], one row a launch, what the model has put out is of `type`. Coefficients are arguments, so that a
 * step has nothing to copy to the device. The arithmetic is that of engine/samplers/vectors.h on the host, operation by
 * operation in f32, so that a step's bytes are the same on both (sine, cosine and logarithm of noise apart, where a
 * device has its own). Everything else as kernels.h says. */
#ifndef DF_ENGINE_BACKEND_CUDA_KERNELS_SAMPLING_H
#define DF_ENGINE_BACKEND_CUDA_KERNELS_SAMPLING_H

#include <cuda_runtime_api.h>

#include "engine/dtype.h"
#include "engine/samplers/vectors.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Noise -------------------------------------------------------------------------------------------------------- */

/* out [n]: what df_torch_cuda_normal draws from that seed and offset on a GPU of `grid` blocks
 * (engine/noise/torch_cuda.h). The next draw's offset is df_cuda_normal_advance later. */
cudaError_t df_cuda_normal(float *out, int64_t n, uint64_t seed, uint64_t offset, uint32_t grid, cudaStream_t stream);
uint64_t df_cuda_normal_advance(int64_t n, uint32_t grid);

/* --- Guidance ----------------------------------------------------------------------------------------------------- */

/* out = uncond + scale * (cond - uncond); uncond NULL: out = cond. Ho and Salimans 2022, arXiv:2207.12598. */
cudaError_t df_cuda_guidance(float *out, df_dtype type, const void *cond, const void *uncond, float scale, int64_t n,
                             cudaStream_t stream);

/* df_guidance_rescale of out [n], amount 0..1; deviations in f64. Lin et al. 2023, arXiv:2305.08891,
 * section 3.4. */
cudaError_t df_cuda_guidance_rescale(float *out, df_dtype type, const void *cond, float amount, int64_t n,
                                     cudaStream_t stream);

/* --- The samplers' arithmetic ---------------------------------------------------------------------------------------
 */

/* out = (..(by[0] * x[0] + by[1] * x[1]) + ..), rounded after each product and each sum; out may be a term. 1 to
 * DF_VECTORS_MAX_TERMS terms, else cudaErrorInvalidValue. A product by 1 or -1 is exact. */
cudaError_t df_cuda_combine(float *out, const df_term *terms, int n_terms, int64_t n, cudaStream_t stream);

/* df_predicted_of (engine/samplers/prediction.h). out may be x or predicted. */
cudaError_t df_cuda_predict(float *out, df_predicted what, df_prediction kind, float a, float b, const float *x,
                            const float *predicted, int64_t n, cudaStream_t stream);

/* out = (x - y) / by: the slope of an ODE over sigma. y NULL: x / by, what scales a model's input. */
cudaError_t df_cuda_divide(float *out, const float *x, const float *y, float by, int64_t n, cudaStream_t stream);

/* x clamped to +-limit. */
cudaError_t df_cuda_clip(float *x, float limit, int64_t n, cudaStream_t stream);

/* x = (1 - mask) * under + mask * x; mask [plane], n a multiple of plane: one for every channel. */
cudaError_t df_cuda_blend(float *x, const float *under, const float *mask, int64_t n, int64_t plane,
                          cudaStream_t stream);

/* --- Results ------------------------------------------------------------------------------------------------------ */

/* bad[r] = 1 where a number of x [rows][n] is not finite; otherwise bad[r] stays what it was: clear it before. */
cudaError_t df_cuda_find_not_finite(int32_t *bad, df_dtype type, const void *x, int64_t rows, int64_t n,
                                    cudaStream_t stream);

/* rgb = 255 * clamp(x / 2 + 0.5, 0, 1), half to even, as df_picture_quantize; bad as above, such a number gives 0. */
cudaError_t df_cuda_picture(uint8_t *rgb, int32_t *bad, df_dtype type, const void *x, int64_t rows, int64_t n,
                            cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
