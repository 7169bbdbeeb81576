/* Pictures that are too large to be decoded at once: rank 0 decodes them tile by tile, one at a time, between the
 * pipeline's other work. */
#include <stdlib.h>

#include "cluster/renderer_impl.h"
#include "engine/activations.h"

static df_row *next_row(const df_renderer *r) {
    for (df_row *row = r->rows; row; row = row->next)
        if (row->in_tiles && row->state == DF_ROW_TO_DECODE) return row;
    return NULL;
}

static df_code open_decoder(df_renderer *r, df_row *row, df_err *err) {
    size_t C = (size_t)df_model_info_of(r->model)->latent_channels;
    size_t plane = (size_t)row->latent_h * (size_t)row->latent_w;
    df_tiled_decoder_cfg cfg = { .tile = r->cfg.tile ? r->cfg.tile : DF_TILE_PIXELS };
    df_pipeline_backend(r->pipeline, &cfg.backend, &cfg.backend_cfg);
    float *z = malloc(C * plane * sizeof *z);
    if (!z) return df_err_set(err, DF_ENOMEM, "latents: %zu numbers", C * plane);
    df_row_write_latents(row, z, DF_F32);
    df_code rc = df_tiled_decoder_open(&r->tiles, r->model, &cfg, z, row->latent_h, row->latent_w, err);
    free(z);
    return rc;
}

static void end_row(df_renderer *r) {
    df_tiled_decoder_close(&r->tiles);
    r->tiled = NULL;
}

static df_code finish(df_renderer *r, df_row *row, df_err *err) {
    df_tiled_decoder *tiles = r->tiles;
    r->tiles = NULL; /* the callback may add a row that needs one */
    end_row(r);
    df_code rc = df_renderer_finish_picture(r, row, df_tiled_decoder_image(tiles), DF_F32, err);
    df_tiled_decoder_close(&tiles);
    return rc;
}

df_code df_tiles_step(df_renderer *r, bool *worked, df_err *err) {
    df_err why;
    bool done = false;
    df_row *row = r->tiled ? r->tiled : next_row(r);
    *worked = row != NULL;
    if (!row) return DF_OK;
    df_code rc = DF_OK;
    if (!r->tiled) {
        r->tiled = row;
        row->state = DF_ROW_DECODING;
        rc = open_decoder(r, row, &why);
    }
    if (!rc && !row->cancelled) rc = df_tiled_decoder_step(r->tiles, &done, &why);
    if (rc || row->cancelled) {
        end_row(r);
        if (rc)
            df_renderer_fail(r, row, &why);
        else
            df_renderer_drop(r, row);
        return DF_OK;
    }
    return done ? finish(r, row, err) : DF_OK;
}
