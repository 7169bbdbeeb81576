/* The residual block of U-Net and autoencoder, and the two convolutions that change the size of a picture.
 *   y = x' + conv2(silu(norm2(conv1(silu(norm1(x))) + time_emb_proj(silu(temb)))))
 * x' is x, or conv_shortcut(x) where the number of channels changes.
 * Reference: diffusers.models.resnet.ResnetBlock2D. */
#ifndef DF_ENGINE_MODELS_RESNET_H
#define DF_ENGINE_MODELS_RESNET_H

#include "engine/graph/graph.h"

typedef struct df_resnet_args {
    int64_t channels; /* of the result */
    int groups;
    double eps;
    df_value_id temb; /* silu(temb) [E]; DF_NO_VALUE in the autoencoder */
} df_resnet_args;

df_value_id df_resnet_build(df_graph *g, const char *name, df_value_id x, const df_resnet_args *a);

/* A square convolution of odd size that keeps height and width. */
df_value_id df_conv_same(df_graph *g, const char *name, df_value_id x, int64_t channels, int kernel);

/* Half the size: 3x3, stride 2. U-Net: one pixel of padding all around. Autoencoder: right and bottom only. */
df_value_id df_downsample_build(df_graph *g, const char *name, df_value_id x, bool right_bottom_only);

/* Nearest to h x w, then a 3x3 convolution. */
df_value_id df_upsample_build(df_graph *g, const char *name, df_value_id x, int64_t h, int64_t w);

/* silu(group_norm(x)); `name` is the norm. */
df_value_id df_norm_silu(df_graph *g, const char *name, df_value_id x, int groups, double eps);

#endif
