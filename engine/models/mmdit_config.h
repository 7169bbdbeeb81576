/* config.json of the multimodal diffusion transformer of SD3 and SD3.5 (diffusers' SD3Transformer2DModel). */
#ifndef DF_ENGINE_MODELS_MMDIT_CONFIG_H
#define DF_ENGINE_MODELS_MMDIT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/models/config_check.h"

typedef struct df_mmdit_config {
    int64_t in_channels, out_channels;
    int layers;
    int heads;
    int64_t head_width; /* attention_head_dim */
    int64_t width; /* heads * head_width, of both streams */
    int patch;
    int64_t text_width; /* joint_attention_dim, of encoder_hidden_states */
    int64_t pooled_width; /* pooled_projection_dim */
    int64_t grid; /* pos_embed_max_size: the file has positions for grid x grid patches */
    int64_t sample; /* side of the latents it was trained on */
    bool qk_norm; /* q and k of every head go through an RMS norm (SD3.5) */
    bool dual[DF_MODEL_MAX_BLOCKS]; /* [layers] blocks where the picture also attends to itself alone */
} df_mmdit_config;

df_code df_mmdit_config_read(df_mmdit_config *out, df_config *c); /* returns c->rc */

#endif
