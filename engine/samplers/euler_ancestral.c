/* Euler's method that goes below the next sigma and comes back up with fresh noise. Source: k-diffusion,
 * sample_euler_ancestral. Reference: diffusers' EulerAncestralDiscreteScheduler. */
#include <math.h>

#include "engine/samplers/sampler_ops.h"

static df_code plan(df_sampler *s, df_err *err) {
    return df_sampler_sigma_plan(s, 1, err);
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    float from = s->sigmas[call], to = s->sigmas[call + 1];
    float up = sqrtf(to * to * (from * from - to * to) / (from * from));
    float dt = sqrtf(to * to - up * up) - from;
    df_code rc = df_sampler_draw(s, draw, err); /* at the last step as well, where up is 0 */
    if (rc) return rc;
    df_slope(s, s->scratch, from, x, model_output);
    df_mix(s, x, { 1, x }, { dt, s->scratch }, { up, s->noise });
    return DF_OK;
}

const df_sampler_ops df_euler_ancestral_ops = { .plan = plan, .step = step, .scales_input = true };
