/* config.json of a class-conditional diffusion transformer (diffusers' DiTTransformer2DModel). */
#ifndef DF_ENGINE_MODELS_DIT_CONFIG_H
#define DF_ENGINE_MODELS_DIT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/graph/graph.h"
#include "engine/models/config_check.h"

typedef struct df_dit_config {
    int64_t in_channels;
    int64_t out_channels; /* twice in_channels where the variance is learned: noise first */
    int layers;
    int heads;
    int64_t width; /* heads * attention_head_dim */
    int patch;
    int64_t n_classes; /* the null class is number n_classes: the table has one row more */
    df_act act; /* of the feed-forward */
    bool attention_bias; /* of to_q, to_k, to_v */
    bool affine; /* norm3 has gamma and beta */
    double eps; /* of norm3 */
    int64_t sample; /* side of the latents it was trained on */
} df_dit_config;

df_code df_dit_config_read(df_dit_config *out, df_config *c); /* returns c->rc */

#endif
