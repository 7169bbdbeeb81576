/* PNDM: linear multistep over the DDIM transfer, after a Runge-Kutta warm-up or (skip_prk_steps) a doubled first step.
 * Source: Liu et al. 2022 (arXiv:2202.09778), eq. 9, 12, 13. Reference: diffusers' PNDMScheduler. */
#include <math.h>
#include <stdlib.h>

#include "engine/samplers/sampler_ops.h"
#include "engine/samplers/spacing.h"

enum {
    ORDER = 4, /* model outputs that the multistep formula looks back on */
    ORIGIN = ORDER, /* history: x before the step that several calls refine */
    SUM = ORDER + 1, /* history: the Runge-Kutta average under way */
    PRK_CALLS = 12 /* the first three steps, four calls each */
};

/* t[n] rises here: t[n-1] is where the walk begins. The second timestep is visited twice. */
static df_code plan_plms(df_sampler *s, const double *t, df_err *err) {
    int n = s->n_steps, repeated = n > 1;
    df_code rc = df_sampler_alloc_calls(s, n + repeated, 0, err);
    for (int i = 0; !rc && i < s->n_calls; i++) s->timesteps[i] = (float)t[n - 1 - (i < 2 ? i : i - repeated)];
    return rc;
}

/* Each of the first three steps is cut in half: from t over t - half twice and to the next t, which the step after it
 * visits again. */
static df_code plan_prk(df_sampler *s, const double *t, df_err *err) {
    int n = s->n_steps, half = s->cfg.n_train_timesteps / n / 2;
    if (n < ORDER)
        return df_err_set(err, DF_EINVAL,
                          "sampler '%s': the Runge-Kutta warm-up (skip_prk_steps false) takes %d steps or "
                          "more, not %d",
                          s->cfg.name, ORDER, n);
    df_code rc = df_sampler_alloc_calls(s, PRK_CALLS + n - 3, 0, err);
    if (rc) return rc;
    for (int step = 0; step < 3; step++) {
        double from = t[n - 1 - step], to = t[n - 2 - step];
        float *call = s->timesteps + 4 * step;
        call[0] = (float)from;
        call[1] = call[2] = (float)(to + half);
        call[3] = (float)to;
    }
    for (int i = PRK_CALLS; i < s->n_calls; i++) s->timesteps[i] = (float)t[n - 1 - (i - PRK_CALLS + 3)];
    return DF_OK;
}

static df_code plan_from(df_sampler *s, double *t, df_err *err) {
    df_spacing_fill(&s->cfg, s->n_steps, false, t);
    if (t[0] > s->cfg.n_train_timesteps - 1 || t[s->n_steps - 1] < 0)
        return df_err_set(err, DF_EINVAL,
                          "sampler '%s': %d steps begin at timestep %g of %d (steps_offset is %d); take "
                          "fewer steps",
                          s->cfg.name, s->n_steps, t[0], s->cfg.n_train_timesteps, s->cfg.steps_offset);
    for (int i = 0; i < s->n_steps / 2; i++) {
        double swap = t[i];
        t[i] = t[s->n_steps - 1 - i];
        t[s->n_steps - 1 - i] = swap;
    }
    return s->cfg.skip_prk_steps ? plan_plms(s, t, err) : plan_prk(s, t, err);
}

static df_code plan(df_sampler *s, df_err *err) {
    double *t = calloc((size_t)s->n_steps, sizeof *t);
    if (!t) return df_err_set(err, DF_ENOMEM, "sampler '%s': tables of %d steps", s->cfg.name, s->n_steps);
    df_code rc = plan_from(s, t, err);
    free(t);
    return rc;
}

/* Eq. 9: x at timestep `to` from x at `from` and the noise direction; `predicted` is what the model predicts. */
static void transfer(df_sampler *s, const float *x, const float *predicted, int from, int to, float *out) {
    float abar = df_sampler_abar(s, from), next = df_sampler_abar(s, to);
    float of_x = sqrtf(next / abar), *noise = s->scratch;
    float scale = abar * sqrtf(1.0f - next) + sqrtf(abar * (1.0f - abar) * next);
    df_noise_in(s, noise, sqrtf(abar), sqrtf(1.0f - abar), x, predicted);
    df_mix(s, noise, { next - abar, noise });
    df_divide(s, noise, noise, NULL, scale);
    df_mix(s, out, { of_x, x }, { -1, noise });
}

/* Classical Runge-Kutta over the step that began at call - call % 4. */
static void step_prk(df_sampler *s, int call, const float *model_output, float *x) {
    int part = s->n_done % 4, half = s->cfg.n_train_timesteps / s->n_steps / 2;
    int from = (int)s->timesteps[call - part], to = (int)s->timesteps[call] - (part % 2 ? 0 : half);
    float *origin = s->history[ORIGIN], *sum = s->history[SUM];
    float weight = part == 0 || part == 3 ? (float)(1.0 / 6) : (float)(1.0 / 3);
    if (part == 0) {
        df_keep(s, df_sampler_push(s, ORDER), model_output);
        df_keep(s, origin, x);
        df_mix(s, sum, { weight, model_output });
    } else {
        df_mix(s, sum, { 1, sum }, { weight, model_output });
    }
    transfer(s, origin, part == 3 ? sum : model_output, from, to, x);
}

/* Adams-Bashforth of the order that the outputs so far allow; history[0] is the newest. */
static void multistep(df_sampler *s, int n_outputs, float *mean) {
    float *const *e = s->history;
    switch (n_outputs) {
    case 1: df_keep(s, mean, e[0]); break;
    case 2: df_mix(s, mean, { 1.5f, e[0] }, { -0.5f, e[1] }); break;
    case 3:
        df_mix(s, mean, { 23, e[0] }, { -16, e[1] }, { 5, e[2] });
        df_divide(s, mean, mean, NULL, 12);
        break;
    default:
        df_mix(s, mean, { 55, e[0] }, { -59, e[1] }, { 37, e[2] }, { -9, e[3] });
        df_mix(s, mean, { (float)(1.0 / 24), mean });
    }
}

static void step_plms(df_sampler *s, int call, const float *model_output, float *x) {
    int stride = s->cfg.n_train_timesteps / s->n_steps, t = (int)s->timesteps[call];
    float *mean = s->scratch;
    if (s->cfg.skip_prk_steps && s->n_done == 1) { /* the first step again, with the mean of its two ends */
        df_mix(s, mean, { 0.5f, model_output }, { 0.5f, s->history[0] });
        transfer(s, s->history[ORIGIN], mean, t + stride, t, x);
        return;
    }
    df_keep(s, df_sampler_push(s, ORDER), model_output);
    if (s->n_done == 0) df_keep(s, s->history[ORIGIN], x);
    /* the doubled first step left one output for two calls, the warm-up three for twelve */
    int n_outputs = s->cfg.skip_prk_steps ? (s->n_done ? s->n_done : 1) : s->n_done - PRK_CALLS + ORDER;
    multistep(s, n_outputs, mean);
    transfer(s, x, mean, t, t - stride, x);
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    (void)draw;
    if (s->cfg.skip_prk_steps || s->n_done >= PRK_CALLS) {
        step_plms(s, call, model_output, x);
        return DF_OK;
    }
    if (s->n_done != call)
        return df_err_set(err, DF_EINVAL, "sampler '%s': a walk with the Runge-Kutta warm-up cannot begin half-way",
                          s->cfg.name);
    step_prk(s, call, model_output, x);
    return DF_OK;
}

const df_sampler_ops df_pndm_ops = { .plan = plan, .step = step, .n_history = ORDER + 2 };
