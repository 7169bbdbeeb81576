/* Decodes large latents tile by tile: the same picture as the whole decoder gives, but for rounding, in memory that
 * hardly grows with it.
 *
 *   df_tiled_decoder_open(&d, model, &cfg, z, latent_h, latent_w, &err);
 *   do rc = df_tiled_decoder_step(d, &done, &err); while (!rc && !done);        a tile, or the head, at a time
 *   df_tiled_decoder_image(d);                                                 [H][W][3] f32, as the decoder's "image"
 *   df_tiled_decoder_close(&d);
 *
 * The end of a decoder (vae_tail.h) takes nearly all of its memory. A tile with a halo computes its part of it exactly,
 * if only the statistics of the group norms are those of the whole picture, and these depend on each other: so they are
 * found one after the other, each by a pass over all tiles up to that norm. No seam can arise, at the price of about
 * four times the arithmetic of what is tiled. What lies between the pieces is held whole, at a half and a quarter of
 * the picture's size. Tiles are computed in f32 whatever the type of the rest, as their statistics are. Sums over tiles
 * are in f64 in the tiles' order: the same bytes for any number of threads. Threads: one owner. */
#ifndef DF_ENGINE_TILES_TILED_DECODER_H
#define DF_ENGINE_TILES_TILED_DECODER_H

#include "engine/backend/backend.h"
#include "engine/models/model.h"

typedef struct df_tiled_decoder df_tiled_decoder;

typedef struct df_tiled_decoder_cfg {
    const df_backend *backend;
    df_backend_cfg backend_cfg; /* its dtype is the head's */
    int tile; /* pixels a side of the picture that a tile gives */
} df_tiled_decoder_cfg;

enum { DF_TILE_PIXELS = 512, DF_TILE_MIN_PIXELS = 16 };

/* What a picture may take at most while it is decoded whole. */
#define DF_TILES_WHOLE_BYTES ((size_t)4 << 30)

/* Would the decoder, run whole in that type, take more? Follows from model, size and type alone. false too where it has
 * no pieces. */
bool df_tiled_decoder_is_due(const df_model *m, int latent_h, int latent_w, df_dtype dtype, size_t whole_bytes);

/* model is borrowed, z [latent_h][latent_w][C] f32 during the call. DF_EUNSUPPORTED: a decoder that has no pieces. */
df_code df_tiled_decoder_open(df_tiled_decoder **out, const df_model *model, const df_tiled_decoder_cfg *cfg,
                              const float *z, int latent_h, int latent_w, df_err *err);
void df_tiled_decoder_close(df_tiled_decoder **d);
df_code df_tiled_decoder_step(df_tiled_decoder *d, bool *done, df_err *err);
const float *df_tiled_decoder_image(const df_tiled_decoder *d);

#endif
