#include "engine/samplers/forward.h"

#include <math.h>
#include <stdlib.h>

#include "engine/samplers/flow_shift.h"

static df_forward_level clean(const df_scheduler *s) {
    bool flows = s->klass == DF_SCHEDULER_FLOW_EULER;
    return (df_forward_level) { .t = DF_FORWARD_CLEAN, .abar = flows ? NAN : 1, .signal = 1 };
}

static df_forward_level of_flow(const df_scheduler *s, int t) {
    float sigma = (float)df_flow_shift((t + 1.0) / s->n_train_timesteps, s->flow_shift);
    return (df_forward_level) { .t = t, .abar = NAN, .signal = 1.0f - sigma, .noise = sigma };
}

static df_forward_level of_abar(int t, float abar) {
    return (df_forward_level) { .t = t, .abar = abar, .signal = sqrtf(abar), .noise = sqrtf(1.0f - abar) };
}

/* The level at each of n timesteps, from one table of abar. */
static df_code fill(df_forward_level *out, const df_scheduler *s, const int *t, int n, df_err *err) {
    bool flows = s->klass == DF_SCHEDULER_FLOW_EULER;
    float *abar = calloc((size_t)s->n_train_timesteps, sizeof *abar);
    if (!abar) return df_err_set(err, DF_ENOMEM, "forward diffusion: table of %d timesteps", s->n_train_timesteps);
    if (!flows) df_scheduler_alphas_cumprod(s, abar);
    for (int i = 0; i < n; i++)
        out[i] = t[i] == DF_FORWARD_CLEAN ? clean(s) : flows ? of_flow(s, t[i]) : of_abar(t[i], abar[t[i]]);
    free(abar);
    return DF_OK;
}

df_code df_forward_level_at(df_forward_level *out, const df_scheduler *s, int t, df_err *err) {
    if (t < 0 || t >= s->n_train_timesteps)
        return df_err_set(err, DF_EINVAL, "forward diffusion: timestep %d is not one of 0..%d", t,
                          s->n_train_timesteps - 1);
    return fill(out, s, &t, 1, err);
}

df_code df_forward_levels(df_forward_level *out, const df_scheduler *s, int n, df_err *err) {
    if (n < 2 || n - 1 > s->n_train_timesteps)
        return df_err_set(err, DF_EINVAL, "forward diffusion: %d noise levels, from 2 to %d are possible", n,
                          s->n_train_timesteps + 1);
    int *t = calloc((size_t)n, sizeof *t);
    if (!t) return df_err_set(err, DF_ENOMEM, "forward diffusion: %d noise levels", n);
    /* In the paper's count, 0 is clean and N the last. */
    for (int i = 0; i < n; i++) t[i] = (int)lround((double)i * s->n_train_timesteps / (n - 1)) - 1;
    df_code rc = fill(out, s, t, n, err);
    free(t);
    return rc;
}

void df_forward_noise(const df_forward_level *level, const float *sample, const float *epsilon, float *out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = level->signal * sample[i] + level->noise * epsilon[i];
}

double df_forward_snr(const df_forward_level *level) {
    double ratio = (double)level->signal / (double)level->noise;
    return ratio * ratio;
}
