/* DPM-Solver-2 over sigma, and its ancestral form: to the middle of the step, then from its start by the slope found
 * there. Sources: Karras et al. 2022 (arXiv:2206.00364), algorithm 2; k-diffusion, sample_dpm_2 and
 * sample_dpm_2_ancestral. Reference: diffusers' KDPM2DiscreteScheduler and KDPM2AncestralDiscreteScheduler. */
#include <math.h>
#include <stdlib.h>

#include "engine/samplers/midpoint.h"

enum { ORIGIN, N_TENSORS };

/* The library's table ends in three zeros. */
static df_code pad_sigmas(df_sampler *s, df_err *err) {
    enum { MORE = 2 };
    float *longer = realloc(s->sigmas, (size_t)(s->n_sigmas + MORE) * sizeof *longer);
    if (!longer) return df_err_set(err, DF_ENOMEM, "sampler '%s': table of sigmas", s->cfg.name);
    for (int i = 0; i < MORE; i++) longer[s->n_sigmas++] = 0;
    s->sigmas = longer;
    return DF_OK;
}

static df_code plan(df_sampler *s, df_err *err) {
    df_code rc = df_midpoint_plan(s, false, err);
    /* Karras timesteps are rounded in this class and in no other with fractional ones; the middles stay as they are. */
    for (int call = 0; !rc && call < s->n_calls && s->cfg.sigma_spacing == DF_SIGMAS_KARRAS; call += 2)
        s->timesteps[call] = rintf(s->timesteps[call]);
    return rc ? rc : pad_sigmas(s, err);
}

static df_code plan_ancestral(df_sampler *s, df_err *err) {
    df_code rc = df_midpoint_plan(s, true, err);
    return rc ? rc : pad_sigmas(s, err);
}

static void to_middle(df_sampler *s, int call, const float *model_output, float *x) {
    float sigma = s->sigmas[call], middle = call + 1 < s->n_calls ? s->model_sigmas[call + 1] : 0;
    df_keep(s, s->history[ORIGIN], x);
    df_slope(s, s->scratch, sigma, x, model_output);
    df_mix(s, x, { 1, x }, { middle - sigma, s->scratch });
}

static void to_end(df_sampler *s, int call, float end, const float *model_output, float *x) {
    df_slope(s, s->scratch, s->model_sigmas[call], x, model_output);
    df_mix(s, x, { 1, s->history[ORIGIN] }, { end - s->sigmas[call - 1], s->scratch });
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    (void)draw;
    df_code rc = df_midpoint_check(s, call, err);
    if (rc) return rc;
    if (call % 2)
        to_end(s, call, s->sigmas[call], model_output, x);
    else
        to_middle(s, call, model_output, x);
    return DF_OK;
}

static df_code step_ancestral(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    df_code rc = df_midpoint_check(s, call, err);
    if (rc) return rc;
    if (call % 2 == 0) {
        to_middle(s, call, model_output, x);
        return DF_OK;
    }
    if ((rc = df_sampler_draw(s, draw, err))) return rc;
    df_ancestral to = df_ancestral_of(s->sigmas[call - 1], s->sigmas[call]);
    to_end(s, call, to.down, model_output, x);
    df_mix(s, x, { 1, x }, { to.up, s->noise });
    return DF_OK;
}

const df_sampler_ops df_kdpm2_ops = { .plan = plan, .step = step, .scales_input = true, .n_history = N_TENSORS };
const df_sampler_ops df_kdpm2_ancestral_ops = {
    .plan = plan_ancestral, .step = step_ancestral, .scales_input = true, .n_history = N_TENSORS
};
