#include "cluster/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { MAX_SIDE = 16384 };

static df_code check_task(const df_model *m, df_task task, df_err *err) {
    char can[128] = "";
    if (df_model_can(m, task)) return DF_OK;
    for (int t = 0; t < DF_TASK_COUNT; t++)
        if (df_model_can(m, (df_task)t))
            snprintf(can + strlen(can), sizeof can - strlen(can), "%s%s", *can ? ", " : "", df_task_name((df_task)t));
    return df_err_set(err, DF_EUNSUPPORTED, "task %s: a %s can do %s", df_task_name(task),
                      df_model_info_of(m)->pipeline_class, can);
}

static df_code check_size(const df_model_info *info, int width, int height, df_err *err) {
    int m = info->size_multiple;
    if (width < m || height < m || width > MAX_SIDE || height > MAX_SIDE || width % m || height % m)
        return df_err_set(err, DF_EINVAL, "size %dx%d: sides must be multiples of %d from %d to %d", width, height, m,
                          m, MAX_SIDE);
    return DF_OK;
}

/* What the request leaves open follows from its picture, else from the model. */
static df_code set_size(df_row *row, const df_request *q, df_err *err) {
    const df_model_info *info = df_model_info_of(row->model);
    bool of_image =
        q->image && (q->task == DF_TASK_IMG2IMG || q->task == DF_TASK_INPAINT || q->task == DF_TASK_UPSCALE);
    int64_t factor = q->task == DF_TASK_UPSCALE ? info->vae_factor : 1;
    int64_t own_w = of_image ? q->image->width * factor : info->default_width;
    int64_t own_h = of_image ? q->image->height * factor : info->default_height;
    if (own_w > MAX_SIDE + 1) own_w = MAX_SIDE + 1;
    if (own_h > MAX_SIDE + 1) own_h = MAX_SIDE + 1;
    int width = q->width ? q->width : (int)own_w, height = q->height ? q->height : (int)own_h;
    df_code rc = check_size(info, width, height, err);
    row->latent_w = width / info->vae_factor;
    row->latent_h = height / info->vae_factor;
    return rc;
}

static df_code set_class(df_row *row, const df_request *q, df_err *err) {
    int n = df_model_info_of(row->model)->n_classes - 1; /* the last is that of no class */
    if (q->task == DF_TASK_CLASS && (q->class_label < 0 || q->class_label >= n))
        return df_err_set(err, DF_EINVAL, "class %d: the model has classes 0 to %d", q->class_label, n - 1);
    row->class_label = q->class_label;
    row->noise_level = q->noise_level;
    return DF_OK;
}

static df_code draw_noise(void *ctx, float *out, size_t n, df_err *err) {
    (void)err;
    df_noise_normal(ctx, out, n);
    return DF_OK;
}

static df_code open_walk(df_row *row, const df_request *q, df_err *err) {
    row->noise = df_noise_new(q->noise, q->seed);
    if (!row->noise) return df_err_set(err, DF_ENOMEM, "noise of a row");
    df_walk_cfg cfg = {
        .task = q->task,
        .scheduler = &q->scheduler,
        .steps = q->steps,
        .guidance = q->guidance,
        .guidance_rescale = q->guidance_rescale,
        .eta = q->eta,
        .strength = q->strength,
        .noise_level = q->noise_level,
        .latent_h = row->latent_h,
        .latent_w = row->latent_w,
        .image = q->image,
        .mask = q->mask,
        .draw = q->draw ? q->draw : draw_noise,
        .draw_ctx = q->draw ? q->draw_ctx : row->noise,
    };
    df_code rc = df_walk_new(&row->walk, row->model, &cfg, err);
    if (!rc) row->n_model_rows = df_walk_is_guided(row->walk) ? 2 : 1;
    return rc;
}

static df_code reserve(df_row *row, df_err *err) {
    const df_part_facts *d = df_model_facts(row->model, DF_DENOISER);
    int64_t in = d->denoiser.in_channels, out = 2 * d->denoiser.out_channels;
    int64_t dims[] = { in > out ? in : out, row->latent_h, row->latent_w };
    size_t bytes;
    if (!df_size_of_dims(&bytes, dims, 3, sizeof(float)))
        return df_err_set(err, DF_ELIMIT, "latents of %dx%d", row->latent_w, row->latent_h);
    if (!(row->work = malloc(bytes))) return df_err_set(err, DF_ENOMEM, "latents: %zu bytes", bytes);
    return DF_OK;
}

static bool is_empty(const char *text) {
    return !text || !*text;
}

/* Both halves of the guidance take as much text. */
static df_code pad(df_row *row, df_err *err) {
    int cond = df_row_text_chunks(row->cond), uncond = df_row_text_chunks(row->uncond);
    df_code rc = df_row_text_pad(row->cond, uncond, err);
    return rc ? rc : df_row_text_pad(row->uncond, cond, err);
}

static df_code take_prompts(df_row *row, df_prompt_cache *cache, df_dtype dtype, const df_request *q, df_err *err) {
    const df_model_info *info = df_model_info_of(row->model);
    if (!info->text_width) return DF_OK;
    df_code rc = df_row_text_new(&row->cond, row->model, cache, dtype, q->prompt ? q->prompt : "", &q->syntax, err);
    bool zeros = info->force_zeros && is_empty(q->negative);
    if (rc || row->n_model_rows == 1 || zeros) return rc;
    rc = df_row_text_new(&row->uncond, row->model, cache, dtype, q->negative ? q->negative : "", &q->syntax, err);
    return rc ? rc : pad(row, err);
}

int df_row_context_tokens(const df_row *row) {
    int chunks = row->cond ? df_row_text_chunks(row->cond) : 1;
    return chunks > 1 ? chunks * df_model_info_of(row->model)->context_tokens : 0;
}

df_code df_row_new(df_row **out, const df_model *model, df_prompt_cache *cache, df_dtype dtype, uint64_t id,
                   const df_request *request, df_err *err) {
    df_code rc = check_task(model, request->task, err);
    if (rc) return rc;
    df_row *row = calloc(1, sizeof *row);
    if (!row) return df_err_set(err, DF_ENOMEM, "row: %zu bytes", sizeof *row);
    row->id = id;
    row->model = model;
    rc = set_size(row, request, err);
    if (!rc) rc = set_class(row, request, err);
    if (!rc) rc = open_walk(row, request, err);
    if (!rc) rc = reserve(row, err);
    if (!rc) rc = take_prompts(row, cache, dtype, request, err);
    if (rc) {
        df_row_free(&row);
        return rc;
    }
    df_row_wait(row);
    *out = row;
    return DF_OK;
}

void df_row_free(df_row **row) {
    if (!row || !*row) return;
    df_row_text_free(&(*row)->cond);
    df_row_text_free(&(*row)->uncond);
    df_walk_free(&(*row)->walk);
    df_noise_free(&(*row)->noise);
    free((*row)->work);
    free(*row);
    *row = NULL;
}

bool df_row_has_text(const df_row *row, const df_err **failure) {
    *failure = NULL;
    bool cond = !row->cond || df_row_text_is_ready(row->cond, failure);
    bool uncond = !row->uncond || df_row_text_is_ready(row->uncond, failure);
    return cond && uncond;
}

void df_row_wait(df_row *row) {
    switch (df_walk_next(row->walk)) {
    case DF_WALK_ENCODE: row->state = DF_ROW_TO_ENCODE; break;
    case DF_WALK_DENOISE: row->state = DF_ROW_READY; break;
    case DF_WALK_DECODE: row->state = DF_ROW_TO_DECODE; break;
    }
}
