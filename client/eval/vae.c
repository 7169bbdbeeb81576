/* vae_encode and vae_decode. */
#include <stdlib.h>

#include "client/eval/calls.h"
#include "engine/activations.h"
#include "engine/models/config_check.h"
#include "engine/tiles/tiled_decoder.h"

df_code df_eval_vae_encode(df_eval *e, const df_eval_settings *settings, df_err *err) {
    (void)settings;
    const df_model_info *info = df_model_info_of(e->model);
    bool quantizes = df_model_facts(e->model, DF_VAE_ENCODER)->autoencoder.quantizes;
    const char *name = quantizes ? "encoded" : "moments";
    int64_t dim[4] = { DF_ANY, 3, DF_ANY, DF_ANY }, f = info->vae_factor;
    float *image = NULL, *moments;
    int program;
    df_code rc = df_eval_read_f32(&e->in, "image", dim, 4, &image, err);
    if (rc) return rc;
    if (dim[2] % f || dim[3] % f) {
        rc =
            df_err_set(err, DF_ESHAPE, "%s: 'image' is [%lld, 3, %lld, %lld]; height and width must be multiples of %d",
                       e->in.path, (long long)dim[0], (long long)dim[2], (long long)dim[3], (int)f);
        goto done;
    }
    int64_t out_dim[4] = { dim[0], (quantizes ? 1 : 2) * info->latent_channels, dim[2] / f, dim[3] / f };
    if ((rc = df_eval_runner_load(e->runner, DF_VAE_ENCODER, out_dim[2], out_dim[3], &program, err))) goto done;
    if ((rc = df_eval_output(&e->out, name, DF_F32, out_dim, 4, &moments, err))) goto done;
    rc = df_eval_runner_run(e->runner, program, dim[0], &(df_eval_port) { "image", image }, 1,
                            &(df_eval_port) { name, moments }, 1, err);
done:
    free(image);
    return rc;
}

/* One picture: z [C][h][w], image [3][H][W]. */
static df_code decode_in_tiles(df_eval *e, int tile, const float *z, int h, int w, float *image, df_err *err) {
    const df_model_info *info = df_model_info_of(e->model);
    const df_eval_options *o = e->options;
    const df_tiled_decoder_cfg cfg = { .backend = o->backend, .backend_cfg = o->backend_cfg, .tile = tile };
    size_t C = (size_t)info->latent_channels, area = (size_t)h * (size_t)w, f = (size_t)info->vae_factor;
    df_tiled_decoder *d = NULL;
    bool done = false;
    float *rows = malloc(C * area * sizeof *rows);
    if (!rows) return df_err_set(err, DF_ENOMEM, "%s: 'z'", e->in.path);
    df_activations_write(rows, z, C, area, DF_F32);
    df_code rc = df_tiled_decoder_open(&d, e->model, &cfg, rows, h, w, err);
    while (!rc && !done) rc = df_tiled_decoder_step(d, &done, err);
    if (!rc) df_activations_read(image, df_tiled_decoder_image(d), 3, f * f * area, DF_F32);
    df_tiled_decoder_close(&d);
    free(rows);
    return rc;
}

static df_code decode_all_in_tiles(df_eval *e, int tile, const float *z, const int64_t dim[4], float *image,
                                   df_err *err) {
    int64_t f = df_model_info_of(e->model)->vae_factor, area = dim[2] * dim[3];
    df_code rc = DF_OK;
    if (dim[2] > DF_MODEL_MAX_LATENT || dim[3] > DF_MODEL_MAX_LATENT)
        return df_err_set(err, DF_EINVAL, "%s: 'z': sides must be 1 to %d", e->in.path, DF_MODEL_MAX_LATENT);
    for (int64_t i = 0; i < dim[0] && !rc; i++)
        rc = decode_in_tiles(e, tile, z + i * dim[1] * area, (int)dim[2], (int)dim[3], image + i * 3 * f * f * area,
                             err);
    return rc;
}

df_code df_eval_vae_decode(df_eval *e, const df_eval_settings *settings, df_err *err) {
    const df_model_info *info = df_model_info_of(e->model);
    int64_t dim[4] = { DF_ANY, info->latent_channels, DF_ANY, DF_ANY }, f = info->vae_factor;
    float *z = NULL, *image;
    int program;
    df_code rc;
    if ((rc = df_eval_read_f32(&e->in, "z", dim, 4, &z, err))) goto done;
    int64_t out_dim[4] = { dim[0], 3, dim[2] * f, dim[3] * f };
    if ((rc = df_eval_output(&e->out, "image", DF_F32, out_dim, 4, &image, err))) goto done;
    if (settings->tile) {
        rc = decode_all_in_tiles(e, settings->tile, z, dim, image, err);
        goto done;
    }
    if ((rc = df_eval_runner_load(e->runner, DF_VAE_DECODER, dim[2], dim[3], &program, err))) goto done;
    rc = df_eval_runner_run(e->runner, program, dim[0], &(df_eval_port) { "z", z }, 1,
                            &(df_eval_port) { "image", image }, 1, err);
done:
    free(z);
    return rc;
}
