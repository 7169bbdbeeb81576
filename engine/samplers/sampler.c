#include "engine/samplers/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "base/size.h"
#include "engine/samplers/sampler_ops.h"

static const df_sampler_ops *const classes[DF_SCHEDULER_CLASSES] = {
    [DF_SCHEDULER_DDPM] = &df_ddpm_ops,
    [DF_SCHEDULER_DDIM] = &df_ddim_ops,
    [DF_SCHEDULER_PNDM] = &df_pndm_ops,
    [DF_SCHEDULER_EULER] = &df_euler_ops,
    [DF_SCHEDULER_EULER_ANCESTRAL] = &df_euler_ancestral_ops,
    [DF_SCHEDULER_DPMPP_MULTISTEP] = &df_dpmpp_multistep_ops,
    [DF_SCHEDULER_LMS] = &df_lms_ops,
    [DF_SCHEDULER_HEUN] = &df_heun_ops,
    [DF_SCHEDULER_UNIPC] = &df_unipc_ops,
    [DF_SCHEDULER_LCM] = &df_lcm_ops,
    [DF_SCHEDULER_TCD] = &df_tcd_ops,
    [DF_SCHEDULER_FLOW_EULER] = &df_flow_euler_ops,
    [DF_SCHEDULER_DPMPP_SDE] = &df_dpmpp_sde_ops,
    [DF_SCHEDULER_DPMPP_SINGLESTEP] = &df_dpmpp_singlestep_ops,
    [DF_SCHEDULER_DEIS] = &df_deis_ops,
    [DF_SCHEDULER_KDPM2] = &df_kdpm2_ops,
    [DF_SCHEDULER_KDPM2_ANCESTRAL] = &df_kdpm2_ancestral_ops,
};

static df_code alloc_tables(df_sampler *s, df_err *err) {
    s->abar = calloc((size_t)s->cfg.n_train_timesteps, sizeof *s->abar);
    if (s->cfg.thresholding) s->sorted = calloc(s->n ? s->n : 1, sizeof *s->sorted); /* calloc checks the product */
    if (s->abar && (s->sorted || !s->cfg.thresholding)) return DF_OK;
    return df_err_set(err, DF_ENOMEM, "sampler '%s': tables of %zu elements", s->cfg.name, s->n);
}

static df_code alloc_tensors(df_sampler *s, df_err *err) {
    size_t bytes;
    if (!df_size_mul(&bytes, s->n, sizeof(float)))
        return df_err_set(err, DF_ELIMIT, "sampler '%s': tensors of %zu elements", s->cfg.name, s->n);
    bool ok =
        (s->scratch = s->v->ops->alloc(s->v->ctx, bytes, err)) && (s->noise = s->v->ops->alloc(s->v->ctx, bytes, err));
    for (int i = 0; ok && i < s->ops->n_history; i++)
        ok = (s->history[i] = s->v->ops->alloc(s->v->ctx, bytes, err)) != NULL;
    return ok ? DF_OK : DF_ENOMEM;
}

static void fill_abar(df_sampler *s) {
    if (s->ops->flows) return;
    df_scheduler_alphas_cumprod(&s->cfg, s->abar);
    s->final_abar = s->cfg.set_alpha_to_one ? 1.0f : s->abar[0];
}

/* A model that predicts noise says nothing where there is nothing but noise. */
static df_code check_first_abar(const df_sampler *s, df_err *err) {
    if (s->ops->flows || s->cfg.prediction != DF_PREDICT_EPSILON) return DF_OK;
    double first = s->timesteps[0];
    if (first > s->cfg.n_train_timesteps - 1 || s->abar[(int)first] > 0) return DF_OK;
    return df_err_set(err, DF_EINVAL,
                      "sampler '%s': timestep %g has no signal left (its alphas_cumprod is 0), which a model with "
                      "prediction_type epsilon cannot start from",
                      s->cfg.name, first);
}

static df_code check_tables(const df_sampler *s, df_err *err) {
    for (int i = 0; i < s->n_sigmas; i++)
        if (!isfinite(s->sigmas[i]))
            return df_err_set(err, DF_ENUMERIC, "sampler '%s': sigma %d of %d is not finite: the betas leave no signal",
                              s->cfg.name, i, s->n_sigmas);
    return check_first_abar(s, err);
}

static df_code check_args(const df_scheduler *sched, int n_steps, double eta, df_err *err) {
    if (n_steps < 1 || n_steps > sched->n_train_timesteps)
        return df_err_set(err, DF_EINVAL, "sampler '%s': %d steps, from 1 to %d are possible", sched->name, n_steps,
                          sched->n_train_timesteps);
    if (!(eta >= 0 && eta <= 1))
        return df_err_set(err, DF_EINVAL, "sampler '%s': eta is %g, it must lie in 0..1", sched->name, eta);
    return DF_OK;
}

df_code df_sampler_new(df_sampler **out, const df_scheduler *sched, int n_steps, double eta, size_t n_elements,
                       df_err *err) {
    return df_sampler_new_in(out, &df_vectors_host, sched, n_steps, eta, n_elements, err);
}

df_code df_sampler_new_in(df_sampler **out, const df_vectors *v, const df_scheduler *sched, int n_steps, double eta,
                          size_t n_elements, df_err *err) {
    df_code rc = check_args(sched, n_steps, eta, err);
    if (rc) return rc;
    df_sampler *s = calloc(1, sizeof *s);
    if (!s) return df_err_set(err, DF_ENOMEM, "sampler '%s'", sched->name);
    s->cfg = *sched;
    s->ops = classes[sched->klass];
    s->v = v;
    s->n_steps = n_steps;
    s->eta = eta;
    s->n = n_elements;
    s->init_sigma = 1;
    s->next_call = -1;
    if ((rc = alloc_tables(s, err))) goto fail;
    if ((rc = alloc_tensors(s, err))) goto fail;
    fill_abar(s);
    if ((rc = s->ops->plan(s, err))) goto fail;
    if ((rc = check_tables(s, err))) goto fail;
    *out = s;
    return DF_OK;
fail:
    df_sampler_free(&s);
    return rc;
}

void df_sampler_free(df_sampler **sampler) {
    df_sampler *s = *sampler;
    if (!s) return;
    for (int i = 0; i < DF_SAMPLER_MAX_HISTORY; i++) s->v->ops->free(s->v->ctx, s->history[i]);
    s->v->ops->free(s->v->ctx, s->scratch);
    s->v->ops->free(s->v->ctx, s->noise);
    free(s->sorted);
    free(s->abar);
    free(s->timesteps);
    free(s->sigmas);
    free(s->model_sigmas);
    free(s);
    *sampler = NULL;
}

int df_sampler_n_calls(const df_sampler *s) {
    return s->n_calls;
}

float df_sampler_timestep(const df_sampler *s, int call) {
    return s->timesteps[call];
}

float df_sampler_init_sigma(const df_sampler *s) {
    return s->init_sigma;
}

const float *df_sampler_sigmas(const df_sampler *s, int *n) {
    *n = s->n_sigmas;
    return s->sigmas;
}

void df_sampler_scale_input(const df_sampler *s, int call, const float *x, float *out) {
    if (!s->ops->scales_input) {
        if (out != x) df_keep(s, out, x);
        return;
    }
    float sigma = df_sampler_model_sigma(s, call);
    df_divide(s, out, x, NULL, sqrtf(sigma * sigma + 1.0f));
}

df_code df_sampler_step(df_sampler *s, int call, const float *model_output, float *x, df_draw_fn draw, void *draw_ctx,
                        df_err *err) {
    if (call < 0 || call >= s->n_calls || (s->next_call >= 0 && call != s->next_call))
        return df_err_set(err, DF_EINVAL, "sampler '%s': call %d of %d, after %d calls", s->cfg.name, call, s->n_calls,
                          s->n_done);
    df_code rc = s->ops->step(s, call, model_output, x, (df_draw) { draw, draw_ctx }, err);
    if (rc) return rc;
    s->n_done++;
    s->next_call = call + 1;
    return DF_OK;
}

void df_sampler_draw_from(df_sampler *s, df_torch_cuda *g) {
    s->generator = g;
}

void df_sampler_draws_are_increments(df_sampler *s, bool yes) {
    s->draws_are_increments = yes;
}

/* How much of sample and of noise x holds before a call. */
static void noise_scales(const df_sampler *s, int call, float *of_sample, float *of_noise) {
    float sigma = s->sigmas ? df_sampler_model_sigma(s, call) : 0;
    if (s->ops->flows) {
        *of_sample = 1.0f - sigma;
        *of_noise = sigma;
    } else if (s->ops->scales_input) {
        *of_sample = 1;
        *of_noise = sigma;
    } else if (s->sigmas) {
        *of_sample = 1.0f / sqrtf(sigma * sigma + 1.0f);
        *of_noise = sigma * *of_sample;
    } else {
        float abar = s->abar[(int)s->timesteps[call]];
        *of_sample = sqrtf(abar);
        *of_noise = sqrtf(1.0f - abar);
    }
}

void df_sampler_add_noise(const df_sampler *s, int call, const float *sample, const float *noise, float *out) {
    float a, b;
    noise_scales(s, call, &a, &b);
    df_mix(s, out, { a, sample }, { b, noise });
}

df_code df_sampler_draw(df_sampler *s, df_draw draw, df_err *err) {
    if (!draw.fn) return df_err_set(err, DF_EINVAL, "sampler '%s' needs noise, no source was given", s->cfg.name);
    return df_vectors_draw(s->v, s->noise, s->n, draw, s->generator, err);
}
