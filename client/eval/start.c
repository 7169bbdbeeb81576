#include "client/eval/start.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/models/config_check.h"

df_code df_eval_draw(void *ctx, float *out, size_t n, df_err *err) {
    df_eval_draws *d = ctx;
    const df_eval_start *s = d->start;
    if (d->next >= s->n_noise)
        return df_err_set(err, DF_ENOTFOUND,
                          "%s: tensor 'noise.%d' is missing: the sampler makes more draws than the "
                          "%d that are there",
                          s->path, d->next, s->n_noise);
    const df_eval_noise *noise = &s->noise[d->next];
    if ((size_t)noise->row != n)
        return df_err_set(err, DF_ESHAPE, "%s: 'noise.%d' has %lld numbers for each picture, %zu are drawn", s->path,
                          d->next, (long long)noise->row, n);
    d->next++;
    memcpy(out, noise->values + d->row * noise->row, n * sizeof *out);
    return DF_OK;
}

static bool takes_picture(df_task task) {
    return task == DF_TASK_IMG2IMG || task == DF_TASK_INPAINT || task == DF_TASK_UPSCALE;
}

/* The tasks without a picture are one and the same to a model that can do any of them. */
static df_code find_task(df_eval_start *s, const df_eval *e, const df_eval_settings *settings, df_err *err) {
    df_task own = df_model_default_task(e->model);
    s->task = settings->task_given ? settings->task : own;
    if (!takes_picture(s->task) && !takes_picture(own)) s->task = own;
    if (df_model_can(e->model, s->task)) return DF_OK;
    return df_err_set(err, DF_EINVAL, "--set task=%s: the model, a %s, cannot do that", df_task_name(s->task),
                      df_model_info_of(e->model)->pipeline_class);
}

static bool is_side(int64_t side, int factor) {
    return side > 0 && side <= INT_MAX && side % factor == 0;
}

/* image_u8 [H][W][3]: latents have the size of its encoding; an upscaler's have its own. */
static df_code read_image(df_eval_start *s, const df_eval *e, df_err *err) {
    int factor = s->task == DF_TASK_UPSCALE ? 1 : df_model_info_of(e->model)->vae_factor;
    const df_tensor_view *t = df_safetensors_find(e->in.file, "image_u8");
    if (!t || t->dtype != DF_U8 || t->rank != 3 || t->dim[2] != 3)
        return df_err_set(err, DF_ENOTFOUND, "%s: tensor 'image_u8' [height, width, 3] U8 is missing", s->path);
    if (!is_side(t->dim[0], factor) || !is_side(t->dim[1], factor))
        return df_err_set(err, DF_ESHAPE, "%s: 'image_u8' is %lldx%lld; its sides must be multiples of %d", s->path,
                          (long long)t->dim[1], (long long)t->dim[0], factor);
    s->image = (df_image) { (int)t->dim[1], (int)t->dim[0], 3, (uint8_t *)(uintptr_t)t->data };
    s->dim[2] = t->dim[0] / factor;
    s->dim[3] = t->dim[1] / factor;
    return DF_OK;
}

/* mask_u8 [H][W] of the picture's size. */
static df_code read_mask(df_eval_start *s, const df_eval *e, df_err *err) {
    const df_tensor_view *t = df_safetensors_find(e->in.file, "mask_u8");
    if (!t || t->dtype != DF_U8 || t->rank != 2 || t->dim[0] != s->image.height || t->dim[1] != s->image.width)
        return df_err_set(err, DF_ENOTFOUND, "%s: tensor 'mask_u8' [%d, %d] U8 is missing", s->path, s->image.height,
                          s->image.width);
    s->mask = (df_image) { s->image.width, s->image.height, 1, (uint8_t *)(uintptr_t)t->data };
    return DF_OK;
}

/* The size is that of `latents`; without it, of the first draw. */
static df_code read_latents(df_eval_start *s, const df_eval *e, df_err *err) {
    const df_model_info *info = df_model_info_of(e->model);
    bool given = df_eval_has(&e->in, "latents");
    bool noised = s->task == DF_TASK_UPSCALE && df_model_low_res_scheduler(e->model) != NULL;
    int64_t dim[4] = { DF_ANY, info->latent_channels, s->dim[2], s->dim[3] };
    if (!given && noised) dim[1] = 3; /* the first draw is for the picture */
    df_code rc = df_eval_read_f32(&e->in, given ? "latents" : "noise.0", dim, 4, &s->latents, err);
    if (!rc && (dim[2] > DF_MODEL_MAX_LATENT || dim[3] > DF_MODEL_MAX_LATENT))
        rc = df_err_set(err, DF_ESHAPE, "%s: latents of %lldx%lld; sides of up to %d are possible", s->path,
                        (long long)dim[3], (long long)dim[2], DF_MODEL_MAX_LATENT);
    if (rc) return rc;
    dim[1] = info->latent_channels;
    memcpy(s->dim, dim, sizeof dim);
    if (given) return DF_OK;
    free(s->latents);
    s->latents = NULL;
    return DF_OK;
}

static df_code read_noise(df_eval_start *s, const df_eval *e, df_err *err) {
    char name[32];
    int n = 0;
    while (snprintf(name, sizeof name, "noise.%d", n), df_eval_has(&e->in, name)) n++;
    if (!(s->noise = calloc((size_t)n + 1, sizeof *s->noise))) return df_err_set(err, DF_ENOMEM, "%d draws", n);
    for (; s->n_noise < n; s->n_noise++) {
        int64_t dim[4] = { s->dim[0], DF_ANY, DF_ANY, DF_ANY };
        snprintf(name, sizeof name, "noise.%d", s->n_noise);
        df_code rc = df_eval_read_f32(&e->in, name, dim, 4, &s->noise[s->n_noise].values, err);
        if (rc) return rc;
        s->noise[s->n_noise].row = dim[1] * dim[2] * dim[3];
    }
    return DF_OK;
}

df_code df_eval_start_read(df_eval_start *s, const df_eval *e, const df_eval_settings *settings, df_err *err) {
    *s = (df_eval_start) { .path = e->in.path, .dim = { DF_ANY, DF_ANY, DF_ANY, DF_ANY } };
    df_code rc = find_task(s, e, settings, err);
    if (!rc && takes_picture(s->task)) rc = read_image(s, e, err);
    if (!rc && s->task == DF_TASK_INPAINT) rc = read_mask(s, e, err);
    if (!rc) rc = read_latents(s, e, err);
    return rc ? rc : read_noise(s, e, err);
}

void df_eval_start_free(df_eval_start *s) {
    for (int i = 0; i < s->n_noise; i++) free(s->noise[i].values);
    free(s->noise);
    free(s->latents);
    *s = (df_eval_start) { 0 };
}
