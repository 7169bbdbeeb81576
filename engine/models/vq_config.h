/* config.json of an autoencoder with a codebook (diffusers' VQModel). */
#ifndef DF_ENGINE_MODELS_VQ_CONFIG_H
#define DF_ENGINE_MODELS_VQ_CONFIG_H

#include "engine/models/vae_config.h"

typedef struct df_vq_config {
    df_vae_config way; /* encoder and decoder; scaling_factor as there */
    int64_t n_codes, code_width; /* the codebook: [n_codes][code_width] */
} df_vq_config;

df_code df_vq_config_read(df_vq_config *out, df_config *c); /* returns c->rc */

#endif
