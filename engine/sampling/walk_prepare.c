/* What each task needs of a request, and which pictures it has encoded. */
#include <math.h>
#include <stdlib.h>

#include "engine/sampling/pixels.h"
#include "engine/sampling/walk_impl.h"

static df_code check_image(const df_image *image, const char *what, int channels, int width, int height, df_task task,
                           df_err *err) {
    if (!image || !image->pixels)
        return df_err_set(err, DF_EINVAL, "%s: there is no %s; it must be %dx%d pixels", df_task_name(task), what,
                          width, height);
    if (image->width != width || image->height != height)
        return df_err_set(err, DF_EINVAL, "%s: the %s is %dx%d pixels, it must be %dx%d", df_task_name(task), what,
                          image->width, image->height, width, height);
    if (image->channels != channels)
        return df_err_set(err, DF_EINVAL, "%s: the %s has %d channels, it must have %d", df_task_name(task), what,
                          image->channels, channels);
    return DF_OK;
}

static df_code check_images(const df_walk *w, const df_walk_cfg *cfg, df_err *err) {
    int factor = w->task == DF_TASK_UPSCALE ? 1 : df_model_info_of(w->model)->vae_factor;
    int width = w->latent_w * factor, height = w->latent_h * factor;
    df_code rc = check_image(cfg->image, "picture", 3, width, height, w->task, err);
    if (!rc && w->task == DF_TASK_INPAINT) rc = check_image(cfg->mask, "mask", 1, width, height, w->task, err);
    return rc;
}

/* Samplers that evaluate twice a step skip two calls for each step that is left out. */
static int calls_per_step(df_scheduler_class klass) {
    switch (klass) {
    case DF_SCHEDULER_HEUN:
    case DF_SCHEDULER_KDPM2:
    case DF_SCHEDULER_KDPM2_ANCESTRAL:
    case DF_SCHEDULER_DPMPP_SDE: return 2;
    default: return 1;
    }
}

/* Pipelines of SD 3 round the steps that are left out down, all others those that are kept. */
static int kept_steps(const df_walk *w, int steps) {
    double kept = steps * w->strength;
    bool round_up = df_model_pipeline(w->model)->context == DF_CONTEXT_JOINT;
    return round_up ? steps - (int)(steps - kept) : (int)kept;
}

static df_code skip_steps(df_walk *w, const df_walk_cfg *cfg, df_err *err) {
    if (!(w->strength > 0 && w->strength <= 1)) /* also NaN */
        return df_err_set(err, DF_EINVAL, "strength %g: a number above 0, up to 1 is needed", w->strength);
    int kept = kept_steps(w, cfg->steps);
    if (kept < 1)
        return df_err_set(err, DF_EINVAL,
                          "strength %g leaves none of %d steps: give a strength of at least %g, or more steps",
                          w->strength, cfg->steps, ceil(1000.0 / cfg->steps) / 1000);
    w->first_call = w->call = (cfg->steps - kept) * calls_per_step(cfg->scheduler->klass);
    return DF_OK;
}

static df_code add_picture(df_walk *w, const df_image *image, const df_image *mask, df_err *err) {
    float *planes = df_walk_alloc(3 * (size_t)image->width * (size_t)image->height, err);
    if (!planes) return DF_ENOMEM;
    df_pixels_to_planes(image, mask, planes);
    w->pictures[w->n_pictures++] = planes;
    return DF_OK;
}

static df_code prepare_img2img(df_walk *w, const df_walk_cfg *cfg, df_err *err) {
    df_code rc = check_images(w, cfg, err);
    if (!rc) rc = skip_steps(w, cfg, err);
    return rc ? rc : add_picture(w, cfg->image, NULL, err);
}

typedef struct mask_of {
    const df_walk *walk;
    const df_image *image;
} mask_of;

static df_code write_mask(void *ctx, float *out, size_t n, df_err *err) {
    const mask_of *m = ctx;
    (void)n, (void)err;
    df_pixels_to_mask(m->image, df_model_info_of(m->walk->model)->vae_factor, out);
    return DF_OK;
}

static df_code prepare_inpaint(df_walk *w, const df_walk_cfg *cfg, df_err *err) {
    df_code rc = check_images(w, cfg, err);
    if (!rc) rc = skip_steps(w, cfg, err);
    if (rc) return rc;
    if (!(w->mask = df_walk_vector(w, w->plane, err))) return DF_ENOMEM;
    rc = w->v->ops->fill(w->v->ctx, w->mask, w->plane, (df_draw) { write_mask, (mask_of[]) { { w, cfg->mask } } }, err);
    if (rc) return rc;
    if (w->strength < 1 || !df_walk_has_mask_beside(w)) rc = add_picture(w, cfg->image, NULL, err);
    return rc ? rc : add_picture(w, cfg->image, cfg->mask, err);
}

static df_code check_noise_level(const df_walk *w, df_err *err) {
    int max = df_model_info_of(w->model)->max_noise_level;
    if (!df_model_low_res_scheduler(w->model) || (w->noise_level >= 0 && w->noise_level <= max)) return DF_OK;
    return df_err_set(err, DF_EINVAL, "noise_level %d: the model takes 0 to %d", w->noise_level, max);
}

static df_code write_planes(void *ctx, float *out, size_t n, df_err *err) {
    (void)n, (void)err;
    df_pixels_to_planes(ctx, NULL, out);
    return DF_OK;
}

static df_code prepare_upscale(df_walk *w, const df_walk_cfg *cfg, df_err *err) {
    bool noised = df_model_low_res_scheduler(w->model) != NULL;
    df_code rc = check_images(w, cfg, err);
    if (!rc) rc = check_noise_level(w, err);
    if (rc) return rc;
    if (!noised && w->channels != 3) /* it is scaled as if it were latents */
        return df_err_set(err, DF_EUNSUPPORTED, "%s: latents of %d channels beside a picture of 3",
                          df_model_dir(w->model), w->channels);
    w->n_beside = 3 * w->plane;
    w->scale_beside = !noised;
    if (!(w->beside = df_walk_vector(w, w->n_beside, err))) return DF_ENOMEM;
    return w->v->ops->fill(w->v->ctx, w->beside, w->n_beside, (df_draw) { write_planes, (void *)(uintptr_t)cfg->image },
                           err);
}

df_code df_walk_prepare(df_walk *w, const df_walk_cfg *cfg, df_err *err) {
    switch (w->task) {
    case DF_TASK_IMG2IMG: return prepare_img2img(w, cfg, err);
    case DF_TASK_INPAINT: return prepare_inpaint(w, cfg, err);
    case DF_TASK_UPSCALE: return prepare_upscale(w, cfg, err);
    default: return DF_OK;
    }
}
