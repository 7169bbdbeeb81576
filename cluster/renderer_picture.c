/* Finished pictures: from the decoder's numbers, or the latents themselves, to 8 bits. */
#include <stdlib.h>

#include "base/clock.h"
#include "cluster/picture.h"
#include "cluster/renderer_impl.h"

static df_code reserve(df_renderer *r, size_t n_pixels, df_err *err) {
    if (r->rgb_bytes >= 3 * n_pixels) return DF_OK;
    uint8_t *rgb = realloc(r->rgb, 3 * n_pixels);
    if (!rgb) return df_err_set(err, DF_ENOMEM, "picture of %zu bytes", 3 * n_pixels);
    r->rgb = rgb;
    r->rgb_bytes = 3 * n_pixels;
    return DF_OK;
}

static size_t pixels_of(const df_renderer *r, const df_row *row) {
    size_t factor = (size_t)df_model_info_of(r->model)->vae_factor;
    return factor * factor * (size_t)row->latent_h * (size_t)row->latent_w;
}

static bool is_cut(const df_row_text *t) {
    return t && df_row_text_was_cut(t);
}

/* image [H][W][3] of dtype. The row is gone afterwards. */
static void finish(df_renderer *r, df_row *row, const void *image, df_dtype dtype) {
    int factor = df_model_info_of(r->model)->vae_factor;
    size_t n_pixels = pixels_of(r, row);
    df_err why;
    if (row->cancelled) {
        df_renderer_drop(r, row);
        return;
    }
    if (!df_picture_quantize(image, dtype, 3 * n_pixels, r->rgb)) {
        df_err_set(&why, DF_ENUMERIC, "the decoded picture is not finite");
        df_renderer_fail(r, row, &why);
        return;
    }
    bool cut = is_cut(row->cond) || is_cut(row->uncond);
    df_picture picture = {
        .rgb = r->rgb,
        .width = row->latent_w * factor,
        .height = row->latent_h * factor,
        .flags = (df_picture_is_flat(r->rgb, n_pixels) ? DF_FLAG_FLAT : 0u) | (cut ? DF_FLAG_PROMPT_CUT : 0u),
        .seconds = (double)(df_clock_ns() - row->started_ns) * 1e-9,
    };
    uint64_t id = row->id;
    df_renderer_drop(r, row);
    r->cfg.on_image(r->cfg.ctx, id, &picture);
}

df_code df_renderer_finish_picture(df_renderer *r, df_row *row, const void *image, df_dtype dtype, df_err *err) {
    df_code rc = reserve(r, pixels_of(r, row), err);
    if (!rc) finish(r, row, image, dtype);
    return rc;
}

df_code df_renderer_finish_decode(df_renderer *r, df_batch *b, int slot, df_err *err) {
    df_code rc = reserve(r, pixels_of(r, b->rows[0]), err);
    for (int i = 0; i < b->n && !rc; i++)
        finish(r, b->rows[i], df_batch_output(r, b, slot, "image", df_halves_place(b->n_rows, i)), r->dtype);
    return rc;
}

df_code df_renderer_finish_undecoded(df_renderer *r, df_err *err) {
    if (df_model_has(r->model, DF_VAE_DECODER)) return DF_OK;
    for (df_row *row = r->rows; row;) {
        if (row->state != DF_ROW_TO_DECODE) {
            row = row->next;
            continue;
        }
        row->state = DF_ROW_DECODING; /* a callback that cancels it must not free it */
        df_code rc = df_renderer_finish_picture(r, row, df_row_latents_as_picture(row), DF_F32, err);
        if (rc) return rc;
        row = r->rows; /* the callback may have changed the list */
    }
    return DF_OK;
}
