/* Micro-batches: which rows run together next, and what becomes of their results.
 *
 * Finished rows are decoded first (they make room), then prompts are encoded (rows wait for them), then the row that
 * has waited longest takes others of its size along. Rows spread over as many micro-batches as keep the ranks busy. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/picture.h"
#include "cluster/renderer_impl.h"

static bool same_size(const df_row *a, const df_row *b) {
    return a->latent_h == b->latent_h && a->latent_w == b->latent_w;
}

/* Rows that fail or are dropped here take themselves out of the list. */
static df_row *next_ready(df_renderer *r, df_row_state state) {
    for (df_row *row = r->rows, *next; row; row = next) {
        const df_err *failure;
        next = row->next;
        if (row->state != state) continue;
        if (state == DF_ROW_TO_DECODE) return row;
        bool ready = df_row_has_text(row, &failure);
        if (failure) {
            df_err why = *failure;
            df_renderer_fail(r, row, &why);
            next = r->rows; /* the callback may have changed the list */
        } else if (ready) {
            return row;
        }
    }
    return NULL;
}

/* Images of one micro-batch: all slots that help get an equal share of the rows of this size. */
static int share(const df_renderer *r, const df_row *like) {
    int n = 0, ranks = df_pipeline_ranks(r->pipeline), slots = df_pipeline_slots(r->pipeline);
    int useful = ranks == 1 ? 1 : ranks + 1; /* one for each rank, one on the way between them */
    if (useful > slots) useful = slots;
    for (const df_row *row = r->rows; row; row = row->next)
        n += same_size(row, like) && (row->state == DF_ROW_READY || row->state == DF_ROW_IN_FLIGHT);
    int each = (n + useful - 1) / useful;
    return each < 1 ? 1 : each < r->cfg.micro_batch ? each : r->cfg.micro_batch;
}

static void gather(df_batch *b, df_row *first, int max) {
    df_row_state state = first->state;
    const df_err *failure;
    b->n = 0;
    b->n_rows = 0;
    for (df_row *row = first; row && b->n < max; row = row->next) {
        if (row->state != state || !same_size(row, first)) continue;
        if (state == DF_ROW_READY && (!df_row_has_text(row, &failure) || failure)) continue;
        b->rows[b->n++] = row;
        b->n_rows += state == DF_ROW_READY ? row->n_model_rows : 1;
    }
}

static void set_states(df_batch *b, df_row_state state) {
    for (int i = 0; i < b->n; i++) b->rows[i]->state = state;
}

/* Loads the program a batch needs. *later: nothing is wrong, but all places are taken by programs that run. why: the
 * reason if it cannot be loaded, which is no error of the renderer. */
static df_code load(df_renderer *r, df_batch *b, df_component c, int h, int w, bool *later, df_err *why, df_err *err) {
    *why = (df_err) { 0 };
    df_code rc = df_pipeline_load(r->pipeline, c, h, w, &b->program, why);
    *later = rc == DF_ELIMIT && r->n_busy > 0;
    return rc && df_pipeline_is_broken(r->pipeline) ? df_err_set(err, rc, "%s", why->text) : DF_OK;
}

static void fail_rows(df_renderer *r, df_batch *b, const df_err *why) {
    set_states(b, DF_ROW_IN_FLIGHT); /* a callback that cancels one of them must not free it */
    for (int i = 0; i < b->n; i++) df_renderer_fail(r, b->rows[i], why);
    b->n = 0;
}

static void fail_prompts(df_batch *b, const df_err *why) {
    for (int i = 0; i < b->n; i++) {
        b->prompts[i]->state = DF_PROMPT_FAILED;
        b->prompts[i]->failure = *why;
    }
    b->n = 0;
}

static void fill_text(df_renderer *r, df_batch *b, int slot) {
    int tokens = df_model_info_of(r->model)->max_tokens;
    int32_t *ids = df_pipeline_input(r->pipeline, slot, b->program, "ids", b->n_rows);
    for (int i = 0; i < b->n; i++)
        memcpy(ids + (size_t)i * (size_t)tokens, b->prompts[i]->ids, (size_t)tokens * sizeof *ids);
}

static void fill_step(df_renderer *r, df_batch *b, int slot) {
    size_t unit = df_dtype_bytes(r->dtype);
    char *sample = df_pipeline_input(r->pipeline, slot, b->program, "sample", b->n_rows);
    char *timestep = df_pipeline_input(r->pipeline, slot, b->program, "timestep", b->n_rows);
    char *text = df_pipeline_input(r->pipeline, slot, b->program, "encoder_hidden_states", b->n_rows);
    for (int i = 0, at = 0; i < b->n; at += b->rows[i]->n_model_rows, i++) {
        df_row *row = b->rows[i];
        df_row_write_input(row, sample + (size_t)at * row->n_elements * unit, timestep + (size_t)at * unit,
                           text + (size_t)at * r->text_bytes, r->text_bytes, r->dtype);
    }
}

static void fill_decode(df_renderer *r, df_batch *b, int slot) {
    size_t unit = df_dtype_bytes(r->dtype);
    char *z = df_pipeline_input(r->pipeline, slot, b->program, "z", b->n_rows);
    double scale = df_model_info_of(r->model)->scaling_factor;
    for (int i = 0; i < b->n; i++)
        df_row_write_latents(b->rows[i], scale, z + (size_t)i * b->rows[i]->n_elements * unit, r->dtype);
}

static df_code start(df_renderer *r, df_batch *b, int slot, bool *started, df_err *err) {
    df_code rc = df_pipeline_start(r->pipeline, slot, b->program, b->n_rows, err);
    if (rc) return rc;
    r->n_busy++;
    *started = true;
    return DF_OK;
}

static df_code start_text(df_renderer *r, df_batch *b, int slot, bool *started, df_err *err) {
    int max = df_pipeline_max_rows(r->pipeline);
    bool later;
    df_err why;
    df_prompt *p;
    if (!df_prompt_is_waiting(r->prompts)) return DF_OK;
    df_code rc = load(r, b, DF_TEXT_ENCODER, 0, 0, &later, &why, err);
    if (rc || later) return rc;
    for (b->n = 0; b->n < max && (p = df_prompt_next(r->prompts));) b->prompts[b->n++] = p;
    if (why.code) {
        fail_prompts(b, &why);
        return DF_OK;
    }
    b->kind = DF_BATCH_TEXT;
    b->n_rows = b->n;
    fill_text(r, b, slot);
    return start(r, b, slot, started, err);
}

static df_code start_rows(df_renderer *r, df_batch *b, df_row_state state, int slot, bool *started, df_err *err) {
    bool decode = state == DF_ROW_TO_DECODE, later;
    df_err why;
    df_row *first = next_ready(r, state);
    if (!first) return DF_OK;
    gather(b, first, decode ? r->cfg.micro_batch : share(r, first));
    df_code rc = load(r, b, decode ? DF_VAE_DECODER : DF_UNET, first->latent_h, first->latent_w, &later, &why, err);
    if (rc || later) return rc;
    if (why.code) {
        fail_rows(r, b, &why);
        return DF_OK;
    }
    b->kind = decode ? DF_BATCH_DECODE : DF_BATCH_STEP;
    if (decode)
        fill_decode(r, b, slot);
    else
        fill_step(r, b, slot);
    set_states(b, decode ? DF_ROW_DECODING : DF_ROW_IN_FLIGHT);
    return start(r, b, slot, started, err);
}

df_code df_batch_start(df_renderer *r, int slot, bool *started, df_err *err) {
    df_batch *b = &r->batches[slot];
    *started = false;
    df_code rc = start_rows(r, b, DF_ROW_TO_DECODE, slot, started, err);
    if (!rc && !*started) rc = start_text(r, b, slot, started, err);
    if (!rc && !*started) rc = start_rows(r, b, DF_ROW_READY, slot, started, err);
    return rc;
}

static void finish_text(df_renderer *r, df_batch *b, int slot) {
    const char *text = df_pipeline_output(r->pipeline, slot, b->program, "last_hidden_state", b->n_rows);
    for (int i = 0; i < b->n; i++) {
        memcpy(b->prompts[i]->embedding, text + (size_t)i * r->text_bytes, r->text_bytes);
        b->prompts[i]->state = DF_PROMPT_READY;
    }
}

static void finish_row_step(df_renderer *r, df_row *row, const void *out) {
    df_err why;
    if (row->cancelled) {
        df_renderer_drop(r, row);
        return;
    }
    if (df_row_take_output(row, out, r->dtype, &why)) {
        df_renderer_fail(r, row, &why);
        return;
    }
    uint64_t id = row->id;
    int call = row->call, n_calls = df_sampler_n_calls(row->sampler);
    row->state = df_row_is_sampled(row) ? DF_ROW_TO_DECODE : DF_ROW_READY;
    df_renderer_to_end(r, row);
    if (r->cfg.on_step) r->cfg.on_step(r->cfg.ctx, id, call, n_calls);
}

static void finish_step(df_renderer *r, df_batch *b, int slot) {
    size_t unit = df_dtype_bytes(r->dtype);
    const char *out = df_pipeline_output(r->pipeline, slot, b->program, "out", b->n_rows);
    for (int i = 0; i < b->n; i++) {
        df_row *row = b->rows[i];
        size_t bytes = (size_t)row->n_model_rows * row->n_elements * unit; /* the row may be gone afterwards */
        finish_row_step(r, row, out);
        out += bytes;
    }
}

static void finish_picture(df_renderer *r, df_row *row, const void *image, size_t n_pixels) {
    const df_model_info *info = df_model_info_of(r->model);
    df_err why;
    if (row->cancelled) {
        df_renderer_drop(r, row);
        return;
    }
    if (!df_picture_quantize(image, r->dtype, 3 * n_pixels, r->rgb)) {
        df_err_set(&why, DF_ENUMERIC, "the decoded picture is not finite");
        df_renderer_fail(r, row, &why);
        return;
    }
    bool cut = row->cond->cut || (row->uncond && row->uncond->cut);
    df_picture picture = {
        .rgb = r->rgb,
        .width = row->latent_w * info->vae_factor,
        .height = row->latent_h * info->vae_factor,
        .flags = (df_picture_is_flat(r->rgb, n_pixels) ? DF_FLAG_FLAT : 0u) | (cut ? DF_FLAG_PROMPT_CUT : 0u),
        .seconds = (double)(df_clock_ns() - row->started_ns) * 1e-9,
    };
    uint64_t id = row->id;
    df_renderer_drop(r, row);
    r->cfg.on_image(r->cfg.ctx, id, &picture);
}

static df_code finish_decode(df_renderer *r, df_batch *b, int slot, df_err *err) {
    const df_model_info *info = df_model_info_of(r->model);
    size_t factor = (size_t)info->vae_factor, unit = df_dtype_bytes(r->dtype);
    size_t n_pixels = factor * factor * (size_t)b->rows[0]->latent_h * (size_t)b->rows[0]->latent_w;
    const char *image = df_pipeline_output(r->pipeline, slot, b->program, "image", b->n_rows);
    if (r->rgb_bytes < 3 * n_pixels) {
        uint8_t *rgb = realloc(r->rgb, 3 * n_pixels);
        if (!rgb) return df_err_set(err, DF_ENOMEM, "picture of %zu bytes", 3 * n_pixels);
        r->rgb = rgb;
        r->rgb_bytes = 3 * n_pixels;
    }
    for (int i = 0; i < b->n; i++) finish_picture(r, b->rows[i], image + (size_t)i * 3 * n_pixels * unit, n_pixels);
    return DF_OK;
}

df_code df_batch_finish(df_renderer *r, int slot, const df_err *failure, df_err *err) {
    df_batch *b = &r->batches[slot];
    df_batch_kind kind = b->kind;
    df_code rc = DF_OK;
    r->n_busy--;
    b->kind = DF_BATCH_NONE;
    if (failure && kind == DF_BATCH_TEXT)
        fail_prompts(b, failure);
    else if (failure)
        fail_rows(r, b, failure);
    else if (kind == DF_BATCH_TEXT)
        finish_text(r, b, slot);
    else if (kind == DF_BATCH_STEP)
        finish_step(r, b, slot);
    else
        rc = finish_decode(r, b, slot, err);
    b->n = 0;
    return rc;
}
