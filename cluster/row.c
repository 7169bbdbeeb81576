#include "cluster/row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"

enum { MAX_SIDE = 16384 };

static df_code check_size(const df_model_info *info, int width, int height, df_err *err) {
    int m = info->size_multiple;
    if (width < m || height < m || width > MAX_SIDE || height > MAX_SIDE || width % m || height % m)
        return df_err_set(err, DF_EINVAL, "size %dx%d: sides must be multiples of %d from %d to %d", width, height, m,
                          m, MAX_SIDE);
    return DF_OK;
}

static df_code set_size(df_row *row, const df_model_info *info, const df_request *q, df_err *err) {
    int width = q->width ? q->width : info->default_width, height = q->height ? q->height : info->default_height;
    df_code rc = check_size(info, width, height, err);
    if (rc) return rc;
    row->channels = info->latent_channels;
    row->latent_w = width / info->vae_factor;
    row->latent_h = height / info->vae_factor;
    int64_t dims[] = { row->channels, row->latent_h, row->latent_w };
    if (!df_size_of_dims(&row->n_elements, dims, 3, 1)) return df_err_set(err, DF_ELIMIT, "size %dx%d", width, height);
    return DF_OK;
}

static df_code take_prompts(df_row *row, df_prompt_cache *cache, const df_request *q, df_err *err) {
    df_code rc = df_prompt_take(cache, q->prompt ? q->prompt : "", &row->cond, err);
    if (rc || row->n_model_rows == 1) return rc;
    return df_prompt_take(cache, q->negative ? q->negative : "", &row->uncond, err);
}

static df_code start_latents(df_row *row, const df_request *q, df_err *err) {
    row->latents = malloc(row->n_elements * sizeof(float));
    row->work = malloc(2 * row->n_elements * sizeof(float));
    row->noise = df_noise_new(q->noise, q->seed);
    if (!row->latents || !row->work || !row->noise)
        return df_err_set(err, DF_ENOMEM, "latents of %zu numbers", row->n_elements);
    float sigma = df_sampler_init_sigma(row->sampler);
    df_noise_normal(row->noise, row->latents, row->n_elements);
    for (size_t i = 0; i < row->n_elements; i++) row->latents[i] *= sigma;
    return DF_OK;
}

df_code df_row_new(df_row **out, const df_model *model, df_prompt_cache *cache, uint64_t id, const df_request *request,
                   df_err *err) {
    if (!isfinite(request->guidance)) return df_err_set(err, DF_EINVAL, "guidance is not a finite number");
    df_row *row = calloc(1, sizeof *row);
    if (!row) return df_err_set(err, DF_ENOMEM, "row: %zu bytes", sizeof *row);
    row->id = id;
    row->guidance = request->guidance;
    row->n_model_rows = request->guidance > 1 ? 2 : 1;
    df_code rc = set_size(row, df_model_info_of(model), request, err);
    if (!rc) rc = df_sampler_new(&row->sampler, &request->scheduler, request->steps, 0, row->n_elements, err);
    if (!rc) rc = start_latents(row, request, err);
    if (!rc) rc = take_prompts(row, cache, request, err);
    if (rc) {
        df_row_free(&row, cache);
        return rc;
    }
    *out = row;
    return DF_OK;
}

void df_row_free(df_row **row, df_prompt_cache *cache) {
    if (!row || !*row) return;
    df_prompt_release(cache, &(*row)->cond);
    df_prompt_release(cache, &(*row)->uncond);
    df_sampler_free(&(*row)->sampler);
    df_noise_free(&(*row)->noise);
    free((*row)->latents);
    free((*row)->work);
    free(*row);
    *row = NULL;
}

bool df_row_has_text(const df_row *row, const df_err **failure) {
    const df_prompt *prompts[] = { row->cond, row->uncond };
    bool ready = true;
    *failure = NULL;
    for (int i = 0; i < row->n_model_rows; i++) {
        if (prompts[i]->state == DF_PROMPT_FAILED) *failure = &prompts[i]->failure;
        ready &= prompts[i]->state == DF_PROMPT_READY;
    }
    return ready;
}

/* [C][H][W] f32 to [H][W][C] of the activation type, and back. */
static void to_channels_last(const df_row *row, const float *x, void *out, df_dtype dtype) {
    size_t C = (size_t)row->channels, area = row->n_elements / C;
    float *f32 = out;
    double *f64 = out;
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < area; i++) {
            if (dtype == DF_F64)
                f64[i * C + c] = x[c * area + i];
            else
                f32[i * C + c] = x[c * area + i];
        }
}

static void from_channels_last(const df_row *row, const void *x, float *out, df_dtype dtype) {
    size_t C = (size_t)row->channels, area = row->n_elements / C;
    const float *f32 = x;
    const double *f64 = x;
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < area; i++) out[c * area + i] = dtype == DF_F64 ? (float)f64[i * C + c] : f32[i * C + c];
}

static void *row_at(void *base, int row, size_t bytes) {
    return (char *)base + (size_t)row * bytes;
}

static const df_prompt *prompt_of(const df_row *row, int model_row) {
    return row->n_model_rows == 2 && model_row == 0 ? row->uncond : row->cond;
}

void df_row_write_input(df_row *row, void *sample, void *timestep, void *text, size_t text_bytes, df_dtype dtype) {
    size_t unit = df_dtype_bytes(dtype);
    float t = df_sampler_timestep(row->sampler, row->call);
    if (!row->started_ns) row->started_ns = df_clock_ns();
    df_sampler_scale_input(row->sampler, row->call, row->latents, row->work);
    for (int k = 0; k < row->n_model_rows; k++) {
        to_channels_last(row, row->work, row_at(sample, k, row->n_elements * unit), dtype);
        if (dtype == DF_F64)
            ((double *)timestep)[k] = t;
        else
            ((float *)timestep)[k] = t;
        memcpy(row_at(text, k, text_bytes), prompt_of(row, k)->embedding, text_bytes);
    }
}

static bool all_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

static df_code draw(void *ctx, float *out, size_t n, df_err *err) {
    (void)err;
    df_noise_normal(ctx, out, n);
    return DF_OK;
}

df_code df_row_take_output(df_row *row, const void *out, df_dtype dtype, df_err *err) {
    size_t n = row->n_elements, unit = df_dtype_bytes(dtype);
    float *first = row->work, *second = row->work + n;
    from_channels_last(row, out, first, dtype);
    if (row->n_model_rows == 2) {
        from_channels_last(row, (const char *)out + n * unit, second, dtype);
        df_guidance(second, first, (float)row->guidance, first, n);
    }
    df_code rc = DF_OK;
    if (all_finite(first, n)) rc = df_sampler_step(row->sampler, row->call, first, row->latents, draw, row->noise, err);
    if (!rc && !(all_finite(first, n) && all_finite(row->latents, n)))
        rc = df_err_set(err, DF_ENUMERIC, "step %d of %d: the model's output is not finite", row->call + 1,
                        df_sampler_n_calls(row->sampler));
    row->call++;
    return rc;
}

bool df_row_is_sampled(const df_row *row) {
    return row->call == df_sampler_n_calls(row->sampler);
}

void df_row_write_latents(df_row *row, double scaling_factor, void *z, df_dtype dtype) {
    float scale = (float)scaling_factor;
    for (size_t i = 0; i < row->n_elements; i++) row->work[i] = row->latents[i] / scale;
    to_channels_last(row, row->work, z, dtype);
}
