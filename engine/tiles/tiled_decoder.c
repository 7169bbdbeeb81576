#include "engine/tiles/tiled_decoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "engine/graph/fuse.h"
#include "engine/graph/memory_plan.h"
#include "engine/models/vae.h"
#include "engine/models/vae_tail.h"
#include "engine/tiles/piece.h"
#include "engine/tiles/tile_grid.h"

enum { MAX_NORMS = 64 };

/* A value [height][width][channels] f32, whole. */
typedef struct plane {
    int height, width;
    int64_t channels;
    float *at;
} plane;

/* Sums of one group. */
typedef struct moments {
    double sum, squares;
    double n;
} moments;

struct df_tiled_decoder {
    const df_model *model;
    const df_vae_config *way;
    df_tiled_decoder_cfg cfg;
    plane in, out; /* of the segment: z, then what the last one gave */
    int segment; /* -1: the head */
    int norm; /* whose statistics are being found; as many as there are: the last pass */
    int tile; /* the next */
    df_tile_grid grid; /* of the segment's input */
    df_piece *piece;
    float *scale[MAX_NORMS], *shift[MAX_NORMS]; /* of the norms found */
    moments *groups; /* [way->groups] */
};

static df_code plane_new(plane *p, int64_t height, int64_t width, int64_t channels, df_err *err) {
    size_t bytes;
    *p = (plane) { .height = (int)height, .width = (int)width, .channels = channels };
    if (!df_size_of_dims(&bytes, (int64_t[]) { height, width, channels }, 3, sizeof *p->at))
        return df_err_set(err, DF_ELIMIT, "a picture of %lldx%lld", (long long)width, (long long)height);
    p->at = malloc(bytes);
    return p->at ? DF_OK : df_err_set(err, DF_ENOMEM, "a picture: %zu bytes", bytes);
}

/* the pieces of the decoder */

static df_code open_head(df_tiled_decoder *d, df_err *err) {
    const df_graph_size size = { .latent_h = d->in.height, .latent_w = d->in.width };
    df_graph *g = NULL;
    df_code rc = df_model_decoder_head(d->model, &size, &g, err);
    return rc ? rc : df_piece_open(&d->piece, g, df_model_weights(d->model, DF_VAE_DECODER), &d->cfg, err);
}

static df_code open_segment(df_tiled_decoder *d, df_err *err) {
    df_backend_cfg f32 = d->cfg.backend_cfg;
    df_tiled_decoder_cfg cfg = d->cfg;
    df_graph *g = df_graph_new("vae_decoder");
    if (!g) return df_err_set(err, DF_ENOMEM, "a tile");
    f32.dtype = DF_F32;
    cfg.backend_cfg = f32;
    df_vae_segment_build(g, d->way, d->segment, d->grid.y.tile, d->grid.x.tile, d->norm);
    df_code rc = df_graph_finish(g, err);
    if (!rc) rc = df_graph_fuse(g, err);
    if (!rc) return df_piece_open(&d->piece, g, df_model_weights(d->model, DF_VAE_DECODER), &cfg, err);
    df_graph_free(&g);
    return rc;
}

static df_code give_statistics(df_tiled_decoder *d, df_err *err) {
    df_code rc = DF_OK;
    for (int k = 0; k < d->norm && !rc; k++) {
        char name[32];
        snprintf(name, sizeof name, "scale.%d", k);
        rc = df_piece_set(d->piece, name, d->scale[k], err);
        snprintf(name, sizeof name, "shift.%d", k);
        if (!rc) rc = df_piece_set(d->piece, name, d->shift[k], err);
    }
    return rc;
}

/* statistics */

/* Of the rows and columns that are the tile's own; the picture has grown to twice the input's size. */
static void add_moments(df_tiled_decoder *d, const float *pre, int64_t channels, const df_tile_span *y,
                        const df_tile_span *x) {
    int64_t width = 2 * (int64_t)d->grid.x.tile, per_group = channels / d->way->groups;
    for (int64_t r = 2 * (y->kept - y->first), end_r = r + 2 * y->n_kept; r < end_r; r++)
        for (int64_t c = 2 * (x->kept - x->first), end_c = c + 2 * x->n_kept; c < end_c; c++) {
            const float *at = pre + (r * width + c) * channels;
            for (int g = 0; g < d->way->groups; g++) {
                moments *m = &d->groups[g];
                for (int64_t k = 0; k < per_group; k++, at++) {
                    m->sum += (double)*at;
                    m->squares += (double)*at * (double)*at;
                }
                m->n += (double)per_group;
            }
        }
}

static df_code settle_norm(df_tiled_decoder *d, df_err *err) {
    df_vae_norm norm = df_vae_segment_norm(d->way, d->segment, d->norm);
    const df_weights *w = df_model_weights(d->model, DF_VAE_DECODER);
    char name[96];
    float *scale = d->scale[d->norm] = malloc((size_t)norm.channels * sizeof *scale);
    float *shift = d->shift[d->norm] = malloc((size_t)norm.channels * sizeof *shift);
    if (!scale || !shift) return df_err_set(err, DF_ENOMEM, "a norm");
    snprintf(name, sizeof name, "%s.weight", norm.name);
    df_code rc = df_weights_read_f32(w, name, &norm.channels, 1, scale, err);
    snprintf(name, sizeof name, "%s.bias", norm.name);
    if (!rc) rc = df_weights_read_f32(w, name, &norm.channels, 1, shift, err);
    for (int64_t c = 0; c < norm.channels && !rc; c++) {
        const moments *m = &d->groups[c / (norm.channels / d->way->groups)];
        double mean = m->sum / m->n, variance = m->squares / m->n - mean * mean;
        double factor = (double)scale[c] / sqrt((variance > 0 ? variance : 0) + df_vae_eps);
        scale[c] = (float)(factor - 1);
        shift[c] = (float)((double)shift[c] - mean * factor);
    }
    return rc;
}

/* one unit of work */

static void keep_tile(df_tiled_decoder *d, const float *got, const df_tile_span *y, const df_tile_span *x) {
    size_t pixel = (size_t)d->out.channels, width = 2 * (size_t)d->grid.x.tile;
    size_t n = 2 * (size_t)x->n_kept * pixel;
    for (int r = 0; r < 2 * y->n_kept; r++) {
        size_t from = (size_t)(2 * (y->kept - y->first) + r) * width + 2 * (size_t)(x->kept - x->first);
        size_t to = (size_t)(2 * y->kept + r) * (size_t)d->out.width + 2 * (size_t)x->kept;
        memcpy(d->out.at + to * pixel, got + from * pixel, n * sizeof *got);
    }
}

static df_code give_tile(df_tiled_decoder *d, const df_tile_span *y, const df_tile_span *x, df_err *err) {
    size_t pixel = (size_t)d->in.channels, n = (size_t)d->grid.x.tile * pixel;
    float *to = df_piece_input(d->piece, "x", err);
    for (int r = 0; to && r < d->grid.y.tile; r++)
        memcpy(to + (size_t)r * n, d->in.at + ((size_t)(y->first + r) * (size_t)d->in.width + (size_t)x->first) * pixel,
               n * sizeof *to);
    return to ? DF_OK : DF_EINTERNAL;
}

static bool is_last_pass(const df_tiled_decoder *d) {
    return d->norm == df_vae_segment_norms(d->way, d->segment);
}

static bool is_last_segment(const df_tiled_decoder *d) {
    return d->segment == df_vae_segments(d->way) - 1;
}

static df_code run_tile(df_tiled_decoder *d, df_err *err) {
    df_tile_span y, x;
    df_tile_at(&d->grid, d->tile, &y, &x);
    df_code rc = give_tile(d, &y, &x, err);
    if (!rc) rc = give_statistics(d, err); /* a run may write over its inputs */
    if (!rc) rc = df_piece_run(d->piece, err);
    if (rc) return rc;
    if (is_last_pass(d))
        keep_tile(d, df_piece_output(d->piece, is_last_segment(d) ? "image" : "x"), &y, &x);
    else
        add_moments(d, df_piece_output(d->piece, "pre"), df_vae_segment_norm(d->way, d->segment, d->norm).channels, &y,
                    &x);
    return DF_OK;
}

/* getting on */

static void forget_norms(df_tiled_decoder *d) {
    for (int k = 0; k < MAX_NORMS; k++) {
        free(d->scale[k]);
        free(d->shift[k]);
        d->scale[k] = d->shift[k] = NULL;
    }
    d->norm = 0;
}

static df_code begin_pass(df_tiled_decoder *d, df_err *err) {
    d->tile = 0;
    memset(d->groups, 0, (size_t)d->way->groups * sizeof *d->groups);
    df_piece_close(&d->piece);
    return open_segment(d, err);
}

static df_code begin_segment(df_tiled_decoder *d, df_err *err) {
    int s = ++d->segment, kept = d->cfg.tile >> (df_vae_segments(d->way) - s);
    int64_t channels = is_last_segment(d) ? d->way->out_channels : df_vae_segment_channels(d->way, s + 1);
    free(d->in.at);
    d->in = d->out;
    d->out.at = NULL;
    forget_norms(d);
    d->grid = df_tile_grid_make(d->in.height, d->in.width, kept > 0 ? kept : 1, df_vae_segment_halo(d->way, s));
    df_code rc = plane_new(&d->out, 2 * (int64_t)d->in.height, 2 * (int64_t)d->in.width, channels, err);
    return rc ? rc : begin_pass(d, err);
}

static df_code end_pass(df_tiled_decoder *d, bool *done, df_err *err) {
    if (is_last_pass(d)) {
        *done = is_last_segment(d);
        return *done ? DF_OK : begin_segment(d, err);
    }
    df_code rc = settle_norm(d, err);
    d->norm++;
    return rc ? rc : begin_pass(d, err);
}

static df_code run_head(df_tiled_decoder *d, df_err *err) {
    int64_t factor = 1 << (d->way->n_levels - 1 - df_vae_segments(d->way));
    df_code rc = df_piece_set(d->piece, "z", d->in.at, err);
    if (!rc) rc = df_piece_run(d->piece, err);
    if (!rc)
        rc = plane_new(&d->out, factor * d->in.height, factor * d->in.width, df_vae_segment_channels(d->way, 0), err);
    if (!rc) df_piece_get(d->piece, "x", d->out.at);
    return rc ? rc : begin_segment(d, err);
}

df_code df_tiled_decoder_step(df_tiled_decoder *d, bool *done, df_err *err) {
    *done = false;
    if (d->segment < 0) return run_head(d, err);
    df_code rc = run_tile(d, err);
    if (!rc && ++d->tile == df_tile_count(&d->grid)) rc = end_pass(d, done, err);
    return rc;
}

/* opening */

static bool has_pieces(const df_model *m) {
    const df_vae_config *way = df_model_decoder_way(m);
    return way && df_vae_segments(way) > 0 && df_vae_segment_norms(way, 0) < MAX_NORMS;
}

bool df_tiled_decoder_is_due(const df_model *m, int latent_h, int latent_w, df_dtype dtype, size_t whole_bytes) {
    df_graph *g = NULL;
    df_cut *cut = NULL;
    df_memory_plan *plan = NULL;
    if (!has_pieces(m)) return false;
    df_code rc = df_model_graph(m, DF_VAE_DECODER, latent_h, latent_w, &g, NULL);
    if (!rc) rc = df_cut_whole(&cut, g, NULL);
    if (!rc) rc = df_memory_plan_new(&plan, g, cut, 0, dtype, NULL);
    bool due = !rc && plan->slot_bytes + plan->scratch_bytes > whole_bytes;
    df_memory_plan_free(&plan);
    df_cut_free(&cut);
    df_graph_free(&g);
    return due;
}

df_code df_tiled_decoder_open(df_tiled_decoder **out, const df_model *model, const df_tiled_decoder_cfg *cfg,
                              const float *z, int latent_h, int latent_w, df_err *err) {
    if (!has_pieces(model))
        return df_err_set(err, DF_EUNSUPPORTED, "%s: its decoder cannot be run in tiles", df_model_dir(model));
    if (cfg->tile < DF_TILE_MIN_PIXELS)
        return df_err_set(err, DF_EINVAL, "tiles of %d pixels, at least %d are needed", cfg->tile, DF_TILE_MIN_PIXELS);
    df_tiled_decoder *d = calloc(1, sizeof *d);
    if (!d) return df_err_set(err, DF_ENOMEM, "a decoder");
    d->model = model;
    d->way = df_model_decoder_way(model);
    d->cfg = *cfg;
    d->segment = -1;
    d->groups = calloc((size_t)d->way->groups, sizeof *d->groups);
    df_code rc = d->groups ? DF_OK : df_err_set(err, DF_ENOMEM, "a decoder");
    if (!rc) rc = plane_new(&d->in, latent_h, latent_w, df_model_info_of(model)->latent_channels, err);
    if (!rc) rc = open_head(d, err);
    if (rc) {
        df_tiled_decoder_close(&d);
        return rc;
    }
    memcpy(d->in.at, z, (size_t)latent_h * (size_t)latent_w * (size_t)d->in.channels * sizeof *z);
    *out = d;
    return DF_OK;
}

void df_tiled_decoder_close(df_tiled_decoder **decoder) {
    df_tiled_decoder *d = decoder ? *decoder : NULL;
    if (!d) return;
    df_piece_close(&d->piece);
    forget_norms(d);
    free(d->groups);
    free(d->in.at);
    free(d->out.at);
    free(d);
    *decoder = NULL;
}

const float *df_tiled_decoder_image(const df_tiled_decoder *d) {
    return d->out.at;
}
