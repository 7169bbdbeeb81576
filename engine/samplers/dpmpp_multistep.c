/* DPM-Solver++ multistep, orders 1 to 3, and its stochastic form. Source: Lu et al. 2022 (arXiv:2211.01095),
 * algorithm 2. Reference: diffusers' DPMSolverMultistepScheduler (dpmsolver++, sde-dpmsolver++). */
#include <math.h>

#include "engine/samplers/clean_limit.h"
#include "engine/samplers/log_snr.h"
#include "engine/samplers/prediction.h"
#include "engine/samplers/sampler_ops.h"

/* x = of_x * x + d[0] * clean + d[1] * first difference + d[2] * second difference + of_noise * noise */
typedef struct update {
    float of_x, d[3], of_noise;
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

/* Divided differences of the clean predictions m[0] (newest) .. m[order-1] at one element; diff[0] is m[0]. */
static void differences(float *const *m, size_t i, int order, const float *r, float diff[3]) {
    diff[0] = m[0][i];
    if (order < 2) return;
    float d10 = 1.0f / r[0] * (m[0][i] - m[1][i]);
    diff[1] = d10;
    if (order < 3) return;
    float d11 = 1.0f / r[1] * (m[1][i] - m[2][i]);
    diff[1] = d10 + r[0] / (r[0] + r[1]) * (d10 - d11);
    diff[2] = 1.0f / (r[0] + r[1]) * (d10 - d11);
}

static void clean_of_output(df_sampler *s, int call, const float *model_output, const float *x) {
    df_log_snr here = df_log_snr_of(s->sigmas[call]);
    float *clean = df_sampler_push(s, 3);
    for (size_t i = 0; i < s->n; i++)
        clean[i] = df_clean_of(s->cfg.prediction, here.alpha, here.sigma, x[i], model_output[i]);
    df_clean_threshold(&s->cfg, clean, s->n, s->scratch);
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
    clean_of_output(s, call, model_output, x);
    if (s->cfg.solver_sde) {
        df_code rc = df_sampler_draw(s, draw, err);
        if (rc) return rc;
    }
    for (size_t i = 0; i < s->n; i++) {
        float diff[3] = { 0 };
        differences(s->history, i, order, r, diff);
        float next = u.of_x * x[i];
        for (int k = 0; k < order; k++) next += u.d[k] * diff[k];
        x[i] = s->cfg.solver_sde ? next + u.of_noise * s->noise[i] : next;
    }
    return DF_OK;
}

const df_sampler_ops df_dpmpp_multistep_ops = { .plan = df_sampler_multistep_plan, .step = step, .n_history = 3 };
