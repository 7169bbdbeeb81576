/* Keeping a predicted clean sample within range. */
#ifndef DF_ENGINE_SAMPLERS_CLEAN_LIMIT_H
#define DF_ENGINE_SAMPLERS_CLEAN_LIMIT_H

#include "engine/samplers/sampler_ops.h"

/* As the config says: dynamic thresholding (Saharia et al. 2022, arXiv:2205.11487, section 2.3), or clipping to
 * +-clip_sample_range, or nothing. The quantile that thresholding looks for is the host's work: where clean is a
 * device's, the host reads it, and so waits. */
df_code df_clean_limit(df_sampler *s, float *clean, df_err *err);
void df_clean_clip(const df_sampler *s, float *clean);
df_code df_clean_threshold(df_sampler *s, float *clean, df_err *err);

#endif
