/* config.json of a CLIP text encoder (transformers' CLIPTextModel and CLIPTextModelWithProjection). */
#ifndef DF_ENGINE_MODELS_CLIP_TEXT_CONFIG_H
#define DF_ENGINE_MODELS_CLIP_TEXT_CONFIG_H

#include <stdint.h>

#include "base/err.h"
#include "engine/config/json_config.h"
#include "engine/graph/graph.h"

typedef struct df_clip_text_config {
    int64_t width; /* D, hidden_size */
    int64_t mlp_width; /* intermediate_size */
    int n_layers, heads;
    int64_t vocab, positions;
    int64_t eos_id; /* 2 is the historical value: see df_clip_text_pooled_position */
    df_act act;
    double eps; /* layer_norm_eps */
    int64_t projection; /* projection_dim, width of the projected state; 0 without projection */
} df_clip_text_config;

/* with_projection: of a CLIPTextModelWithProjection. Returns c->rc. */
df_code df_clip_text_config_read(df_clip_text_config *out, df_config *c, bool with_projection);

/* The token whose final state is the pooled one: with eos_token_id 2 the first largest id, else the first end token
 * (0 if there is none), as transformers has it. */
int64_t df_clip_text_pooled_position(const df_clip_text_config *cfg, const int32_t *ids, int64_t n);

#endif
