/* DPM-Solver++ multistep, orders 1 to 3, and its stochastic form. Source: Lu et al. 2022 (arXiv:2211.01095),
 * algorithm 2. Reference: diffusers' DPMSolverMultistepScheduler (dpmsolver++, sde-dpmsolver++). */
#include <math.h>

#include "engine/samplers/clean_limit.h"
#include "engine/samplers/log_snr.h"

enum { MAX_ORDER = 3, FIRST = MAX_ORDER, SECOND, N_TENSORS };

/* x = of_x * x + d[0] * clean + d[1] * first difference + d[2] * second difference + of_noise * noise */
typedef struct update {
    float of_x, d[MAX_ORDER], of_noise;
} update;

static bool is_final_order_low(const df_sampler *s, int call) {
    bool few = s->cfg.lower_order_final && s->n_steps < 15;
    return call == s->n_steps - 1 && (s->cfg.euler_at_final || few || !s->cfg.final_sigma_is_min);
}

/* How many clean predictions this step looks back on. Order 2 over an empty step (two equal sigmas, as with nearly as
 * many steps as timesteps) would divide by zero. */
static int order_of(const df_sampler *s, int call) {
    int order = s->n_done < s->cfg.solver_order ? s->n_done + 1 : s->cfg.solver_order;
    if (is_final_order_low(s, call)) return 1;
    if (call == s->n_steps - 2 && order > 2 && s->cfg.lower_order_final && s->n_steps < 15) order = 2;
    for (int back = 1; back < order; back++)
        if (s->sigmas[call - back + 1] == s->sigmas[call - back]) return back;
    return order;
}

static update coefficients(const df_sampler *s, df_log_snr to, df_log_snr from, float h, int order) {
    bool sde = s->cfg.solver_sde;
    float k = sde ? 2.0f * h : h, decay = expf(-k) - 1.0f;
    update u = {
        .of_x = sde ? to.sigma / from.sigma * expf(-h) : to.sigma / from.sigma,
        .d = { -(to.alpha * decay) },
        .of_noise = sde ? to.sigma * sqrtf(1.0f - expf(-2.0f * h)) : 0,
    };
    if (order == 2 && !s->cfg.solver_heun)
        u.d[1] = 0.5f * u.d[0];
    else if (order >= 2)
        u.d[1] = to.alpha * (decay / k + 1.0f);
    if (order == 3) u.d[2] = -(to.alpha * ((decay + k) / (k * k) + (sde ? 0.5f : -0.5f))); /* signs as the library's */
    return u;
}

/* Divided differences of the clean predictions, newest first. */
static void differences(df_sampler *s, int order, const float *r) {
    float *const *m = s->history, *first = m[FIRST], *second = m[SECOND];
    if (order < 2) return;
    df_difference(s, first, 1.0f / r[0], m[0], m[1]);
    if (order < 3) return;
    df_difference(s, second, 1.0f / r[1], m[1], m[2]);
    df_mix(s, second, { 1, first }, { -1, second });
    df_mix(s, first, { 1, first }, { r[0] / (r[0] + r[1]), second });
    df_mix(s, second, { 1.0f / (r[0] + r[1]), second });
}

static df_code clean_of_output(df_sampler *s, df_log_snr here, const float *model_output, const float *x, df_err *err) {
    float *clean = df_sampler_push(s, MAX_ORDER);
    df_clean(s, clean, here.alpha, here.sigma, x, model_output);
    return df_clean_threshold(s, clean, err);
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    int order = order_of(s, call);
    df_log_snr to = df_log_snr_of(s->sigmas[call + 1]), from = df_log_snr_of(s->sigmas[call]);
    float h = to.lambda - from.lambda, later = from.lambda, r[2] = { 0 };
    for (int k = 0; k < order - 1; k++) {
        float earlier = df_log_snr_of(s->sigmas[call - 1 - k]).lambda;
        r[k] = (later - earlier) / h;
        later = earlier;
    }
    update u = coefficients(s, to, from, h, order);
    df_code rc = clean_of_output(s, from, model_output, x, err);
    if (!rc && s->cfg.solver_sde) rc = df_sampler_draw(s, draw, err);
    if (rc) return rc;
    differences(s, order, r);
    df_term terms[MAX_ORDER + 2] = {
        { u.of_x, x }, { u.d[0], s->history[0] }, { u.d[1], s->history[FIRST] }, { u.d[2], s->history[SECOND] }
    };
    int n_terms = 1 + order;
    if (s->cfg.solver_sde) terms[n_terms++] = (df_term) { u.of_noise, s->noise };
    df_sampler_combine(s, x, terms, n_terms);
    return DF_OK;
}

const df_sampler_ops df_dpmpp_multistep_ops = { .plan = df_sampler_multistep_plan,
                                                .step = step,
                                                .n_history = N_TENSORS };
