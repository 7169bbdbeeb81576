#include "engine/samplers/midpoint.h"

#include <math.h>
#include <stdlib.h>

#include "engine/samplers/sigmas.h"

float df_midpoint_of(float from, float to) {
    float a = logf(from), b = logf(to);
    return expf(b - (b - a) * 0.5f);
}

df_ancestral df_ancestral_of(float from, float to) {
    float up = fminf(to, sqrtf(to * to * (from * from - to * to) / (from * from)));
    return (df_ancestral) { .down = sqrtf(to * to - up * up), .up = up };
}

df_code df_midpoint_plan(df_sampler *s, bool ancestral, df_err *err) {
    df_code rc = df_sampler_sigma_plan(s, 2, err);
    if (rc) return rc;
    s->model_sigmas = calloc((size_t)s->n_calls, sizeof *s->model_sigmas);
    if (!s->model_sigmas)
        return df_err_set(err, DF_ENOMEM, "sampler '%s': tables of %d calls", s->cfg.name, s->n_calls);
    for (int call = 0; call < s->n_calls; call++) {
        s->model_sigmas[call] = s->sigmas[call];
        if (call % 2 == 0) continue;
        float from = s->sigmas[call - 1], to = s->sigmas[call];
        float middle = df_midpoint_of(from, ancestral ? df_ancestral_of(from, to).down : to);
        s->model_sigmas[call] = middle;
        s->timesteps[call] = (float)df_sigma_to_timestep(s->abar, s->cfg.n_train_timesteps, (double)middle);
    }
    return DF_OK;
}

df_code df_midpoint_check(const df_sampler *s, int call, df_err *err) {
    if (s->n_done || call % 2 == 0) return DF_OK;
    return df_err_set(err, DF_EINVAL, "sampler '%s': call %d is the middle of a step, a walk cannot begin there",
                      s->cfg.name, call);
}
