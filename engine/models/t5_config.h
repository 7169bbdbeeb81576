/* config.json of a T5 text encoder (transformers' T5EncoderModel). */
#ifndef DF_ENGINE_MODELS_T5_CONFIG_H
#define DF_ENGINE_MODELS_T5_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/config/json_config.h"
#include "engine/graph/graph.h"

typedef struct df_t5_config {
    int64_t width; /* D, d_model */
    int64_t attention_width; /* num_heads * d_kv; need not be D */
    int64_t ff_width; /* d_ff */
    int n_layers, heads;
    int64_t vocab; /* rows of the table; published ones have more than the tokenizer has pieces */
    int buckets, max_distance; /* of relative positions */
    df_act act; /* of the feed-forward */
    bool gated; /* act(wi_0 x) * wi_1 x instead of act(wi x) */
    double eps;
} df_t5_config;

df_code df_t5_config_read(df_t5_config *out, df_config *c); /* returns c->rc */

#endif
