/* The spatial transformer of the U-Net: a picture seen as tokens, self-attention, cross-attention to the text, GEGLU.
 *   x + proj_out(blocks(proj_in(group_norm(x))))
 * Source: Rombach et al. 2022, arXiv:2112.10752. Reference: diffusers Transformer2DModel, BasicTransformerBlock. */
#ifndef DF_ENGINE_MODELS_TRANSFORMER_2D_H
#define DF_ENGINE_MODELS_TRANSFORMER_2D_H

#include "engine/graph/graph.h"

typedef struct df_transformer_2d_args {
    int heads; /* divides the channels */
    int depth; /* blocks in a row */
    int groups; /* of the norm in front */
    bool linear_projection; /* proj_in and proj_out: linear (SD 2, SDXL) or 1x1 convolution (SD 1); the same numbers,
                               but the weights have another shape */
    bool only_cross_attention; /* attn1 attends to the context, as attn2 does */
    df_value_id context; /* encoder_hidden_states [L][E] */
} df_transformer_2d_args;

df_value_id df_transformer_2d_build(df_graph *g, const char *name, df_value_id x, const df_transformer_2d_args *a);

#endif
