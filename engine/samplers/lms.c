/* Linear multistep over sigma, order 4: Adams-Bashforth with the steps' true lengths. Source: k-diffusion, sample_lms.
 * Reference: diffusers' LMSDiscreteScheduler, whose quadrature is exact for these polynomials as ours is. */
#include <math.h>

#include "engine/samplers/sampler_ops.h"

enum { ORDER = 4 };

static df_code plan(df_sampler *s, df_err *err) {
    return df_sampler_sigma_plan(s, 1, err);
}

/* The Lagrange polynomial that is 1 at the sigma `own` calls back and 0 at the other order - 1. */
static double basis_at(const float *sigmas, int call, int order, int own, double tau) {
    double product = 1;
    for (int k = 0; k < order; k++)
        if (k != own) product *= (tau - sigmas[call - k]) / ((double)sigmas[call - own] - sigmas[call - k]);
    return product;
}

/* Its integral over the coming step by two Gauss-Legendre points: exact up to degree 3. */
static float weight_of(const float *sigmas, int call, int order, int own) {
    double middle = ((double)sigmas[call + 1] + sigmas[call]) / 2, half = ((double)sigmas[call + 1] - sigmas[call]) / 2;
    double node = half / sqrt(3.0);
    return (float)(half * (basis_at(sigmas, call, order, own, middle - node) +
                           basis_at(sigmas, call, order, own, middle + node)));
}

static df_code step(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err) {
    (void)draw, (void)err;
    df_term weighted[ORDER];
    /* The library counts the order from the table's first step, also where a walk begins further down (img2img): its
     * first steps then lack slopes, and the terms of those are left out. */
    int order = call + 1 < ORDER ? call + 1 : ORDER;
    int terms = s->n_done + 1 < order ? s->n_done + 1 : order;
    df_slope(s, df_sampler_push(s, ORDER), s->sigmas[call], x, model_output);
    for (int k = 0; k < terms; k++) weighted[k] = (df_term) { weight_of(s->sigmas, call, order, k), s->history[k] };
    df_sampler_combine(s, s->scratch, weighted, terms);
    df_mix(s, x, { 1, x }, { 1, s->scratch });
    return DF_OK;
}

const df_sampler_ops df_lms_ops = { .plan = plan, .step = step, .scales_input = true, .n_history = ORDER };
