/* The CUDA kernels of a sampling step outside the graph: noise, guidance, the samplers' arithmetic, pictures.
 *
 * Latents are f32 [rows][n], what the model has put out is of `type`. Coefficients are per row, on the device: rows at
 * different steps of different walks share a launch. Each row's arithmetic is that of engine/samplers on the CPU,
 * operation by operation in f32, so that a step's bytes are the same on both (sine, cosine and logarithm of noise
 * apart, where a device has its own). Everything else as kernels.h says. */
#ifndef DF_ENGINE_BACKEND_CUDA_KERNELS_SAMPLING_H
#define DF_ENGINE_BACKEND_CUDA_KERNELS_SAMPLING_H

#include <cuda_runtime_api.h>

#include "engine/dtype.h"
#include "engine/samplers/scheduler.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Noise -------------------------------------------------------------------------------------------------------- */

/* A row's generator, as df_torch_cuda has it. */
typedef struct df_cuda_noise_row {
    uint64_t seed, offset;
} df_cuda_noise_row;

/* out [rows][n]: each row what df_torch_cuda_normal draws from that seed and offset on a GPU of `grid` blocks
 * (engine/noise/torch_cuda.h). from [rows], on the device; the next draw's offset is df_cuda_normal_advance later. */
cudaError_t df_cuda_normal(float *out, const df_cuda_noise_row *from, int64_t rows, int64_t n, uint32_t grid,
                           cudaStream_t stream);
uint64_t df_cuda_normal_advance(int64_t n, uint32_t grid);

/* --- Guidance ----------------------------------------------------------------------------------------------------- */

/* out = uncond + scale[r] * (cond - uncond); uncond NULL: out = cond. Ho and Salimans 2022, arXiv:2207.12598. */
cudaError_t df_cuda_guidance(float *out, df_dtype type, const void *cond, const void *uncond, const float *scale,
                             int64_t rows, int64_t n, cudaStream_t stream);

/* df_guidance_rescale of out [rows][n], amount[r] 0..1; deviations in f64. Lin et al. 2023, arXiv:2305.08891,
 * section 3.4. */
cudaError_t df_cuda_guidance_rescale(float *out, df_dtype type, const void *cond, const float *amount, int64_t rows,
                                     int64_t n, cudaStream_t stream);

/* --- The samplers' arithmetic ---------------------------------------------------------------------------------------
 */

enum { DF_CUDA_MAX_TERMS = 8 };

/* out[r] = (..(coef[r][0] * term[0][r] + coef[r][1] * term[1][r]) + ..), rounded after each product and each sum; out
 * may be a term. coef [rows][n_terms]. A product by 1 or -1 is exact: x - d has the coefficients 1 and -1. */
typedef struct df_cuda_terms {
    const float *term[DF_CUDA_MAX_TERMS]; /* each [rows][n] */
    int n_terms; /* 1..DF_CUDA_MAX_TERMS */
} df_cuda_terms;
cudaError_t df_cuda_combine(float *out, const df_cuda_terms *terms, const float *coef, int64_t rows, int64_t n,
                            cudaStream_t stream);

/* engine/samplers/prediction.h at [rows][2] levels (a, b): df_clean_of, df_noise_of, and with sigma = a
 * df_clean_of_sigma. out may be x or predicted. */
typedef enum df_cuda_predicted { DF_CUDA_CLEAN, DF_CUDA_NOISE, DF_CUDA_CLEAN_OF_SIGMA } df_cuda_predicted;
cudaError_t df_cuda_predict(float *out, df_cuda_predicted what, df_prediction kind, const float *levels, const float *x,
                            const float *predicted, int64_t rows, int64_t n, cudaStream_t stream);

/* out = (x - y) / by[r]: the slope of an ODE over sigma. y NULL: x / by[r], what scales a model's input. */
cudaError_t df_cuda_divide(float *out, const float *x, const float *y, const float *by, int64_t rows, int64_t n,
                           cudaStream_t stream);

/* x clamped to +-limit[r]; an infinite limit leaves it as it is. */
cudaError_t df_cuda_clip(float *x, const float *limit, int64_t rows, int64_t n, cudaStream_t stream);

/* x = (1 - mask) * under + mask * x; mask [rows][plane], n a multiple of plane: one for every channel. */
cudaError_t df_cuda_blend(float *x, const float *under, const float *mask, int64_t rows, int64_t n, int64_t plane,
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
