/* vae_encode and vae_decode. */
#include <stdlib.h>

#include "client/eval/calls.h"

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

df_code df_eval_vae_decode(df_eval *e, const df_eval_settings *settings, df_err *err) {
    (void)settings;
    const df_model_info *info = df_model_info_of(e->model);
    int64_t dim[4] = { DF_ANY, info->latent_channels, DF_ANY, DF_ANY }, f = info->vae_factor;
    float *z = NULL, *image;
    int program;
    df_code rc;
    if ((rc = df_eval_read_f32(&e->in, "z", dim, 4, &z, err))) goto done;
    int64_t out_dim[4] = { dim[0], 3, dim[2] * f, dim[3] * f };
    if ((rc = df_eval_runner_load(e->runner, DF_VAE_DECODER, dim[2], dim[3], &program, err))) goto done;
    if ((rc = df_eval_output(&e->out, "image", DF_F32, out_dim, 4, &image, err))) goto done;
    rc = df_eval_runner_run(e->runner, program, dim[0], &(df_eval_port) { "z", z }, 1,
                            &(df_eval_port) { "image", image }, 1, err);
done:
    free(z);
    return rc;
}
