/* UniPC: each step is first corrected by the model's output at its end, then the next is predicted. Source: Zhao et al.
 * 2023 (arXiv:2302.04867), algorithms 1 and 2, B(h) variants 1 and 2, data prediction. Reference: diffusers'
 * UniPCMultistepScheduler. */
#include <math.h>
#include <stdlib.h>

#include "engine/samplers/clean_limit.h"
#include "engine/samplers/log_snr.h"

enum {
    MAX_ORDER = 3,
    ORIGIN = MAX_ORDER, /* history: x before the step under way */
    CLEAN, /* history: the clean prediction of this call */
    SUM, /* history: of the differences, each times its rho */
    N_TENSORS
};

/* A step between two sigmas: x_to = of_x * x - of_clean * m0 - scale * sum(rho[k] * D[k]), D[k] = (m[k+1] - m0) / r[k]
 * for k < order - 1; the corrector's last D is the new output - m0, with r = 1. */
typedef struct transition {
    float of_x, of_clean, scale;
    float r[MAX_ORDER], b[MAX_ORDER], rho[MAX_ORDER];
} transition;

/* rho from sum over j of r[j]^i * rho[j] = b[i], i < n: Gauss with row exchange, n <= 3. */
static void solve_rho(transition *t, int n) {
    double a[MAX_ORDER][MAX_ORDER + 1];
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) a[i][j] = pow((double)t->r[j], i);
        a[i][n] = t->b[i];
    }
    for (int k = 0; k < n; k++) {
        int pivot = k;
        for (int i = k + 1; i < n; i++)
            if (fabs(a[i][k]) > fabs(a[pivot][k])) pivot = i;
        for (int j = 0; j <= n; j++) {
            double swap = a[k][j];
            a[k][j] = a[pivot][j];
            a[pivot][j] = swap;
        }
        for (int i = 0; i < n; i++) {
            double factor = i == k ? 0 : a[i][k] / a[k][k];
            for (int j = k; j <= n && i != k; j++) a[i][j] -= factor * a[k][j];
        }
    }
    for (int k = 0; k < n; k++) t->rho[k] = (float)(a[k][n] / a[k][k]);
}

/* The step that ends at sigmas[end], looking back on `order` outputs. */
static transition transition_to(const df_sampler *s, int end, int order) {
    df_log_snr to = df_log_snr_of(s->sigmas[end]), from = df_log_snr_of(s->sigmas[end - 1]);
    float h = from.lambda - to.lambda, phi_1 = expm1f(h), b_h = s->cfg.solver_bh1 ? h : phi_1;
    transition t = {
        .of_x = to.sigma / from.sigma,
        .of_clean = to.alpha * phi_1,
        .scale = to.alpha * b_h,
    };
    for (int k = 0; k < order - 1; k++) t.r[k] = (df_log_snr_of(s->sigmas[end - 2 - k]).lambda - from.lambda) / -h;
    t.r[order - 1] = 1;
    float phi_k = phi_1 / h - 1.0f, factorial = 1;
    for (int k = 0; k < order; k++) {
        t.b[k] = phi_k * factorial / b_h;
        factorial *= (float)(k + 2);
        phi_k = phi_k / h - 1.0f / factorial;
    }
    return t;
}

/* x at the start of the step and outputs m, newest first; `fresh` is the output at its end (corrector) or NULL. */
static void apply(df_sampler *s, const transition *t, int order, const float *from, const float *fresh, float *x) {
    float *const *m = s->history, *sum = m[SUM], *difference = s->scratch;
    int n_differences = fresh ? order : order - 1;
    for (int k = 0; k < n_differences; k++) {
        df_divide(s, difference, k < order - 1 ? m[k + 1] : fresh, m[0], t->r[k]);
        if (k)
            df_mix(s, sum, { 1, sum }, { t->rho[k], difference });
        else
            df_mix(s, sum, { t->rho[k], difference });
    }
    df_term terms[] = { { t->of_x, from }, { -t->of_clean, m[0] }, { -t->scale, sum } };
    df_sampler_combine(s, x, terms, n_differences ? 3 : 2);
}

static void correct(df_sampler *s, int call, const float *clean, float *x) {
    int order = s->last_order;
    transition t = transition_to(s, call, order);
    if (order == 1)
        t.rho[0] = 0.5f;
    else
        solve_rho(&t, order);
    apply(s, &t, order, s->history[ORIGIN], clean, x);
}

static void predict(df_sampler *s, int call, int order, float *x) {
    transition t = transition_to(s, call + 1, order);
    if (order == 2)
        t.rho[0] = 0.5f;
    else if (order == 3)
        solve_rho(&t, 2);
    apply(s, &t, order, s->history[ORIGIN], NULL, x);
}

/* Equal sigmas (nearly as many steps as timesteps) and the step to sigma 0 leave nothing to look back on. */
static int order_of(const df_sampler *s, int call) {
    int order = s->n_done < s->cfg.solver_order ? s->n_done + 1 : s->cfg.solver_order;
    if (s->cfg.lower_order_final && order > s->n_calls - call) order = s->n_calls - call;
    if (s->sigmas[call + 1] <= 0) return 1;
    for (int back = 0; back < order; back++)
        if (s->sigmas[call - back + 1] == s->sigmas[call - back]) return back > 1 ? back : 1;
    return order;
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    (void)draw;
    df_log_snr here = df_log_snr_of(s->sigmas[call]);
    float *clean = s->history[CLEAN];
    df_clean(s, clean, here.alpha, here.sigma, x, model_output);
    df_code rc = df_clean_threshold(s, clean, err);
    if (rc) return rc;
    if (s->n_done && s->sigmas[call] < s->sigmas[call - 1]) correct(s, call, clean, x);
    df_keep(s, df_sampler_push(s, MAX_ORDER), clean);
    df_keep(s, s->history[ORIGIN], x);
    s->last_order = order_of(s, call);
    if (s->sigmas[call + 1] < s->sigmas[call]) predict(s, call, s->last_order, x);
    return DF_OK;
}

const df_sampler_ops df_unipc_ops = { .plan = df_sampler_multistep_plan, .step = step, .n_history = N_TENSORS };
