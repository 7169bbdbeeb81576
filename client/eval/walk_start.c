/* How a sampling run begins: from noise, from a picture, from a picture with a mask, from a small picture. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/eval/walk.h"

df_code df_walk_draw(void *ctx, float *out, size_t n, df_err *err) {
    df_row_draws *d = ctx;
    const df_walk *w = d->w;
    if (d->next >= w->n_noise)
        return df_err_set(err, DF_ENOTFOUND,
                          "%s: tensor 'noise.%d' is missing: the sampler makes more draws than the "
                          "%d that are there",
                          w->e->in.path, d->next, w->n_noise);
    const df_walk_noise *noise = &w->noise[d->next];
    if ((size_t)noise->row != n)
        return df_err_set(err, DF_ESHAPE, "%s: 'noise.%d' has %lld numbers for each picture, %zu are drawn",
                          w->e->in.path, d->next, (long long)noise->row, n);
    d->next++;
    memcpy(out, noise->values + d->row * noise->row, n * sizeof *out);
    return DF_OK;
}

/* A draw for every row. */
static df_code draw_all(df_walk *w, float *out, int64_t row, df_err *err) {
    df_code rc = DF_OK;
    for (int64_t r = 0; r < w->n && !rc; r++) rc = df_walk_draw(&w->draws[r], out + r * row, (size_t)row, err);
    return rc;
}

static df_code read_noise(df_walk *w, df_err *err) {
    char name[32];
    int n = 0;
    while (snprintf(name, sizeof name, "noise.%d", n), df_eval_has(&w->e->in, name)) n++;
    if (!(w->noise = calloc((size_t)n + 1, sizeof *w->noise))) return df_err_set(err, DF_ENOMEM, "%d draws", n);
    for (; w->n_noise < n; w->n_noise++) {
        int64_t dim[4] = { w->n, DF_ANY, DF_ANY, DF_ANY };
        snprintf(name, sizeof name, "noise.%d", w->n_noise);
        df_code rc = df_eval_read_f32(&w->e->in, name, dim, 4, &w->noise[w->n_noise].values, err);
        if (rc) return rc;
        w->noise[w->n_noise].row = dim[1] * dim[2] * dim[3];
    }
    return DF_OK;
}

static df_code find_task(df_walk *w, df_err *err) {
    const df_model_info *info = df_model_info_of(w->e->model);
    const df_pipeline_class *p = df_model_pipeline(w->e->model);
    bool beside = info->input_channels > info->latent_channels;
    df_eval_task made_for = p->sample == DF_SAMPLE_PICTURE ? DF_EVAL_TASK_UPSCALE
                            : beside                       ? DF_EVAL_TASK_INPAINT
                                                           : DF_EVAL_TASK_TXT2IMG;
    w->task = w->set->task == DF_EVAL_TASK_MODEL ? made_for : w->set->task;
    bool fits = beside ? w->task == made_for : w->task != DF_EVAL_TASK_UPSCALE;
    return fits ? DF_OK
                : df_err_set(err, DF_EINVAL, "--set task: the model, a %s, cannot do that", info->pipeline_class);
}

/* image_u8 [H][W][3]: latents have the size of its encoding; an upscaler's have its own. */
static df_code size_of_picture(df_walk *w, df_err *err) {
    int factor = w->task == DF_EVAL_TASK_UPSCALE ? 1 : df_model_info_of(w->e->model)->vae_factor;
    const df_tensor_view *t = df_safetensors_find(w->e->in.file, "image_u8");
    if (!t || t->dtype != DF_U8 || t->rank != 3 || t->dim[2] != 3)
        return df_err_set(err, DF_ENOTFOUND, "%s: tensor 'image_u8' [height, width, 3] U8 is missing", w->e->in.path);
    if (t->dim[0] < 1 || t->dim[1] < 1 || t->dim[0] % factor || t->dim[1] % factor)
        return df_err_set(err, DF_ESHAPE, "%s: 'image_u8' is %lldx%lld; its sides must be multiples of %d",
                          w->e->in.path, (long long)t->dim[1], (long long)t->dim[0], factor);
    w->dim[2] = t->dim[0] / factor;
    w->dim[3] = t->dim[1] / factor;
    return DF_OK;
}

df_code df_walk_read_size(df_walk *w, df_err *err) {
    const df_model_info *info = df_model_info_of(w->e->model);
    bool given = df_eval_has(&w->e->in, "latents");
    const char *name = given ? "latents" : "noise.0";
    df_code rc = find_task(w, err);
    if (rc) return rc;
    int64_t dim[4] = { DF_ANY, info->latent_channels, DF_ANY, DF_ANY };
    if (w->task != DF_EVAL_TASK_TXT2IMG) {
        if ((rc = size_of_picture(w, err))) return rc;
        dim[2] = w->dim[2];
        dim[3] = w->dim[3];
        bool noised = df_model_low_res_scheduler(w->e->model) != NULL;
        if (!given && noised) dim[1] = 3; /* the first draw is for the picture */
    }
    if ((rc = df_eval_read_f32(&w->e->in, name, dim, 4, &w->x, err))) return rc;
    dim[1] = info->latent_channels;
    memcpy(w->dim, dim, sizeof dim);
    w->n = dim[0];
    w->plane = dim[2] * dim[3];
    w->row = dim[1] * w->plane;
    if (!given) { /* w->x is drawn when it is due */
        free(w->x);
        w->x = malloc(sizeof *w->x * (size_t)(w->n * w->row));
        if (!w->x) return df_err_set(err, DF_ENOMEM, "latents");
    }
    if ((rc = read_noise(w, err))) return rc;
    if (!(w->draws = calloc((size_t)w->n, sizeof *w->draws))) return df_err_set(err, DF_ENOMEM, "draws");
    for (int64_t r = 0; r < w->n; r++) w->draws[r] = (df_row_draws) { .w = w, .row = r };
    return DF_OK;
}

/* image_u8 to [3][H][W] in -1..1; as VaeImageProcessor has it. hide: 1 where it shall be mid-grey; NULL: nowhere. */
static df_code read_picture(const df_walk *w, const float *hide, float **out, df_err *err) {
    const df_tensor_view *t = df_safetensors_find(w->e->in.file, "image_u8");
    int64_t plane = t->dim[0] * t->dim[1];
    const uint8_t *bytes = t->data;
    float *x = malloc(sizeof *x * (size_t)(3 * plane));
    if (!x) return df_err_set(err, DF_ENOMEM, "picture");
    for (int64_t i = 0; i < plane; i++)
        for (int64_t c = 0; c < 3; c++)
            x[c * plane + i] = hide && hide[i] > 0 ? 0.0f : 2.0f * ((float)bytes[3 * i + c] / 255.0f) - 1.0f;
    *out = x;
    return DF_OK;
}

/* mask_u8 [H][W] of the picture's size, to 0 or 1. */
static df_code read_mask(const df_walk *w, float **out, df_err *err) {
    const df_tensor_view *image = df_safetensors_find(w->e->in.file, "image_u8");
    const df_tensor_view *t = df_safetensors_find(w->e->in.file, "mask_u8");
    if (!t || t->dtype != DF_U8 || t->rank != 2 || t->dim[0] != image->dim[0] || t->dim[1] != image->dim[1])
        return df_err_set(err, DF_ENOTFOUND, "%s: tensor 'mask_u8' [%lld, %lld] U8 is missing", w->e->in.path,
                          (long long)image->dim[0], (long long)image->dim[1]);
    float *x = malloc(sizeof *x * (size_t)t->n_elements);
    if (!x) return df_err_set(err, DF_ENOMEM, "mask");
    for (int64_t i = 0; i < t->n_elements; i++)
        x[i] = (float)((const uint8_t *)t->data)[i] / 255.0f >= 0.5f ? 1.0f : 0.0f;
    *out = x;
    return DF_OK;
}

/* Nearest: the pixel at the corner of each latent's square. */
static df_code shrink_mask(df_walk *w, const float *mask, df_err *err) {
    int64_t factor = df_model_info_of(w->e->model)->vae_factor, width = w->dim[3] * factor;
    if (!(w->mask = malloc(sizeof *w->mask * (size_t)w->plane))) return df_err_set(err, DF_ENOMEM, "mask");
    for (int64_t i = 0; i < w->plane; i++) w->mask[i] = mask[i / w->dim[3] * factor * width + i % w->dim[3] * factor];
    return DF_OK;
}

/* moments: mean, then log-variance; a sample of the posterior for every row, as latents. */
static df_code sample_posterior(df_walk *w, const float *moments, float *out, df_err *err) {
    float scale = (float)df_model_info_of(w->e->model)->scaling_factor;
    df_code rc = draw_all(w, out, w->row, err);
    for (int64_t i = 0; i < w->n * w->row && !rc; i++) {
        float log_variance = fminf(fmaxf(moments[w->row + i % w->row], -30.0f), 20.0f);
        out[i] = (moments[i % w->row] + expf(0.5f * log_variance) * out[i]) * scale;
    }
    return rc;
}

/* A picture [3][H][W] as latents, sampled for every row into out [n][row]. */
static df_code encode(df_walk *w, float *picture, float *out, df_err *err) {
    int program;
    float *moments = malloc(sizeof *moments * (size_t)(2 * w->row));
    df_code rc = moments ? DF_OK : df_err_set(err, DF_ENOMEM, "moments");
    if (!rc) rc = df_eval_runner_load(w->e->runner, DF_VAE_ENCODER, w->dim[2], w->dim[3], &program, err);
    if (!rc)
        rc = df_eval_runner_run(w->e->runner, program, 1, &(df_eval_port) { "image", picture }, 1,
                                &(df_eval_port) { "moments", moments }, 1, err);
    if (!rc) rc = sample_posterior(w, moments, out, err);
    free(moments);
    return rc;
}

static df_code encode_source(df_walk *w, df_err *err) {
    float *picture = NULL;
    w->source = malloc(sizeof *w->source * (size_t)(w->n * w->row));
    w->source_noise = malloc(sizeof *w->source_noise * (size_t)(w->n * w->row));
    df_code rc = w->source && w->source_noise ? read_picture(w, NULL, &picture, err)
                                              : df_err_set(err, DF_ENOMEM, "latents of the picture");
    if (!rc) rc = encode(w, picture, w->source, err);
    free(picture);
    return rc;
}

/* `latents`, or the next draw. */
static df_code draw_start(df_walk *w, df_err *err) {
    return df_eval_has(&w->e->in, "latents") ? DF_OK : draw_all(w, w->x, w->row, err);
}

static void scale_start(df_walk *w) {
    for (int64_t r = 0; r < w->n; r++) {
        float sigma = df_sampler_init_sigma(w->samplers[r]);
        for (int64_t i = 0; i < w->row; i++) w->x[r * w->row + i] *= sigma;
    }
}

static void noise_source(df_walk *w) {
    for (int64_t r = 0; r < w->n; r++)
        df_sampler_add_noise(w->samplers[r], w->first_call, w->source + r * w->row, w->x + r * w->row,
                             w->x + r * w->row);
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

static df_code skip_steps(df_walk *w, double strength, df_err *err) {
    df_scheduler sched;
    df_code rc = df_eval_scheduler(&sched, w->e, w->set, err);
    int kept = (int)(w->set->steps * strength);
    if (!rc && kept < 1)
        rc = df_err_set(err, DF_EINVAL, "--set strength=%g: none of %d steps is left", strength, w->set->steps);
    if (!rc) w->first_call = (w->set->steps - kept) * calls_per_step(sched.klass);
    return rc;
}

static double strength_of(const df_walk *w) {
    if (w->set->strength > 0) return w->set->strength;
    return w->task == DF_EVAL_TASK_IMG2IMG ? 0.8 : 1.0;
}

static df_code start_img2img(df_walk *w, df_err *err) {
    df_code rc = skip_steps(w, strength_of(w), err);
    if (!rc) rc = encode_source(w, err);
    if (!rc) rc = draw_start(w, err);
    if (rc) return rc;
    noise_source(w);
    free(w->source_noise); /* no blending */
    w->source_noise = NULL;
    return DF_OK;
}

/* Mask, then the latents of the picture without what the mask hides: [n][1 + channels][plane]. */
static void put_beside(df_walk *w, const float *masked) {
    for (int64_t r = 0; r < w->n; r++) {
        float *to = w->beside + r * w->beside_row;
        memcpy(to, w->mask, sizeof *to * (size_t)w->plane);
        memcpy(to + w->plane, masked + r * w->row, sizeof *to * (size_t)w->row);
    }
}

static df_code start_inpaint(df_walk *w, df_err *err) {
    const df_model_info *info = df_model_info_of(w->e->model);
    bool beside = info->input_channels > info->latent_channels;
    double strength = strength_of(w);
    float *mask = NULL, *picture = NULL, *masked = malloc(sizeof *masked * (size_t)(w->n * w->row));
    df_code rc = masked ? DF_OK : df_err_set(err, DF_ENOMEM, "latents");
    if (!rc) rc = read_mask(w, &mask, err);
    if (!rc) rc = shrink_mask(w, mask, err);
    if (!rc) rc = skip_steps(w, strength, err);
    if (!rc && (strength < 1 || !beside)) rc = encode_source(w, err);
    if (!rc) rc = draw_start(w, err);
    if (!rc && !beside) memcpy(w->source_noise, w->x, sizeof *w->x * (size_t)(w->n * w->row));
    if (!rc) rc = read_picture(w, mask, &picture, err);
    if (!rc) rc = encode(w, picture, masked, err); /* also without use, for its draw */
    if (!rc && strength < 1)
        noise_source(w);
    else if (!rc)
        scale_start(w);
    if (!rc && beside) {
        w->beside_row = w->plane + w->row;
        w->beside = malloc(sizeof *w->beside * (size_t)(w->n * w->beside_row));
        if (!w->beside) rc = df_err_set(err, DF_ENOMEM, "mask and picture");
        if (!rc) put_beside(w, masked);
        free(w->source_noise); /* no blending */
        w->source_noise = NULL;
    }
    free(mask);
    free(picture);
    free(masked);
    return rc;
}

/* An upscaler's picture is noised by a schedule of its own. */
static df_code noise_picture(df_walk *w, const df_scheduler *sched, const float *picture, df_err *err) {
    df_code rc = draw_all(w, w->beside, w->beside_row, err);
    for (int64_t r = 0; r < w->n && !rc; r++) {
        float *noise = w->beside + r * w->beside_row;
        rc = df_scheduler_add_noise(sched, picture, noise, w->set->noise_level, noise, (size_t)w->beside_row, err);
    }
    return rc;
}

/* Super-resolution takes it clean, and scales it with the latents as if it were one of them. */
static df_code repeat_picture(df_walk *w, const float *picture, df_err *err) {
    if (w->beside_row != w->row)
        return df_err_set(err, DF_EUNSUPPORTED, "%s: latents of %lld channels beside a picture of 3",
                          df_model_dir(w->e->model), (long long)w->dim[1]);
    for (int64_t r = 0; r < w->n; r++)
        memcpy(w->beside + r * w->beside_row, picture, sizeof *picture * (size_t)w->beside_row);
    w->scale_beside = true;
    return DF_OK;
}

static df_code check_noise_level(const df_walk *w, df_err *err) {
    int max = df_model_info_of(w->e->model)->max_noise_level;
    if (w->set->noise_level <= max) return DF_OK;
    return df_err_set(err, DF_EINVAL, "--set noise_level=%d: the model takes 0 to %d", w->set->noise_level, max);
}

static df_code start_upscale(df_walk *w, df_err *err) {
    const df_scheduler *sched = df_model_low_res_scheduler(w->e->model);
    float *picture = NULL;
    df_code rc = sched ? check_noise_level(w, err) : DF_OK;
    if (rc) return rc;
    w->beside_row = 3 * w->plane;
    if (!(w->beside = malloc(sizeof *w->beside * (size_t)(w->n * w->beside_row))))
        return df_err_set(err, DF_ENOMEM, "picture");
    rc = read_picture(w, NULL, &picture, err);
    if (!rc) rc = sched ? noise_picture(w, sched, picture, err) : repeat_picture(w, picture, err);
    free(picture);
    if (!rc) rc = draw_start(w, err);
    if (!rc) scale_start(w);
    return rc;
}

static df_code start_plain(df_walk *w, df_err *err) {
    df_code rc = draw_start(w, err);
    if (!rc) scale_start(w);
    return rc;
}

df_code df_walk_start(df_walk *w, df_err *err) {
    switch (w->task) {
    case DF_EVAL_TASK_IMG2IMG: return start_img2img(w, err);
    case DF_EVAL_TASK_INPAINT: return start_inpaint(w, err);
    case DF_EVAL_TASK_UPSCALE: return start_upscale(w, err);
    case DF_EVAL_TASK_MODEL:
    case DF_EVAL_TASK_TXT2IMG: break;
    }
    return start_plain(w, err);
}
