/* What a sampler class is made of; internal to engine/samplers. A class is one .c file with one const table. */
#ifndef DF_ENGINE_SAMPLERS_SAMPLER_OPS_H
#define DF_ENGINE_SAMPLERS_SAMPLER_OPS_H

#include "engine/samplers/sampler.h"

enum { DF_SAMPLER_MAX_HISTORY = 6 };

typedef struct df_sampler_ops {
    /* Sets n_calls and fills timesteps; sigmas and init_sigma where the class has them. Abar is there already. */
    df_code (*plan)(df_sampler *s, df_err *err);
    /* One call: x becomes the next latents. s->n_done counts the calls made before this one. */
    df_code (*step)(df_sampler *s, int call, const float *model_output, float *x, df_draw draw, df_err *err);
    bool scales_input; /* the model sees x / sqrt(sigma^2 + 1), and noising is x + sigma * noise */
    bool flows; /* no abar; noising is (1 - sigma) * x + sigma * noise */
    int n_history; /* tensors of n elements kept from call to call, s->history[0..n_history-1] */
} df_sampler_ops;

struct df_sampler {
    df_scheduler cfg;
    const df_sampler_ops *ops;
    const df_vectors *v; /* borrowed; history, scratch and noise lie there */
    int n_steps, n_calls;
    double eta;
    size_t n; /* elements of x */
    float *abar; /* [cfg.n_train_timesteps] */
    float final_abar; /* abar before timestep 0 */
    float *timesteps; /* [n_calls] */
    float *sigmas; /* [n_sigmas], NULL if the class has none */
    int n_sigmas;
    float *model_sigmas; /* [n_calls], noise level of x before each call; NULL: sigmas */
    float init_sigma;
    float *history[DF_SAMPLER_MAX_HISTORY];
    float *scratch; /* [n] */
    float *noise; /* [n], where a draw lands */
    float *sorted; /* [n] of the host, for dynamic thresholding; else NULL */
    df_torch_cuda *generator; /* borrowed; NULL: the host draws */
    int n_done; /* calls made */
    int next_call; /* -1 before the first */
    int last_order; /* UniPC: order of the step before */
    bool draws_are_increments; /* DPM++ SDE, see sampler.h */
};

extern const df_sampler_ops df_ddpm_ops, df_ddim_ops, df_pndm_ops, df_euler_ops, df_euler_ancestral_ops,
    df_dpmpp_multistep_ops, df_lms_ops, df_heun_ops, df_unipc_ops, df_lcm_ops, df_tcd_ops, df_flow_euler_ops,
    df_dpmpp_sde_ops, df_dpmpp_singlestep_ops, df_deis_ops, df_kdpm2_ops, df_kdpm2_ancestral_ops;

/* Helpers of plan(): the df_..._plan ones allocate the tables that they fill. */
df_code df_sampler_alloc_calls(df_sampler *s, int n_calls, int n_sigmas, df_err *err);
/* n_steps timesteps into the table, each checked to lie in 0..N-1. */
df_code df_sampler_set_timesteps(df_sampler *s, const double *t, df_err *err);
/* DDPM, DDIM: whole timesteps, no sigmas. */
df_code df_sampler_whole_plan(df_sampler *s, df_err *err);
/* Euler, LMS, Heun: fractional timesteps with their sigmas and init_sigma; all steps but the last take
 * calls_per_step calls. */
df_code df_sampler_sigma_plan(df_sampler *s, int calls_per_step, df_err *err);
/* DPM++, UniPC: whole timesteps with their sigmas. */
df_code df_sampler_multistep_plan(df_sampler *s, df_err *err);
/* LCM, TCD: some of the timesteps that the model was distilled on. */
df_code df_sampler_distilled_plan(df_sampler *s, df_err *err);

/* The noise level of x before a call, of classes with sigmas. */
static inline float df_sampler_model_sigma(const df_sampler *s, int call) {
    return s->model_sigmas ? s->model_sigmas[call] : s->sigmas[call];
}

/* abar[t], or the one before timestep 0 for t < 0. */
static inline float df_sampler_abar(const df_sampler *s, int t) {
    return t >= 0 ? s->abar[t] : s->final_abar;
}

/* Moves history[0..n-1] up by one and puts the freed tensor first: history[0] is then to be filled. */
static inline float *df_sampler_push(df_sampler *s, int n) {
    float *oldest = s->history[n - 1];
    for (int i = n - 1; i > 0; i--) s->history[i] = s->history[i - 1];
    return s->history[0] = oldest;
}

/* Draws into s->noise. */
df_code df_sampler_draw(df_sampler *s, df_draw draw, df_err *err);

/* The steps' arithmetic, on vectors of n numbers (vectors.h). */

static inline void df_sampler_combine(const df_sampler *s, float *out, const df_term *terms, int n_terms) {
    s->v->ops->combine(s->v->ctx, out, terms, n_terms, s->n);
}

/* df_mix(s, x, { a, clean }, { b, noise }): x = a * clean + b * noise */
#define df_mix(s, out, ...)                                                                                            \
    df_sampler_combine(s, out, (const df_term[]) { __VA_ARGS__ },                                                      \
                       sizeof((const df_term[]) { __VA_ARGS__ }) / sizeof(df_term))

/* out = (x - y) / by; y NULL: x / by */
static inline void df_divide(const df_sampler *s, float *out, const float *x, const float *y, float by) {
    s->v->ops->divide(s->v->ctx, out, x, y, by, s->n);
}

/* out = by * (x - y) */
static inline void df_difference(const df_sampler *s, float *out, float by, const float *x, const float *y) {
    df_mix(s, out, { 1, x }, { -1, y });
    df_mix(s, out, { by, out });
}

static inline void df_keep(const df_sampler *s, float *out, const float *x) {
    s->v->ops->copy(s->v->ctx, out, x, s->n * sizeof *x);
}

/* What the model's output at x stands for, x = a * clean + b * noise. */
static inline void df_clean(const df_sampler *s, float *out, float a, float b, const float *x, const float *output) {
    s->v->ops->predict(s->v->ctx, out, DF_PREDICTED_CLEAN, s->cfg.prediction, a, b, x, output, s->n);
}

static inline void df_noise_in(const df_sampler *s, float *out, float a, float b, const float *x, const float *output) {
    s->v->ops->predict(s->v->ctx, out, DF_PREDICTED_NOISE, s->cfg.prediction, a, b, x, output, s->n);
}

/* The same where x = clean + sigma * noise. */
static inline void df_clean_at_sigma(const df_sampler *s, float *out, float sigma, const float *x,
                                     const float *output) {
    s->v->ops->predict(s->v->ctx, out, DF_PREDICTED_CLEAN_OF_SIGMA, s->cfg.prediction, sigma, 0, x, output, s->n);
}

/* dx / dsigma there; out is not x. */
static inline void df_slope(const df_sampler *s, float *out, float sigma, const float *x, const float *output) {
    df_clean_at_sigma(s, out, sigma, x, output);
    df_divide(s, out, x, out, sigma);
}

#endif
