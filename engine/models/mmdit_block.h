/* One block of the MMDiT: joint attention of picture and text, then a feed-forward for each, all steered by the
 * condition (adaptive layer norm, zero-initialised). Reference: diffusers.models.attention.JointTransformerBlock. */
#ifndef DF_ENGINE_MODELS_MMDIT_BLOCK_H
#define DF_ENGINE_MODELS_MMDIT_BLOCK_H

#include "engine/graph/graph.h"
#include "engine/models/mmdit_config.h"

/* Tokens of both streams, [T][D] each. */
typedef struct df_mmdit_tokens {
    df_value_id picture, text;
} df_mmdit_tokens;

/* act: silu of the condition, [D]. The last block gives no text (DF_NO_VALUE). */
df_mmdit_tokens df_mmdit_block(df_graph *g, const df_mmdit_config *cfg, int layer, df_mmdit_tokens x, df_value_id act);

/* Layer norm, then scale and shift learned from the condition: NAME.linear gives the scale first, unlike the norms
 * within blocks. Reference: diffusers.models.normalization.AdaLayerNormContinuous. */
df_value_id df_mmdit_continuous_norm(df_graph *g, const df_mmdit_config *cfg, const char *name, df_value_id x,
                                     df_value_id act);

#endif
