#include "client/forward/codec.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "cluster/picture.h"

static bool has_codec(const df_codec *c) {
    return df_model_has(c->model, DF_VAE_DECODER);
}

static size_t n_pixels(const df_codec *c) {
    return (size_t)c->width * (size_t)c->height;
}

static df_code check_channels(const df_codec *c, df_err *err) {
    const df_model_info *info = df_model_info_of(c->model);
    int64_t channels =
        has_codec(c) ? df_model_facts(c->model, DF_VAE_ENCODER)->autoencoder.image_channels : info->latent_channels;
    if (channels == 3) return DF_OK;
    return df_err_set(err, DF_EUNSUPPORTED, "%s: its pictures have %lld channels, only RGB is supported",
                      df_model_dir(c->model), (long long)channels);
}

df_code df_codec_open(df_codec *c, const df_model *model, df_eval_runner *runner, int width, int height, df_err *err) {
    const df_model_info *info = df_model_info_of(model);
    *c = (df_codec) { .model = model, .runner = runner, .width = width, .height = height };
    c->latent_w = width / info->vae_factor;
    c->latent_h = height / info->vae_factor;
    c->channels = info->latent_channels;
    c->n = (size_t)(c->channels * c->latent_h * c->latent_w);
    return check_channels(c, err);
}

/* rgb to [3][H][W] in -1..1, as VaeImageProcessor has it. */
static void normalize(const df_codec *c, const uint8_t *rgb, float *image) {
    size_t plane = n_pixels(c);
    for (size_t i = 0; i < 3 * plane; i++) image[i % 3 * plane + i / 3] = 2.0f * ((float)rgb[i] / 255.0f) - 1.0f;
}

/* moments: mean, then log-variance, which is left out here; or the encoding of a model with a codebook. */
static df_code run_encoder(df_codec *c, float *image, float *x, df_err *err) {
    const df_model_info *info = df_model_info_of(c->model);
    bool quantizes = df_model_facts(c->model, DF_VAE_ENCODER)->autoencoder.quantizes;
    df_eval_port in = { "image", image }, out = { quantizes ? "encoded" : "moments", NULL };
    int program;
    float *encoded = calloc(2 * c->n, sizeof *encoded);
    if (!encoded) return df_err_set(err, DF_ENOMEM, "latents of %dx%d pixels", c->width, c->height);
    out.rows = encoded;
    df_code rc = df_eval_runner_load(c->runner, DF_VAE_ENCODER, c->latent_h, c->latent_w, &program, err);
    if (!rc) rc = df_eval_runner_run(c->runner, program, 1, &in, 1, &out, 1, err);
    for (size_t i = 0; i < c->n && !rc; i++)
        x[i] = (encoded[i] - (float)info->shift_factor) * (float)info->scaling_factor;
    free(encoded);
    return rc;
}

df_code df_codec_encode(df_codec *c, const uint8_t *rgb, float *x, df_err *err) {
    if (!has_codec(c)) {
        normalize(c, rgb, x);
        return DF_OK;
    }
    float *image = malloc(3 * n_pixels(c) * sizeof *image);
    if (!image) return df_err_set(err, DF_ENOMEM, "a picture of %dx%d pixels", c->width, c->height);
    normalize(c, rgb, image);
    df_code rc = run_encoder(c, image, x, err);
    free(image);
    return rc;
}

static df_code run_decoder(df_codec *c, int64_t rows, const float *x, float *image, df_err *err) {
    const df_model_info *info = df_model_info_of(c->model);
    size_t n = (size_t)rows * c->n;
    int program;
    float *z = calloc(n, sizeof *z);
    if (!z) return df_err_set(err, DF_ENOMEM, "latents of %lld pictures", (long long)rows);
    for (size_t i = 0; i < n; i++) z[i] = x[i] / (float)info->scaling_factor + (float)info->shift_factor;
    df_eval_port in = { "z", z }, out = { "image", image };
    df_code rc = df_eval_runner_load(c->runner, DF_VAE_DECODER, c->latent_h, c->latent_w, &program, err);
    if (!rc) rc = df_eval_runner_run(c->runner, program, rows, &in, 1, &out, 1, err);
    free(z);
    return rc;
}

/* [3][H][W] to [H][W][3] and to bytes; `pixels` has room for one picture. */
static df_code to_bytes(const df_codec *c, const float *image, float *pixels, uint8_t *rgb, df_err *err) {
    size_t plane = n_pixels(c);
    for (size_t i = 0; i < 3 * plane; i++) pixels[i] = image[i % 3 * plane + i / 3];
    if (df_picture_quantize(pixels, DF_F32, 3 * plane, rgb)) return DF_OK;
    return df_err_set(err, DF_ENUMERIC, "%s: the decoder gave a number that is not finite", df_model_dir(c->model));
}

df_code df_codec_decode(df_codec *c, int64_t rows, const float *x, uint8_t *rgb, df_err *err) {
    size_t picture = 3 * n_pixels(c), bytes;
    if (!df_size_mul(&bytes, picture * sizeof(float), (size_t)rows + 1))
        return df_err_set(err, DF_ELIMIT, "%lld pictures of %dx%d pixels", (long long)rows, c->width, c->height);
    float *image = malloc(bytes);
    if (!image) return df_err_set(err, DF_ENOMEM, "%lld pictures", (long long)rows);
    float *pixels = image + picture * (size_t)rows;
    df_code rc = DF_OK;
    if (has_codec(c))
        rc = run_decoder(c, rows, x, image, err);
    else
        memcpy(image, x, picture * (size_t)rows * sizeof *image);
    for (size_t r = 0; r < (size_t)rows && !rc; r++)
        rc = to_bytes(c, image + r * picture, pixels, rgb + r * picture, err);
    free(image);
    return rc;
}
