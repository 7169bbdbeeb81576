/* Heun's second-order method over sigma: two calls a step, the last step one. Source: Karras et al. 2022
 * (arXiv:2206.00364), algorithm 1. Reference: diffusers' HeunDiscreteScheduler. */
#include "engine/samplers/clean_limit.h"

enum { ORIGIN, SLOPE, CLEAN, N_TENSORS };

static df_code plan(df_sampler *s, df_err *err) {
    return df_sampler_sigma_plan(s, 2, err);
}

/* The slope at sigma becomes s->history[CLEAN]. */
static float *slope_at(df_sampler *s, float sigma, const float *model_output, const float *x) {
    float *slope = s->history[CLEAN];
    df_clean_at_sigma(s, slope, sigma, x, model_output);
    df_clean_clip(s, slope);
    df_divide(s, slope, x, slope, sigma);
    return slope;
}

static void predict(df_sampler *s, int call, const float *model_output, float *x) {
    float sigma = s->sigmas[call], dt = s->sigmas[call + 1] - sigma;
    const float *slope = slope_at(s, sigma, model_output, x);
    df_keep(s, s->history[ORIGIN], x);
    df_keep(s, s->history[SLOPE], slope);
    df_mix(s, x, { 1, x }, { dt, slope });
}

static void correct(df_sampler *s, int call, const float *model_output, float *x) {
    float sigma = s->sigmas[call], dt = sigma - s->sigmas[call - 1];
    float *slope = slope_at(s, sigma, model_output, x);
    df_mix(s, slope, { 1, s->history[SLOPE] }, { 1, slope });
    df_mix(s, x, { 1, s->history[ORIGIN] }, { dt / 2.0f, slope });
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    (void)draw, (void)err;
    if (s->n_done % 2)
        correct(s, call, model_output, x);
    else
        predict(s, call, model_output, x);
    return DF_OK;
}

const df_sampler_ops df_heun_ops = { .plan = plan, .step = step, .scales_input = true, .n_history = N_TENSORS };
