/* Trajectory consistency sampling: eta (gamma in the paper) says how far each jump goes past its goal and comes back
 * with noise. Source: Zheng et al. 2024 (arXiv:2402.19159), algorithm 3. Reference: diffusers' TCDScheduler. */
#include <math.h>

#include "engine/samplers/sampler_ops.h"

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    bool last = call + 1 == s->n_calls;
    int t = (int)s->timesteps[call], goal = last ? 0 : (int)s->timesteps[call + 1];
    int jump = (int)floor((1 - s->eta) * goal);
    float a = sqrtf(s->abar[t]), b = sqrtf(1.0f - s->abar[t]);
    float landing = s->abar[jump], to_clean = sqrtf(landing), to_noise = sqrtf(1.0f - landing);
    float *clean = s->history[0], *noise = s->scratch;
    df_clean(s, clean, a, b, x, model_output);
    df_noise_in(s, noise, a, b, x, model_output);
    df_mix(s, x, { to_clean, clean }, { to_noise, noise });
    if (last || s->eta <= 0) return DF_OK;

    df_code rc = df_sampler_draw(s, draw, err);
    if (rc) return rc;
    float kept = s->abar[goal] / landing;
    df_mix(s, x, { sqrtf(kept), x }, { sqrtf(1.0f - kept), s->noise });
    return DF_OK;
}

const df_sampler_ops df_tcd_ops = { .plan = df_sampler_distilled_plan, .step = step, .n_history = 1 };
