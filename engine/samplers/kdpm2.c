/* DPM-Solver-2 over sigma, and its ancestral form: to the middle of the step, then from its start by the slope found
 * there. Sources: Karras et al. 2022 (arXiv:2206.00364), algorithm 2; k-diffusion, sample_dpm_2 and
 * sample_dpm_2_ancestral. Reference: diffusers' KDPM2DiscreteScheduler and KDPM2AncestralDiscreteScheduler. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/samplers/midpoint.h"
#include "engine/samplers/prediction.h"

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

static float slope_of(const df_sampler *s, float sigma, float x, float model_output) {
    return (x - df_clean_of_sigma(s->cfg.prediction, sigma, x, model_output)) / sigma;
}

static void to_middle(df_sampler *s, int call, const float *model_output, float *x) {
    float sigma = s->sigmas[call], middle = call + 1 < s->n_calls ? s->model_sigmas[call + 1] : 0;
    memcpy(s->history[ORIGIN], x, s->n * sizeof *x);
    for (size_t i = 0; i < s->n; i++) x[i] += slope_of(s, sigma, x[i], model_output[i]) * (middle - sigma);
}

static void to_end(df_sampler *s, int call, float end, const float *model_output, float *x) {
    float middle = s->model_sigmas[call], dt = end - s->sigmas[call - 1];
    const float *origin = s->history[ORIGIN];
    for (size_t i = 0; i < s->n; i++) x[i] = origin[i] + slope_of(s, middle, x[i], model_output[i]) * dt;
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
    for (size_t i = 0; i < s->n; i++) x[i] += s->noise[i] * to.up;
    return DF_OK;
}

const df_sampler_ops df_kdpm2_ops = { .plan = plan, .step = step, .scales_input = true, .n_history = N_TENSORS };
const df_sampler_ops df_kdpm2_ancestral_ops = {
    .plan = plan_ancestral, .step = step_ancestral, .scales_input = true, .n_history = N_TENSORS
};
