/* config.json of an autoencoder (diffusers' AutoencoderKL). */
#ifndef DF_ENGINE_MODELS_VAE_CONFIG_H
#define DF_ENGINE_MODELS_VAE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/models/config_check.h"

typedef struct df_vae_config {
    int64_t in_channels, out_channels, latent_channels;
    int n_levels;
    int64_t channels[DF_MODEL_MAX_LEVELS]; /* from the picture inwards */
    int layers; /* residual blocks per level of the encoder; one more in the decoder */
    int groups;
    bool mid_attention, quant_conv, post_quant_conv;
    double scaling_factor, shift_factor; /* z = latents / scaling_factor + shift_factor */
} df_vae_config;

/* Returns c->rc. */
df_code df_vae_config_read(df_vae_config *out, df_config *c);

/* Pixels per latent pixel: every level but the last halves the picture. */
int df_vae_config_factor(const df_vae_config *cfg);

#endif
