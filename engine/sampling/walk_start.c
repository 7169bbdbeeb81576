/* How a walk begins. The order of the draws is diffusers': walk.h. */
#include <math.h>

#include "engine/samplers/forward.h"
#include "engine/sampling/walk_impl.h"

typedef struct posterior {
    const df_walk *walk;
    const float *moments; /* mean, then log-variance */
} posterior;

/* A sample of it, as latents. Kingma and Welling 2014. */
static df_code draw_posterior(void *ctx, float *out, size_t n, df_err *err) {
    const posterior *p = ctx;
    const df_model_info *info = df_model_info_of(p->walk->model);
    float scale = (float)info->scaling_factor, shift = (float)info->shift_factor;
    df_code rc = p->walk->draw.fn(p->walk->draw.ctx, out, n, err);
    for (size_t i = 0; i < n && !rc; i++) {
        float log_variance = fminf(fmaxf(p->moments[n + i], -30.0f), 20.0f);
        out[i] = (p->moments[i] + expf(0.5f * log_variance) * out[i] - shift) * scale;
    }
    return rc;
}

static df_code sample_posterior(df_walk *w, const float *moments, float *out, df_err *err) {
    posterior p = { w, moments };
    return w->v->ops->fill(w->v->ctx, out, w->n, (df_draw) { draw_posterior, &p }, err);
}

static df_code draw_start(df_walk *w, df_err *err) {
    return w->started ? DF_OK : df_vectors_draw(w->v, w->x, w->n, w->draw, w->generator, err);
}

static void scale_start(df_walk *w) {
    df_term scaled = { df_sampler_init_sigma(w->sampler), w->x };
    w->v->ops->combine(w->v->ctx, w->x, &scaled, 1, w->n);
}

static df_code sample_source(df_walk *w, df_err *err) {
    if (!(w->source = df_walk_vector(w, w->n, err))) return DF_ENOMEM;
    return sample_posterior(w, w->moments[0], w->source, err);
}

static df_code start_img2img(df_walk *w, df_err *err) {
    df_code rc = sample_source(w, err);
    if (!rc) rc = draw_start(w, err);
    if (!rc) df_sampler_add_noise(w->sampler, w->call, w->source, w->x, w->x);
    return rc;
}

/* Beside the latents: the mask, then the latents of the picture without what it hides. */
static df_code put_mask_beside(df_walk *w, const float *masked, df_err *err) {
    w->n_beside = w->plane + w->n;
    if (!(w->beside = df_walk_vector(w, w->n_beside, err))) return DF_ENOMEM;
    w->v->ops->copy(w->v->ctx, w->beside, w->mask, w->plane * sizeof *w->beside);
    w->v->ops->copy(w->v->ctx, w->beside + w->plane, masked, w->n * sizeof *w->beside);
    return DF_OK;
}

static df_code start_inpaint(df_walk *w, df_err *err) {
    bool beside = df_walk_has_mask_beside(w);
    df_code rc = w->n_pictures == 2 ? sample_source(w, err) : DF_OK;
    if (!rc) rc = draw_start(w, err);
    if (!rc && !beside) {
        if (!(w->source_noise = df_walk_vector(w, w->n, err))) return DF_ENOMEM;
        w->v->ops->copy(w->v->ctx, w->source_noise, w->x, w->n * sizeof *w->x);
    }
    if (!rc) rc = sample_posterior(w, w->moments[w->n_pictures - 1], w->work, err);
    if (!rc && beside) rc = put_mask_beside(w, w->work, err);
    if (rc) return rc;
    if (w->strength < 1)
        df_sampler_add_noise(w->sampler, w->call, w->source, w->x, w->x);
    else
        scale_start(w);
    return DF_OK;
}

/* An upscaler's picture is noised by a schedule of its own. */
static df_code noise_picture(df_walk *w, const df_scheduler *sched, df_err *err) {
    df_forward_level level;
    df_code rc = df_forward_level_at(&level, sched, w->noise_level, err);
    float *noise = rc ? NULL : df_walk_vector(w, w->n_beside, err);
    if (!noise) return rc ? rc : DF_ENOMEM;
    rc = df_vectors_draw(w->v, noise, w->n_beside, w->draw, w->generator, err);
    df_term mixed[] = { { level.signal, w->beside }, { level.noise, noise } };
    if (!rc) w->v->ops->combine(w->v->ctx, w->beside, mixed, 2, w->n_beside);
    w->v->ops->free(w->v->ctx, noise);
    return rc;
}

static df_code start_plain(df_walk *w, df_err *err) {
    df_code rc = draw_start(w, err);
    if (!rc) scale_start(w);
    return rc;
}

static df_code start_upscale(df_walk *w, df_err *err) {
    const df_scheduler *sched = df_model_low_res_scheduler(w->model);
    df_code rc = sched ? noise_picture(w, sched, err) : DF_OK;
    return rc ? rc : start_plain(w, err);
}

df_code df_walk_start(df_walk *w, df_err *err) {
    switch (w->task) {
    case DF_TASK_IMG2IMG: return start_img2img(w, err);
    case DF_TASK_INPAINT: return start_inpaint(w, err);
    case DF_TASK_UPSCALE: return start_upscale(w, err);
    default: return start_plain(w, err);
    }
}
