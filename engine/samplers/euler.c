/* Euler's method over sigma. Source: Karras et al. 2022 (arXiv:2206.00364), algorithm 2 without churn. Reference:
 * diffusers' EulerDiscreteScheduler. */
#include "engine/samplers/sampler_ops.h"

static df_code plan(df_sampler *s, df_err *err) {
    return df_sampler_sigma_plan(s, 1, err);
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    (void)draw, (void)err;
    float sigma = s->sigmas[call], dt = s->sigmas[call + 1] - sigma;
    df_slope(s, s->scratch, sigma, x, model_output);
    df_mix(s, x, { 1, x }, { dt, s->scratch });
    return DF_OK;
}

const df_sampler_ops df_euler_ops = { .plan = plan, .step = step, .scales_input = true };
