/* DDIM. Source: Song et al. 2021 (arXiv:2010.02502), eq. 12 and 16. Reference: diffusers' DDIMScheduler. */
#include <math.h>

#include "engine/samplers/clean_limit.h"

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    int t = (int)s->timesteps[call];
    float abar = s->abar[t], before = df_sampler_abar(s, t - s->cfg.n_train_timesteps / s->n_steps);
    float a = sqrtf(abar), b = sqrtf(1.0f - abar);
    float *clean = s->history[0], *noise = s->history[1];
    df_clean(s, clean, a, b, x, model_output);
    df_noise_in(s, noise, a, b, x, model_output); /* of the prediction, not of the limited clean */
    df_code rc = df_clean_limit(s, clean, err);
    if (rc) return rc;

    float variance = ((1.0f - before) / (1.0f - abar)) * (1.0f - abar / before);
    float sigma = (float)s->eta * sqrtf(variance);
    float to_clean = sqrtf(before), to_noise = sqrtf(1.0f - before - sigma * sigma);
    df_mix(s, x, { to_clean, clean }, { to_noise, noise });
    if (s->eta <= 0) return DF_OK;

    if ((rc = df_sampler_draw(s, draw, err))) return rc;
    df_mix(s, x, { 1, x }, { sigma, s->noise });
    return DF_OK;
}

const df_sampler_ops df_ddim_ops = { .plan = df_sampler_whole_plan, .step = step, .n_history = 2 };
