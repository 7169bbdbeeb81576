/* One sigma in the terms of DPM-Solver: x = alpha * clean + sigma * noise, lambda = log(alpha / sigma). */
#ifndef DF_ENGINE_SAMPLERS_LOG_SNR_H
#define DF_ENGINE_SAMPLERS_LOG_SNR_H

#include <math.h>

typedef struct df_log_snr {
    float alpha, sigma, lambda; /* lambda is infinite at sigma 0 */
} df_log_snr;

static inline df_log_snr df_log_snr_of(float sigma) {
    float alpha = 1.0f / sqrtf(sigma * sigma + 1.0f);
    return (df_log_snr) { alpha, sigma * alpha, logf(alpha) - logf(sigma * alpha) };
}

#endif
