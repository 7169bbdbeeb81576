/* DEIS, exponential integrator over log rho, multistep of orders 1 to 3. Source: Zhang and Chen 2022
 * (arXiv:2204.13902), with the polynomial fitted in log rho. Reference: diffusers' DEISMultistepScheduler. */
#include <math.h>

#include "engine/samplers/clean_limit.h"
#include "engine/samplers/log_snr.h"
#include "engine/samplers/sigmas.h"

enum { MAX_ORDER = 3 };

/* The walk ends at the smallest sigma of the training steps, spaced sigmas at the last of them: log rho has no value
 * at 0. */
static df_code plan(df_sampler *s, df_err *err) {
    df_code rc = df_sampler_multistep_plan(s, err);
    if (rc) return rc;
    bool spaced = s->cfg.sigma_spacing != DF_SIGMAS_OF_TIMESTEPS;
    s->sigmas[s->n_steps] = spaced ? s->sigmas[s->n_steps - 1] : df_sigma_of(s->abar[0]);
    return DF_OK;
}

/* Near as many steps as timesteps make equal sigmas, between which there is no slope. */
static int order_of(const df_sampler *s, int call) {
    int order = s->n_done < s->cfg.solver_order ? s->n_done + 1 : s->cfg.solver_order;
    int left = s->n_steps - call;
    if (s->cfg.lower_order_final && s->n_steps < 15 && order > left) order = left;
    for (int back = 1; back < order; back++)
        if (s->sigmas[call - back + 1] == s->sigmas[call - back]) return back;
    return order;
}

/* Integral of (log t - log c) / (log b - log c) up to t */
static double linear_integral(double t, double b, double c) {
    return t * (log(t) - log(c) - 1) / (log(b) - log(c));
}

/* Integral of (log t - log c) (log t - log d) / ((log b - log c) (log b - log d)) up to t */
static double quadratic_integral(double t, double b, double c, double d) {
    double lt = log(t), lb = log(b), lc = log(c), ld = log(d);
    return t * ((lt - lc) * (lt - ld) - (2 * lt - lc - ld) + 2) / ((lb - lc) * (lb - ld));
}

/* How much of each noise prediction, newest first, goes into x / alpha; rho is sigma of the table. */
static void coefficients(const float *sigmas, int call, int order, float c[MAX_ORDER]) {
    double t = (double)sigmas[call + 1], r[MAX_ORDER] = { 0 };
    for (int k = 0; k < order; k++) r[k] = (double)sigmas[call - k];
    for (int k = 0; order == 2 && k < order; k++) {
        double b = r[k], d = r[1 - k];
        c[k] = (float)(linear_integral(t, b, d) - linear_integral(r[0], b, d));
    }
    for (int k = 0; order == 3 && k < order; k++) {
        double b = r[k], d = r[(k + 1) % 3], e = r[(k + 2) % 3];
        c[k] = (float)(quadratic_integral(t, b, d, e) - quadratic_integral(r[0], b, d, e));
    }
}

static df_code noise_of_output(df_sampler *s, df_log_snr here, const float *model_output, const float *x, df_err *err) {
    float *noise = df_sampler_push(s, MAX_ORDER);
    df_clean(s, noise, here.alpha, here.sigma, x, model_output);
    df_code rc = df_clean_threshold(s, noise, err);
    df_mix(s, noise, { 1, x }, { -here.alpha, noise });
    df_divide(s, noise, noise, NULL, here.sigma);
    return rc;
}

/* The same as the integral of order 1, rounded as the library rounds it: first steps from large sigmas cancel. */
static void first_order(const df_sampler *s, df_log_snr to, df_log_snr from, float *x) {
    float of_x = to.alpha / from.alpha, of_noise = to.sigma * (expf(to.lambda - from.lambda) - 1.0f);
    df_mix(s, x, { of_x, x }, { -of_noise, s->history[0] });
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    (void)draw;
    int order = order_of(s, call);
    df_log_snr here = df_log_snr_of(s->sigmas[call]), next = df_log_snr_of(s->sigmas[call + 1]);
    float c[MAX_ORDER];
    df_code rc = noise_of_output(s, here, model_output, x, err);
    if (rc) return rc;
    if (order == 1) {
        first_order(s, next, here, x);
        return DF_OK;
    }
    coefficients(s->sigmas, call, order, c);
    df_divide(s, x, x, NULL, here.alpha);
    for (int k = 0; k < order; k++) df_mix(s, x, { 1, x }, { c[k], s->history[k] });
    df_mix(s, x, { next.alpha, x });
    return DF_OK;
}

const df_sampler_ops df_deis_ops = { .plan = plan, .step = step, .n_history = MAX_ORDER };
