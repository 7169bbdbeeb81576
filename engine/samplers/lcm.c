/* Latent consistency sampling: jump to the clean sample, then back to the next noise level. Source: Luo et al. 2023
 * (arXiv:2310.04378), algorithm 3. Reference: diffusers' LCMScheduler. */
#include <math.h>

#include "engine/samplers/clean_limit.h"

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    static const double sigma_data = 0.5;
    bool last = call + 1 == s->n_calls;
    int t = (int)s->timesteps[call];
    float a = sqrtf(s->abar[t]), b = sqrtf(1.0f - s->abar[t]);
    float *clean = s->history[0];
    df_clean(s, clean, a, b, x, model_output);
    df_code rc = df_clean_limit(s, clean, err);
    if (rc) return rc;

    double scaled = t * s->cfg.timestep_scaling, norm = scaled * scaled + sigma_data * sigma_data;
    float of_x = (float)(sigma_data * sigma_data / norm), of_clean = (float)(scaled / sqrt(norm));
    df_mix(s, x, { of_clean, clean }, { of_x, x });
    if (last) return DF_OK;

    if ((rc = df_sampler_draw(s, draw, err))) return rc;
    float next = s->abar[(int)s->timesteps[call + 1]];
    df_mix(s, x, { sqrtf(next), x }, { sqrtf(1.0f - next), s->noise });
    return DF_OK;
}

const df_sampler_ops df_lcm_ops = { .plan = df_sampler_distilled_plan, .step = step, .n_history = 1 };
