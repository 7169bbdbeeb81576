/* DDPM's ancestral sampling. Source: Ho et al. 2020 (arXiv:2006.11239), eq. 7 and 15. Reference: diffusers'
 * DDPMScheduler, whose previous timestep is the next one of the walk. */
#include <math.h>

#include "engine/samplers/clean_limit.h"

static df_code plan(df_sampler *s, df_err *err) {
    s->final_abar = 1; /* whatever set_alpha_to_one says: DDPM has no such option */
    return df_sampler_whole_plan(s, err);
}

static df_code add_variance(df_sampler *s, float variance, float *x, df_draw draw, df_err *err) {
    df_code rc = df_sampler_draw(s, draw, err);
    if (rc) return rc;
    float sigma = sqrtf(fmaxf(variance, 1e-20f));
    df_mix(s, x, { 1, x }, { sigma, s->noise });
    return DF_OK;
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    int t = (int)s->timesteps[call];
    float abar = s->abar[t];
    float before = df_sampler_abar(s, call + 1 < s->n_calls ? (int)s->timesteps[call + 1] : -1);
    float a = sqrtf(abar), b = sqrtf(1.0f - abar);
    float *clean = s->history[0];
    df_clean(s, clean, a, b, x, model_output);
    df_code rc = df_clean_limit(s, clean, err);
    if (rc) return rc;

    float alpha = abar / before, beta = 1.0f - alpha;
    float of_clean = sqrtf(before) * beta / (1.0f - abar);
    float of_x = sqrtf(alpha) * (1.0f - before) / (1.0f - abar);
    df_mix(s, x, { of_clean, clean }, { of_x, x });
    if (t <= 0) return DF_OK;
    float small = (1.0f - before) / (1.0f - abar) * beta;
    return add_variance(s, s->cfg.variance_large ? beta : small, x, draw, err);
}

const df_sampler_ops df_ddpm_ops = { .plan = plan, .step = step, .n_history = 1 };
