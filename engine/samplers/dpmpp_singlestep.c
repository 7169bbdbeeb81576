/* DPM-Solver++ singlestep: groups of up to `order` calls; each call goes anew from the group's first x, looking on all
 * the group's clean predictions. Source: Lu et al. 2022 (arXiv:2211.01095), algorithm 1. Reference: diffusers'
 * DPMSolverSinglestepScheduler (dpmsolver++). */
#include <math.h>

#include "engine/samplers/clean_limit.h"
#include "engine/samplers/log_snr.h"

enum { MAX_ORDER = 3, ORIGIN = MAX_ORDER, FIRST, SECOND, N_TENSORS };

/* The class knows one spacing. */
static df_code plan(df_sampler *s, df_err *err) {
    s->cfg.spacing = DF_SPACING_LINSPACE;
    return df_sampler_multistep_plan(s, err);
}

/* 1, 2, .. order over and over. The last group may end low (of 3: 1 2 1, of 2: 1 1), and a step to sigma 0, where
 * lambda is infinite, is of order 1. */
static int order_at(const df_sampler *s, int call) {
    int n = s->n_steps, order = s->cfg.solver_order;
    bool ends_low = s->cfg.lower_order_final && call == n - 1 && n % order == 0;
    return ends_low || s->sigmas[call + 1] <= 0 ? 1 : call % order + 1;
}

/* A walk may begin inside a group, and an empty step (equal sigmas) leaves nothing to look back on. */
static int order_of(const df_sampler *s, int call) {
    int order = order_at(s, call);
    if (order > s->n_done + 1) order = s->n_done + 1;
    for (int back = 1; back < order; back++)
        if (s->sigmas[call - back + 1] == s->sigmas[call - back]) return 1;
    return order;
}

static df_code clean_of_output(df_sampler *s, int call, const float *model_output, const float *x, df_err *err) {
    df_log_snr here = df_log_snr_of(s->sigmas[call]);
    float *clean = df_sampler_push(s, MAX_ORDER);
    df_clean(s, clean, here.alpha, here.sigma, x, model_output);
    return df_clean_threshold(s, clean, err);
}

/* x = of_x * origin + d[0] * clean at the group's start + d[1] * first difference + d[2] * second difference; r: where
 * the later calls lie between the group's start (0) and the target (1), latest first. */
typedef struct update {
    float of_x, d[MAX_ORDER], r[MAX_ORDER - 1];
} update;

static update update_to_next(const df_sampler *s, int call, int order) {
    df_log_snr to = df_log_snr_of(s->sigmas[call + 1]), from = df_log_snr_of(s->sigmas[call - order + 1]);
    float h = to.lambda - from.lambda, decay = expf(-h) - 1.0f;
    update u = { .of_x = to.sigma / from.sigma, .d = { -(to.alpha * decay) } };
    for (int k = 0; k < order - 1; k++) u.r[k] = (df_log_snr_of(s->sigmas[call - k]).lambda - from.lambda) / h;
    if (order == 2 && !s->cfg.solver_heun) u.d[1] = 0.5f * u.d[0];
    if (order == 3 || (order == 2 && s->cfg.solver_heun)) u.d[1] = to.alpha * (decay / h + 1.0f);
    if (order == 3 && s->cfg.solver_heun) u.d[2] = -(to.alpha * ((decay + h) / (h * h) - 0.5f));
    return u;
}

/* Divided differences; the group's first prediction is the oldest. Returns how many there are. */
static int differences(df_sampler *s, int order, const float *r) {
    float *const *m = s->history, *far = m[FIRST], *near = m[SECOND];
    const float *oldest = m[order - 1];
    if (order < 2) return 0;
    df_difference(s, far, 1.0f / r[0], m[0], oldest);
    if (order < 3 || !s->cfg.solver_heun) return 1;
    df_difference(s, near, 1.0f / r[1], m[1], oldest);
    df_mix(s, s->scratch, { 2, far }, { -2, near });
    df_mix(s, far, { r[0], near }, { -r[1], far });
    df_divide(s, far, far, NULL, r[0] - r[1]);
    df_divide(s, near, s->scratch, NULL, r[0] - r[1]);
    return 2;
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    (void)draw;
    int order = order_of(s, call);
    update u = update_to_next(s, call, order);
    df_code rc = clean_of_output(s, call, model_output, x, err);
    if (rc) return rc;
    if (order == 1) df_keep(s, s->history[ORIGIN], x);
    df_term terms[] = { { u.of_x, s->history[ORIGIN] },
                        { u.d[0], s->history[order - 1] },
                        { u.d[1], s->history[FIRST] },
                        { u.d[2], s->history[SECOND] } };
    df_sampler_combine(s, x, terms, 2 + differences(s, order, u.r));
    return DF_OK;
}

const df_sampler_ops df_dpmpp_singlestep_ops = { .plan = plan, .step = step, .n_history = N_TENSORS };
