/* Forward diffusion: q(x_t | x_0), a clean sample at any noise level in one go.
 *
 *   df_forward_level level;
 *   df_forward_level_at(&level, &scheduler, t, &err);
 *   df_forward_noise(&level, x_0, noise, x_t, n);               x_t = signal * x_0 + noise * epsilon
 *
 * Diffusion: signal = sqrt(abar_t), noise = sqrt(1 - abar_t); Ho et al. 2020 (arXiv:2006.11239), eq. 4. Its t counts
 * from 1, here from 0: abar_t is alphas_cumprod[t].
 * Flow matching: noise = sigma_t, signal = 1 - sigma_t, with sigma_t = (t + 1) / N shifted; Lipman et al. 2023
 * (arXiv:2210.02747).
 * Arithmetic is f32, as in diffusers' add_noise and scale_noise. To start a sampler half-way use df_sampler_add_noise,
 * which knows its class' scale and its steps. Threads: plain values, nothing is shared. */
#ifndef DF_ENGINE_SAMPLERS_FORWARD_H
#define DF_ENGINE_SAMPLERS_FORWARD_H

#include "engine/samplers/scheduler.h"

enum { DF_FORWARD_CLEAN = -1 };

typedef struct df_forward_level {
    int t; /* 0..n_train_timesteps-1, or DF_FORWARD_CLEAN */
    float abar; /* NAN in flow matching, which has none */
    float signal, noise;
} df_forward_level;

/* DF_EINVAL unless t is one of 0..n_train_timesteps-1. */
df_code df_forward_level_at(df_forward_level *out, const df_scheduler *s, int t, df_err *err);

/* out[n], evenly spaced from clean (DF_FORWARD_CLEAN) to the last timestep. DF_EINVAL unless 2 <= n <=
 * n_train_timesteps + 1. */
df_code df_forward_levels(df_forward_level *out, const df_scheduler *s, int n, df_err *err);

/* out may be sample or epsilon. */
void df_forward_noise(const df_forward_level *level, const float *sample, const float *epsilon, float *out, size_t n);

double df_forward_snr(const df_forward_level *level); /* (signal / noise)^2; infinite where it is clean */

#endif
