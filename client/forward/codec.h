/* Pictures to what a model diffuses, and back: latents by its autoencoder; pixels where it has none.
 *
 *   df_codec c;
 *   df_codec_open(&c, model, runner, width, height, &err);
 *   df_codec_encode(&c, rgb, x, &err);   ...   df_codec_decode(&c, n, x, rgb, &err); */
#ifndef DF_CLIENT_FORWARD_CODEC_H
#define DF_CLIENT_FORWARD_CODEC_H

#include "client/eval/runner.h"

typedef struct df_codec {
    const df_model *model; /* borrowed */
    df_eval_runner *runner; /* borrowed */
    int width, height; /* of the picture */
    int64_t latent_w, latent_h;
    int64_t channels; /* of the latents */
    size_t n; /* elements of the latents, [channels][latent_h][latent_w] */
} df_codec;

/* Sides must be multiples of the model's size_multiple. DF_EUNSUPPORTED: a model of pictures that are not RGB. */
df_code df_codec_open(df_codec *c, const df_model *model, df_eval_runner *runner, int width, int height, df_err *err);

/* rgb [height][width][3] to x [n]: the mean of the posterior, scaled as the model's latents are. */
df_code df_codec_encode(df_codec *c, const uint8_t *rgb, float *x, df_err *err);
/* rows of x to as many pictures. DF_ENUMERIC: a number is not finite. */
df_code df_codec_decode(df_codec *c, int64_t rows, const float *x, uint8_t *rgb, df_err *err);

#endif
