#include "cluster/renderer.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/renderer_impl.h"

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
        ok = b->prompts && b->rows;
    }
    return ok ? DF_OK : df_err_set(err, DF_ENOMEM, "renderer of %d slots", n_slots);
}

static df_code open_prompts(df_renderer *r, df_err *err) {
    const df_model_info *info = df_model_info_of(r->model);
    r->text_bytes = (size_t)info->max_tokens * (size_t)info->text_width * df_dtype_bytes(r->dtype);
    df_prompt_cache_cfg cfg = {
        .tokenizer = df_model_tokenizer(r->model),
        .max_tokens = info->max_tokens,
        .vocab_size = info->vocab_size,
        .embedding_bytes = r->text_bytes,
        .limit_bytes = PROMPT_CACHE_BYTES,
    };
    return df_prompt_cache_open(&r->prompts, &cfg, err);
}

df_code df_renderer_check(const df_model *model, df_err *err) {
    static const char drawn[] = "StableDiffusionPipeline";
    const df_model_info *info = df_model_info_of(model);
    const char *name = info->pipeline_class;
    int64_t out = df_model_facts(model, DF_UNET)->denoiser.out_channels;
    if (!strcmp(name, drawn) && out == info->latent_channels) return DF_OK;
    if (!strcmp(name, drawn))
        return df_err_set(err, DF_EUNSUPPORTED,
                          "%s: its U-Net gives %lld channels for %d of the latents: a learned variance cannot be "
                          "rendered yet",
                          df_model_dir(model), (long long)out, info->latent_channels);
    return df_err_set(err, DF_EUNSUPPORTED,
                      "%s is a %s: its parts can be inspected and evaluated, but only a %s can be rendered yet",
                      df_model_dir(model), name, drawn);
}

df_code df_renderer_open(df_renderer **out, df_pipeline *pipeline, const df_model *model, const df_renderer_cfg *cfg,
                         df_err *err) {
    df_code rc = df_renderer_check(model, err);
    if (rc) return rc;
    int max_rows = df_pipeline_max_rows(pipeline);
    if (cfg->micro_batch < 1 || 2 * cfg->micro_batch > max_rows)
        return df_err_set(err, DF_EINVAL, "micro-batches of %d images need %d rows, the pipeline has %d",
                          cfg->micro_batch, 2 * cfg->micro_batch, max_rows);
    df_renderer *r = calloc(1, sizeof *r);
    if (!r) return df_err_set(err, DF_ENOMEM, "renderer: %zu bytes", sizeof *r);
    r->pipeline = pipeline;
    r->model = model;
    r->cfg = *cfg;
    r->dtype = df_pipeline_dtype(pipeline);
    int program; /* only to know at once that it can be loaded */
    rc = alloc_batches(r, err);
    if (!rc) rc = open_prompts(r, err);
    if (!rc) rc = df_pipeline_load(pipeline, DF_TEXT_ENCODER, 0, 0, &program, err);
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
    while (r->rows) df_renderer_drop(r, r->rows);
    for (int i = 0; r->batches && i < df_pipeline_slots(r->pipeline); i++) {
        free(r->batches[i].prompts);
        free(r->batches[i].rows);
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

df_code df_renderer_add(df_renderer *r, uint64_t id, const df_request *request, df_err *err) {
    df_row *row = NULL;
    df_code rc = df_row_new(&row, r->model, r->prompts, id, request, err);
    if (rc) return rc;
    df_renderer_append(r, row);
    r->n_rows++;
    return DF_OK;
}

bool df_renderer_busy(const df_renderer *r) {
    return r->n_rows > 0 || r->n_busy > 0;
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
    df_code rc = fill_slots(r, err);
    if (rc) return rc;
    df_err why;
    rc = df_pipeline_advance(r->pipeline, timeout_us, &slot, &why);
    if (slot >= 0) return df_batch_finish(r, slot, rc ? &why : NULL, err);
    return rc ? df_err_set(err, rc, "%s", why.text) : DF_OK;
}

void df_renderer_cancel(df_renderer *r, uint64_t id) {
    for (df_row *row = r->rows, *next; row; row = next) {
        next = row->next;
        if (row->id != id) continue;
        row->cancelled = true;
        if (row->state == DF_ROW_READY || row->state == DF_ROW_TO_DECODE) df_renderer_drop(r, row);
    }
}
