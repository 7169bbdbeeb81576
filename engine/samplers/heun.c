/* Heun's second-order method over sigma: two calls a step, the last step one. Source: Karras et al. 2022
 * (arXiv:2206.00364), algorithm 1. Reference: diffusers' HeunDiscreteScheduler. */
#include <string.h>

#include "engine/samplers/clean_limit.h"
#include "engine/samplers/prediction.h"
#include "engine/samplers/sampler_ops.h"

enum { ORIGIN, SLOPE, CLEAN, N_TENSORS };

static df_code plan(df_sampler *s, df_err *err) {
    return df_sampler_sigma_plan(s, 2, err);
}

/* The slope at sigma becomes s->history[CLEAN]. */
static float *slope_at(df_sampler *s, float sigma, const float *model_output, const float *x) {
    float *slope = s->history[CLEAN];
    for (size_t i = 0; i < s->n; i++) slope[i] = df_clean_of_sigma(s->cfg.prediction, sigma, x[i], model_output[i]);
    df_clean_clip(&s->cfg, slope, s->n);
    for (size_t i = 0; i < s->n; i++) slope[i] = (x[i] - slope[i]) / sigma;
    return slope;
}

static void predict(df_sampler *s, int call, const float *model_output, float *x) {
    float sigma = s->sigmas[call], dt = s->sigmas[call + 1] - sigma;
    const float *slope = slope_at(s, sigma, model_output, x);
    memcpy(s->history[ORIGIN], x, s->n * sizeof *x);
    memcpy(s->history[SLOPE], slope, s->n * sizeof *x);
    for (size_t i = 0; i < s->n; i++) x[i] += slope[i] * dt;
}

static void correct(df_sampler *s, int call, const float *model_output, float *x) {
    float sigma = s->sigmas[call], dt = sigma - s->sigmas[call - 1];
    const float *slope = slope_at(s, sigma, model_output, x);
    const float *origin = s->history[ORIGIN], *first = s->history[SLOPE];
    for (size_t i = 0; i < s->n; i++) x[i] = origin[i] + (first[i] + slope[i]) / 2.0f * dt;
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
