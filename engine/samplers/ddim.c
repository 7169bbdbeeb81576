/* DDIM. Source: Song et al. 2021 (arXiv:2010.02502), eq. 12 and 16. Reference: diffusers' DDIMScheduler. */
#include <math.h>

#include "engine/samplers/clean_limit.h"
#include "engine/samplers/prediction.h"
#include "engine/samplers/sampler_ops.h"

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    df_prediction kind = s->cfg.prediction;
    int t = (int)s->timesteps[call];
    float abar = s->abar[t], before = df_sampler_abar(s, t - s->cfg.n_train_timesteps / s->n_steps);
    float a = sqrtf(abar), b = sqrtf(1.0f - abar);
    float *clean = s->history[0], *noise = s->history[1];
    for (size_t i = 0; i < s->n; i++) {
        clean[i] = df_clean_of(kind, a, b, x[i], model_output[i]);
        noise[i] = df_noise_of(kind, a, b, x[i], model_output[i]); /* of the prediction, not of the limited clean */
    }
    df_clean_limit(&s->cfg, clean, s->n, s->scratch);

    float variance = ((1.0f - before) / (1.0f - abar)) * (1.0f - abar / before);
    float sigma = (float)s->eta * sqrtf(variance);
    float to_clean = sqrtf(before), to_noise = sqrtf(1.0f - before - sigma * sigma);
    for (size_t i = 0; i < s->n; i++) x[i] = to_clean * clean[i] + to_noise * noise[i];
    if (s->eta <= 0) return DF_OK;

    df_code rc = df_sampler_draw(s, draw, err);
    if (rc) return rc;
    for (size_t i = 0; i < s->n; i++) x[i] += sigma * s->noise[i];
    return DF_OK;
}

const df_sampler_ops df_ddim_ops = { .plan = df_sampler_whole_plan, .step = step, .n_history = 2 };
