#include "cluster/renderer.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/renderer_impl.h"
#include "cluster/text_context.h"

#define PROMPT_CACHE_BYTES ((size_t)64 << 20)

static df_code alloc_batches(df_renderer *r, df_err *err) {
    int n_slots = df_pipeline_slots(r->pipeline);
    size_t max = (size_t)df_pipeline_max_rows(r->pipeline);
    r->batches = calloc((size_t)n_slots, sizeof *r->batches);
    bool ok = r->batches != NULL;
    for (int i = 0; ok && i < n_slots; i++) {
        df_batch *b = &r->batches[i];
        b->prompts = calloc(max, sizeof(df_prompt *));
        b->rows = calloc(max, sizeof(df_row *));
        b->place = calloc(2 * max, sizeof *b->place);
        ok = b->prompts && b->rows && b->place;
    }
    return ok ? DF_OK : df_err_set(err, DF_ENOMEM, "renderer of %d slots", n_slots);
}

/* A program is loaded now only to know at once that it can be. */
static df_code find_encoders(df_renderer *r, df_err *err) {
    int program;
    df_code rc = DF_OK;
    for (df_component c = DF_TEXT_ENCODER; c <= DF_TEXT_ENCODER_3 && !rc; c++) {
        if (!df_model_has(r->model, c)) continue;
        r->encoder[r->n_encoders++] = c;
        rc = df_pipeline_load(r->pipeline, c, 0, 0, &program, err);
    }
    return rc;
}

static df_code open_prompts(df_renderer *r, df_err *err) {
    df_prompt_cache_cfg cfg = {
        .model = r->model,
        .n_encoders = r->n_encoders,
        .embedding_bytes = df_text_context_bytes(r->model, r->dtype),
        .pooled_bytes = df_text_pooled_bytes(r->model, r->dtype),
        .limit_bytes = PROMPT_CACHE_BYTES,
    };
    memcpy(cfg.encoder, r->encoder, sizeof cfg.encoder);
    return df_prompt_cache_open(&r->prompts, &cfg, err);
}

df_code df_renderer_check(const df_model *model, df_err *err) {
    const df_model_info *info = df_model_info_of(model);
    bool has_decoder = df_model_has(model, DF_VAE_DECODER);
    int64_t channels =
        has_decoder ? df_model_facts(model, DF_VAE_DECODER)->autoencoder.image_channels : info->latent_channels;
    if (channels != 3)
        return df_err_set(err, DF_EUNSUPPORTED, "%s: it draws pictures of %lld channels, only those of 3 are written",
                          df_model_dir(model), (long long)channels);
    if (info->n_time_ids != 0 && info->n_time_ids != DF_ROW_TIME_IDS)
        return df_err_set(err, DF_EUNSUPPORTED, "%s: a U-Net that takes %d 'time_ids'; %d can be given",
                          df_model_dir(model), info->n_time_ids, DF_ROW_TIME_IDS);
    if (info->n_classes && !df_model_low_res_scheduler(model) && !df_model_pipeline(model)->guided_by_class)
        return df_err_set(err, DF_EUNSUPPORTED,
                          "%s: a %s gives no class, its U-Net takes one of %d ('num_class_embeds')",
                          df_model_dir(model), info->pipeline_class, info->n_classes);
    return DF_OK;
}

df_code df_renderer_open(df_renderer **out, df_pipeline *pipeline, const df_model *model, const df_renderer_cfg *cfg,
                         df_err *err) {
    df_code rc = df_renderer_check(model, err);
    if (rc) return rc;
    int max_rows = df_pipeline_max_rows(pipeline), max_pictures = df_pipeline_max_pictures(pipeline);
    if (cfg->micro_batch < 1 || 2 * cfg->micro_batch > max_rows || cfg->micro_batch > max_pictures)
        return df_err_set(err, DF_EINVAL, "micro-batches of %d images need %d rows, the pipeline has %d for %d images",
                          cfg->micro_batch, 2 * cfg->micro_batch, max_rows, max_pictures);
    df_renderer *r = calloc(1, sizeof *r);
    if (!r) return df_err_set(err, DF_ENOMEM, "renderer: %zu bytes", sizeof *r);
    r->pipeline = pipeline;
    r->model = model;
    r->cfg = *cfg;
    r->dtype = df_pipeline_dtype(pipeline);
    rc = alloc_batches(r, err);
    if (!rc) rc = find_encoders(r, err);
    if (!rc) rc = open_prompts(r, err);
    if (rc) {
        df_renderer_close(&r);
        return rc;
    }
    *out = r;
    return DF_OK;
}

void df_renderer_close(df_renderer **renderer) {
    if (!renderer || !*renderer) return;
    df_renderer *r = *renderer;
    df_tiled_decoder_close(&r->tiles);
    while (r->rows) df_renderer_drop(r, r->rows);
    for (int i = 0; r->batches && i < df_pipeline_slots(r->pipeline); i++) {
        free(r->batches[i].prompts);
        free(r->batches[i].rows);
        free(r->batches[i].place);
    }
    free(r->batches);
    free(r->rgb);
    df_prompt_cache_close(&r->prompts);
    free(r);
    *renderer = NULL;
}

int df_renderer_room(const df_renderer *r) {
    int room = df_pipeline_slots(r->pipeline) * r->cfg.micro_batch - r->n_rows;
    return room > 0 ? room : 0;
}

/* Finding out takes a graph of the decoder: it is kept for the size that was asked for last. */
static bool is_decoded_in_tiles(df_renderer *r, const df_row *row) {
    if (row->latent_h != r->due_h || row->latent_w != r->due_w) {
        size_t limit = r->cfg.whole_bytes ? r->cfg.whole_bytes : DF_TILES_WHOLE_BYTES;
        r->due = df_tiled_decoder_is_due(r->model, row->latent_h, row->latent_w, r->dtype, limit);
        r->due_h = row->latent_h;
        r->due_w = row->latent_w;
    }
    return r->due;
}

df_code df_renderer_add(df_renderer *r, uint64_t id, const df_request *request, df_err *err) {
    df_row *row = NULL;
    df_code rc = df_row_new(&row, r->model, r->prompts, r->dtype, id, request, err);
    if (rc) return rc;
    row->in_tiles = is_decoded_in_tiles(r, row);
    df_renderer_append(r, row);
    r->n_rows++;
    return DF_OK;
}

bool df_renderer_busy(const df_renderer *r) {
    return r->n_rows > 0 || r->n_busy > 0;
}

void df_renderer_trace(df_renderer *r) {
    df_span span = {
        .start_ns = r->since_ns, .end_ns = df_clock_ns(), .kind = DF_SPAN_SAMPLE, .component = -1, .slot = -1
    };
    span.first_step = span.last_step = -1;
    df_trace_add(df_pipeline_trace(r->pipeline), &span);
    r->since_ns = span.end_ns;
}

static df_code fill_slots(df_renderer *r, df_err *err) {
    bool started = true;
    for (int slot; started && (slot = df_pipeline_free_slot(r->pipeline)) >= 0;) {
        df_code rc = df_batch_start(r, slot, &started, err);
        if (rc) return rc;
    }
    return DF_OK;
}

df_code df_renderer_step(df_renderer *r, int64_t timeout_us, df_err *err) {
    df_err mine;
    int slot = -1;
    if (!err) err = &mine;
    r->since_ns = df_clock_ns();
    df_code rc = df_renderer_finish_undecoded(r, err);
    if (!rc) rc = fill_slots(r, err);
    bool worked = false;
    if (!rc) rc = df_tiles_step(r, &worked, err);
    if (rc || !r->n_busy) return rc;
    df_err why;
    if (worked) {
        timeout_us = 0;
        df_renderer_trace(r);
    }
    rc = df_pipeline_advance(r->pipeline, timeout_us, &slot, &why);
    r->since_ns = df_clock_ns();
    if (slot >= 0) {
        rc = df_batch_finish(r, slot, rc ? &why : NULL, err);
        df_renderer_trace(r);
        return rc;
    }
    return rc ? df_err_set(err, rc, "%s", why.text) : DF_OK;
}

void df_renderer_cancel(df_renderer *r, uint64_t id) {
    for (df_row *row = r->rows, *next; row; row = next) {
        next = row->next;
        if (row->id != id) continue;
        row->cancelled = true;
        if (row->state == DF_ROW_TO_ENCODE || row->state == DF_ROW_READY || row->state == DF_ROW_TO_DECODE)
            df_renderer_drop(r, row);
    }
}
