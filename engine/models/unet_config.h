/* config.json of a U-Net (diffusers' UNet2DConditionModel). */
#ifndef DF_ENGINE_MODELS_UNET_CONFIG_H
#define DF_ENGINE_MODELS_UNET_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/models/config_check.h"

/* One size of the picture; down_blocks.I and up_blocks.(n_levels - 1 - I) work at level I. */
typedef struct df_unet_level {
    int64_t channels;
    int layers; /* residual blocks on the way down; one more on the way up */
    int heads;
    int depth; /* transformer blocks behind each residual block */
    bool down_attention, up_attention;
    bool only_cross_attention; /* attn1 looks at the text too, not at the picture; not so in the middle */
} df_unet_level;

typedef struct df_unet_config {
    int64_t in_channels, out_channels;
    int n_levels;
    df_unet_level level[DF_MODEL_MAX_LEVELS];
    int64_t context_width; /* cross_attention_dim */
    int64_t temb_width;
    int groups;
    double eps;
    bool flip_sin_to_cos;
    double freq_shift;
    bool linear_projection;
    int conv_in_kernel, conv_out_kernel;
    int64_t sample_h, sample_w; /* latents it was trained on */
    int64_t n_classes; /* num_class_embeds: rows of class_embedding; 0: not conditioned on a class */
    /* addition_embed_type text_time (SDXL): pooled text and six numbers about sizes; pooled_width 0: without */
    int64_t pooled_width;
    int time_id_width; /* of the embedding of each number */
} df_unet_config;

enum { DF_UNET_TIME_IDS = 6 }; /* height, width, top, left, target height, target width */

/* Returns c->rc. */
df_code df_unet_config_read(df_unet_config *out, df_config *c);

#endif
