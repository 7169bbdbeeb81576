/* Shared parts of the classes' plan(): timesteps and sigmas for a number of steps. */
#include <math.h>
#include <stdlib.h>

#include "engine/samplers/sampler_ops.h"
#include "engine/samplers/sigmas.h"
#include "engine/samplers/spacing.h"

df_code df_sampler_alloc_calls(df_sampler *s, int n_calls, int n_sigmas, df_err *err) {
    s->n_calls = n_calls;
    s->n_sigmas = n_sigmas;
    s->timesteps = calloc((size_t)n_calls, sizeof *s->timesteps);
    if (n_sigmas) s->sigmas = calloc((size_t)n_sigmas, sizeof *s->sigmas);
    if (s->timesteps && (s->sigmas || !n_sigmas)) return DF_OK;
    return df_err_set(err, DF_ENOMEM, "sampler '%s': tables of %d calls", s->cfg.name, n_calls);
}

static df_code check_timestep(const df_sampler *s, double t, df_err *err) {
    if (t >= 0 && t <= s->cfg.n_train_timesteps - 1) return DF_OK;
    return df_err_set(err, DF_EINVAL,
                      "sampler '%s': %d steps visit timestep %g, which is not one of 0..%d (steps_offset is %d); take "
                      "fewer steps",
                      s->cfg.name, s->n_steps, t, s->cfg.n_train_timesteps - 1, s->cfg.steps_offset);
}

df_code df_sampler_set_timesteps(df_sampler *s, const double *t, df_err *err) {
    for (int i = 0; i < s->n_steps; i++) {
        df_code rc = check_timestep(s, t[i], err);
        if (rc) return rc;
        s->timesteps[i] = (float)t[i];
    }
    return DF_OK;
}

static double final_sigma(const df_sampler *s) {
    return s->cfg.final_sigma_is_min ? df_sigma_of(s->abar[0]) : 0;
}

/* Karras, exponential or beta sigmas between the ends given or configured; their timesteps follow from them. */
static void respace(const df_sampler *s, double min, double max, double *timesteps, double *sigmas) {
    int n_train = s->cfg.n_train_timesteps;
    if (s->cfg.sigma_min > 0) min = s->cfg.sigma_min;
    if (s->cfg.sigma_max > 0) max = s->cfg.sigma_max;
    df_sigmas_spaced(s->cfg.sigma_spacing, min, max, s->n_steps, sigmas);
    for (int i = 0; i < s->n_steps; i++) timesteps[i] = df_sigma_to_timestep(s->abar, n_train, sigmas[i]);
}

static df_code sigma_steps(const df_sampler *s, double *timesteps, double *sigmas, df_err *err) {
    int n = s->n_steps;
    df_spacing_fill(&s->cfg, n, true, timesteps);
    for (int i = 0; i < n; i++) {
        df_code rc = check_timestep(s, timesteps[i], err);
        if (rc) return rc;
        timesteps[i] = (float)timesteps[i]; /* the library's timesteps are f32 before sigmas are taken at them */
        sigmas[i] = df_sigma_at(s->abar, s->cfg.n_train_timesteps, timesteps[i]);
    }
    if (s->cfg.sigma_spacing != DF_SIGMAS_OF_TIMESTEPS) respace(s, sigmas[n - 1], sigmas[0], timesteps, sigmas);
    sigmas[n] = final_sigma(s);
    return DF_OK;
}

/* Unit noise scaled to the first sigma; leading spacing starts late enough for the sample itself to count. */
static float sigma_init(const df_sampler *s) {
    float largest = s->sigmas[0];
    for (int i = 1; i < s->n_sigmas; i++) largest = fmaxf(largest, s->sigmas[i]);
    return s->cfg.spacing == DF_SPACING_LEADING ? sqrtf(largest * largest + 1.0f) : largest;
}

df_code df_sampler_sigma_plan(df_sampler *s, int calls_per_step, df_err *err) {
    int n = s->n_steps, n_calls = (n - 1) * calls_per_step + 1; /* the last step goes to sigma 0: one call will do */
    df_code rc = df_sampler_alloc_calls(s, n_calls, n_calls + 1, err);
    if (rc) return rc;
    double *t = calloc((size_t)n * 2 + 1, sizeof *t), *sigmas = t + n;
    if (!t) return df_err_set(err, DF_ENOMEM, "sampler '%s': tables of %d steps", s->cfg.name, n);
    rc = sigma_steps(s, t, sigmas, err);
    for (int i = 0; !rc && i <= n_calls; i++) {
        int at = (i + calls_per_step - 1) / calls_per_step;
        if (i < n_calls) s->timesteps[i] = (float)t[at];
        s->sigmas[i] = (float)sigmas[at];
    }
    free(t);
    s->init_sigma = sigma_init(s);
    return rc;
}

df_code df_sampler_whole_plan(df_sampler *s, df_err *err) {
    df_code rc = df_sampler_alloc_calls(s, s->n_steps, 0, err);
    if (rc) return rc;
    double *t = calloc((size_t)s->n_steps, sizeof *t);
    if (!t) return df_err_set(err, DF_ENOMEM, "sampler '%s': tables of %d steps", s->cfg.name, s->n_steps);
    df_spacing_fill(&s->cfg, s->n_steps, false, t);
    rc = df_sampler_set_timesteps(s, t, err);
    free(t);
    return rc;
}

static df_code multistep_timesteps(df_sampler *s, double *t, double *sigmas, df_err *err) {
    int n_train = s->cfg.n_train_timesteps, n = s->n_steps;
    if (s->cfg.sigma_spacing != DF_SIGMAS_OF_TIMESTEPS) {
        respace(s, df_sigma_of(s->abar[0]), df_sigma_of(s->abar[n_train - 1]), t, sigmas);
        return DF_OK;
    }
    if (s->cfg.spacing == DF_SPACING_LEADING && n >= n_train)
        return df_err_set(err, DF_EINVAL, "sampler '%s': leading spacing has room for %d steps at most, not %d",
                          s->cfg.name, n_train - 1, n);
    df_spacing_fill_multistep(&s->cfg, n, t);
    for (int i = 0; i < n; i++) sigmas[i] = df_sigma_at(s->abar, n_train, t[i]);
    return DF_OK;
}

/* Karras timesteps are rounded, the others cut, as the library's conversion to integers does; DPM-Solver++ multistep
 * cuts those of the cosine schedule too, whose steep end rounding would leave. */
static double whole_timestep(const df_scheduler *cfg, double t) {
    bool steep = cfg->klass == DF_SCHEDULER_DPMPP_MULTISTEP && cfg->beta_schedule == DF_BETA_SQUAREDCOS;
    return cfg->sigma_spacing == DF_SIGMAS_KARRAS && !steep ? rint(t) : floor(t);
}

df_code df_sampler_multistep_plan(df_sampler *s, df_err *err) {
    int n = s->n_steps;
    df_code rc = df_sampler_alloc_calls(s, n, n + 1, err);
    if (rc) return rc;
    double *t = calloc((size_t)n * 2, sizeof *t), *sigmas = t + n;
    if (!t) return df_err_set(err, DF_ENOMEM, "sampler '%s': tables of %d steps", s->cfg.name, n);
    rc = multistep_timesteps(s, t, sigmas, err);
    for (int i = 0; !rc && i < n; i++) {
        t[i] = whole_timestep(&s->cfg, t[i]);
        s->sigmas[i] = (float)sigmas[i];
    }
    if (!rc) rc = df_sampler_set_timesteps(s, t, err);
    s->sigmas[n] = (float)final_sigma(s);
    free(t);
    return rc;
}

df_code df_sampler_distilled_plan(df_sampler *s, df_err *err) {
    int n = s->n_steps;
    if (n > s->cfg.original_steps)
        return df_err_set(err, DF_EINVAL,
                          "sampler '%s': %d steps, the model was distilled on %d "
                          "(original_inference_steps)",
                          s->cfg.name, n, s->cfg.original_steps);
    df_code rc = df_sampler_alloc_calls(s, n, 0, err);
    if (rc) return rc;
    double *t = calloc((size_t)n, sizeof *t);
    if (!t) return df_err_set(err, DF_ENOMEM, "sampler '%s': tables of %d steps", s->cfg.name, n);
    df_spacing_fill_distilled(&s->cfg, n, t);
    rc = df_sampler_set_timesteps(s, t, err);
    free(t);
    return rc;
}
