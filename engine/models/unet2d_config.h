/* config.json of an unconditional U-Net (diffusers' UNet2DModel). */
#ifndef DF_ENGINE_MODELS_UNET2D_CONFIG_H
#define DF_ENGINE_MODELS_UNET2D_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/models/config_check.h"

/* One size of the picture; down_blocks.I and up_blocks.(n_levels - 1 - I) work at level I. */
typedef struct df_unet2d_level {
    int64_t channels;
    int heads; /* channels / attention_head_dim: here that is the width of a head */
    bool down_attention, up_attention; /* behind each residual block of that way */
} df_unet2d_level;

typedef struct df_unet2d_config {
    int64_t in_channels, out_channels;
    int n_levels;
    df_unet2d_level level[DF_MODEL_MAX_LEVELS];
    int layers; /* residual blocks per level on the way down; one more on the way up */
    int64_t temb_width;
    int64_t n_classes; /* rows of class_embedding; 0: not conditioned on a class */
    int groups, mid_attention_groups;
    double eps;
    bool flip_sin_to_cos;
    double freq_shift;
    bool center_input; /* the picture comes in 0..1 */
    bool pad_right_bottom_only; /* downsample_padding 0 */
    bool mid_attention;
    int64_t sample_h, sample_w; /* sample it was trained on */
} df_unet2d_config;

df_code df_unet2d_config_read(df_unet2d_config *out, df_config *c); /* returns c->rc */

#endif
