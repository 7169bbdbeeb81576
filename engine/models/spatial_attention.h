/* Self-attention over the positions of a picture, with a group norm before and a residual around it.
 *   y = x + to_out.0(attention(to_q(n), to_k(n), to_v(n))),  n = group_norm(x) seen as H * W tokens
 * Reference: diffusers.models.attention_processor.Attention as AttnDownBlock2D, AttnUpBlock2D and UNetMidBlock2D
 * make it. */
#ifndef DF_ENGINE_MODELS_SPATIAL_ATTENTION_H
#define DF_ENGINE_MODELS_SPATIAL_ATTENTION_H

#include "engine/graph/graph.h"

typedef struct df_spatial_attention_args {
    int heads;
    int groups;
    double eps;
} df_spatial_attention_args;

df_value_id df_spatial_attention_build(df_graph *g, const char *name, df_value_id x,
                                       const df_spatial_attention_args *a);

#endif
