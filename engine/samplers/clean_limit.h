/* Keeping a predicted clean sample within range. */
#ifndef DF_ENGINE_SAMPLERS_CLEAN_LIMIT_H
#define DF_ENGINE_SAMPLERS_CLEAN_LIMIT_H

#include "engine/samplers/scheduler.h"

/* As the config says: dynamic thresholding (Saharia et al. 2022, arXiv:2205.11487, section 2.3), or clipping to
 * +-clip_sample_range, or nothing. scratch [n]. */
void df_clean_limit(const df_scheduler *s, float *clean, size_t n, float *scratch);
void df_clean_clip(const df_scheduler *s, float *clean, size_t n);
void df_clean_threshold(const df_scheduler *s, float *clean, size_t n, float *scratch);

#endif
