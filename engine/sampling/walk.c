#include "engine/sampling/walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "engine/sampling/walk_impl.h"

float *df_walk_alloc(size_t n, df_err *err) {
    float *x = calloc(n ? n : 1, sizeof *x);
    if (!x) df_err_set(err, DF_ENOMEM, "%zu numbers of a picture", n);
    return x;
}

float *df_walk_vector(const df_walk *w, size_t n, df_err *err) {
    size_t bytes;
    if (df_size_mul(&bytes, n, sizeof(float))) return w->v->ops->alloc(w->v->ctx, bytes, err);
    df_err_set(err, DF_ELIMIT, "%zu numbers of a picture", n);
    return NULL;
}

bool df_walk_has_mask_beside(const df_walk *w) {
    const df_model_info *info = df_model_info_of(w->model);
    return df_model_pipeline(w->model)->sample == DF_SAMPLE_MASKED && info->input_channels > info->latent_channels;
}

static df_code check_numbers(const df_walk_cfg *cfg, df_err *err) {
    if (!isfinite(cfg->guidance))
        return df_err_set(err, DF_EINVAL, "guidance %g: a finite number is needed", cfg->guidance);
    if (!(cfg->guidance_rescale >= 0 && cfg->guidance_rescale <= 1))
        return df_err_set(err, DF_EINVAL, "guidance_rescale %g: a number from 0 to 1 is needed", cfg->guidance_rescale);
    if (!(cfg->eta >= 0 && cfg->eta <= 1))
        return df_err_set(err, DF_EINVAL, "eta %g: a number from 0 to 1 is needed", cfg->eta);
    return DF_OK;
}

static bool can_be_guided(const df_model *m) {
    return df_model_info_of(m)->text_width > 0 || df_model_pipeline(m)->guided_by_class;
}

static df_walk walk_of(const df_model *model, const df_walk_cfg *cfg) {
    int channels = df_model_info_of(model)->latent_channels;
    size_t plane = (size_t)cfg->latent_h * (size_t)cfg->latent_w;
    return (df_walk) {
        .model = model,
        .v = cfg->vectors ? cfg->vectors : &df_vectors_host,
        .task = cfg->task,
        .draw = { cfg->draw, cfg->draw_ctx },
        .generator = cfg->generator,
        .guidance = cfg->guidance,
        .guidance_rescale = cfg->guidance_rescale,
        .strength = cfg->strength,
        .guided = cfg->guidance > 1 && can_be_guided(model),
        .noise_level = cfg->noise_level,
        .channels = channels,
        .latent_h = cfg->latent_h,
        .latent_w = cfg->latent_w,
        .plane = plane,
        .n = (size_t)channels * plane,
    };
}

static df_code open_latents(df_walk *w, const df_walk_cfg *cfg, df_err *err) {
    if (!(w->x = df_walk_vector(w, w->n, err)) || !(w->work = df_walk_vector(w, w->n, err))) return DF_ENOMEM;
    w->started = cfg->start != NULL;
    return w->started ? df_vectors_upload(w->v, w->x, cfg->start, w->n, err) : DF_OK;
}

static df_code open_flags(df_walk *w, df_err *err) {
    w->n_flags = df_walk_end_call(w);
    w->flags = calloc((size_t)w->n_flags, sizeof *w->flags);
    if (!w->flags) return df_err_set(err, DF_ENOMEM, "walk of %d steps", w->n_flags);
    w->bad = w->v->ops->alloc(w->v->ctx, (size_t)w->n_flags * sizeof *w->bad, err);
    return w->bad ? DF_OK : DF_ENOMEM;
}

/* StableDiffusion3InpaintPipeline of diffusers 0.42.1 decodes without the shift, unlike its siblings. */
static bool shifts(const df_walk *w) {
    bool spared = w->task == DF_TASK_INPAINT && df_model_pipeline(w->model)->context == DF_CONTEXT_JOINT;
    return !spared && (float)df_model_info_of(w->model)->shift_factor != 0;
}

static df_code fill_with(void *ctx, float *out, size_t n, df_err *err) {
    (void)err;
    for (size_t i = 0; i < n; i++) out[i] = *(const float *)ctx;
    return DF_OK;
}

static df_code open_shift(df_walk *w, df_err *err) {
    float shift = (float)df_model_info_of(w->model)->shift_factor;
    if (!shifts(w)) return DF_OK;
    if (!(w->shift = df_walk_vector(w, w->n, err))) return DF_ENOMEM;
    return w->v->ops->fill(w->v->ctx, w->shift, w->n, (df_draw) { fill_with, &shift }, err);
}

df_code df_walk_new(df_walk **out, const df_model *model, const df_walk_cfg *cfg, df_err *err) {
    df_code rc = check_numbers(cfg, err);
    if (rc) return rc;
    df_walk *w = malloc(sizeof *w);
    if (!w) return df_err_set(err, DF_ENOMEM, "walk: %zu bytes", sizeof *w);
    *w = walk_of(model, cfg);
    rc = df_sampler_new_in(&w->sampler, w->v, cfg->scheduler, cfg->steps, cfg->eta, w->n, err);
    if (!rc) df_sampler_draws_are_increments(w->sampler, cfg->draws_are_increments);
    if (!rc) df_sampler_draw_from(w->sampler, w->generator);
    if (!rc) rc = open_latents(w, cfg, err);
    if (!rc) rc = open_flags(w, err);
    if (!rc) rc = open_shift(w, err);
    if (!rc) rc = df_walk_prepare(w, cfg, err);
    if (!rc && !w->n_pictures) rc = df_walk_start(w, err);
    if (rc) {
        df_walk_free(&w);
        return rc;
    }
    *out = w;
    return DF_OK;
}

void df_walk_free(df_walk **walk) {
    if (!walk || !*walk) return;
    df_walk *w = *walk;
    df_sampler_free(&w->sampler);
    for (int i = 0; i < DF_WALK_MAX_PICTURES; i++) {
        free(w->pictures[i]);
        free(w->moments[i]);
    }
    free(w->flags);
    void *vectors[] = { w->x, w->work, w->shift, w->bad, w->beside, w->mask, w->source, w->source_noise };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) w->v->ops->free(w->v->ctx, vectors[i]);
    free(w);
    *walk = NULL;
}

df_walk_need df_walk_next(const df_walk *w) {
    if (w->n_encoded < w->n_pictures) return DF_WALK_ENCODE;
    return w->call < df_walk_end_call(w) ? DF_WALK_DENOISE : DF_WALK_DECODE;
}

size_t df_walk_elements(const df_walk *w) {
    return w->n;
}

bool df_walk_is_guided(const df_walk *w) {
    return w->guided;
}

int df_walk_call(const df_walk *w) {
    return w->call;
}

int df_walk_first_call(const df_walk *w) {
    return w->first_call;
}

int df_walk_end_call(const df_walk *w) {
    return df_sampler_n_calls(w->sampler);
}

const float *df_walk_picture(const df_walk *w) {
    return w->pictures[w->n_encoded];
}

static bool all_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

df_code df_walk_take_moments(df_walk *w, const float *moments, df_err *err) {
    int i = w->n_encoded;
    if (!all_finite(moments, 2 * w->n))
        return df_err_set(err, DF_ENUMERIC, "what the encoder made of the picture is not finite");
    if (!(w->moments[i] = df_walk_alloc(2 * w->n, err))) return DF_ENOMEM;
    memcpy(w->moments[i], moments, 2 * w->n * sizeof *moments);
    free(w->pictures[i]);
    w->pictures[i] = NULL;
    return ++w->n_encoded == w->n_pictures ? df_walk_start(w, err) : DF_OK;
}

void df_walk_write_sample(df_walk *w, float *out) {
    df_sampler_scale_input(w->sampler, w->call, w->x, out);
    if (w->scale_beside)
        df_sampler_scale_input(w->sampler, w->call, w->beside, out + w->n);
    else if (w->beside)
        w->v->ops->copy(w->v->ctx, out + w->n, w->beside, w->n_beside * sizeof *out);
}

float df_walk_timestep(const df_walk *w) {
    return df_sampler_timestep(w->sampler, w->call);
}

const float *df_walk_guide(df_walk *w, const float *cond, const float *uncond) {
    const df_vectors_ops *ops = w->v->ops;
    if (uncond)
        ops->guide(w->v->ctx, w->work, cond, uncond, (float)w->guidance, w->n);
    else
        ops->copy(w->v->ctx, w->work, cond, w->n * sizeof *w->work);
    if (uncond && w->guidance_rescale > 0) ops->rescale(w->v->ctx, w->work, cond, w->guidance_rescale, w->n);
    return w->work;
}

/* What is bad at once is known in the host's memory alone. */
df_code df_walk_step(df_walk *w, df_err *err) {
    df_code rc = DF_OK;
    int32_t *bad = w->bad + w->call;
    bool at_once = w->v->ops->immediate;
    w->v->ops->find_not_finite(w->v->ctx, bad, w->work, w->n);
    if (!at_once || !*bad) rc = df_sampler_step(w->sampler, w->call, w->work, w->x, w->draw.fn, w->draw.ctx, err);
    w->v->ops->find_not_finite(w->v->ctx, bad, w->x, w->n);
    w->call++;
    return rc || !at_once ? rc : df_walk_check(w, err);
}

df_code df_walk_check(df_walk *w, df_err *err) {
    int first = w->n_checked > w->first_call ? w->n_checked : w->first_call, n = w->call - first;
    df_code rc = w->v->ops->read(w->v->ctx, w->flags + first, w->bad + first, (size_t)n * sizeof *w->bad, err);
    for (; !rc && w->n_checked < w->call; w->n_checked++)
        if (w->flags[w->n_checked])
            return df_err_set(err, DF_ENUMERIC, "step %d of %d: the model's output is not finite",
                              w->n_checked + 1 - w->first_call, df_walk_end_call(w) - w->first_call);
    return rc;
}

void df_walk_blend(df_walk *w) {
    if (!w->source_noise) return;
    bool more = w->call < df_walk_end_call(w);
    if (more) df_sampler_add_noise(w->sampler, w->call, w->source, w->source_noise, w->work);
    w->v->ops->blend(w->v->ctx, w->x, more ? w->work : w->source, w->mask, w->n, w->plane);
}

const float *df_walk_latents(const df_walk *w) {
    return w->x;
}

void df_walk_write_z(const df_walk *w, float *out) {
    const df_vectors_ops *ops = w->v->ops;
    ops->divide(w->v->ctx, out, w->x, NULL, (float)df_model_info_of(w->model)->scaling_factor, w->n);
    if (w->shift) ops->combine(w->v->ctx, out, (const df_term[]) { { 1, out }, { 1, w->shift } }, 2, w->n);
}
