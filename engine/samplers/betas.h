/* Beta schedules: how much noise each training step adds, and the product abar that follows (alphas_cumprod).
 * Sources: linear, Ho et al. 2020; scaled_linear, Rombach et al. 2022; squaredcos_cap_v2, Nichol and Dhariwal 2021;
 * zero terminal SNR, Lin et al. 2023, algorithm 1. All tables are f32, as the library keeps them. */
#ifndef DF_ENGINE_SAMPLERS_BETAS_H
#define DF_ENGINE_SAMPLERS_BETAS_H

#include "engine/samplers/scheduler.h"

/* betas[n_train_timesteps]; alphas_cumprod follows from it by df_betas_cumprod. */
void df_betas_fill(const df_scheduler *s, float *betas);
/* abar[t] = product of (1 - betas[i]) for i = 0..t; abar may be betas. */
void df_betas_cumprod(const float *betas, int n, float *abar);

#endif
