#include "engine/models/clip_text.h"

#include "engine/models/component_classes.h"

static df_value_id self_attention(df_graph *g, const char *layer, df_value_id x, const df_clip_text_config *cfg) {
    df_value_id q = df_g_linear(g, df_graph_name(g, "%s.self_attn.q_proj", layer), x, cfg->width, false);
    df_value_id k = df_g_linear(g, df_graph_name(g, "%s.self_attn.k_proj", layer), x, cfg->width, false);
    df_value_id v = df_g_linear(g, df_graph_name(g, "%s.self_attn.v_proj", layer), x, cfg->width, false);
    /* Causal, and no mask for padding: that is how the model was trained and how diffusers calls it. */
    x = df_g_attention(g, df_graph_name(g, "%s.self_attn.attention", layer), q, k, v, cfg->heads, true);
    return df_g_linear(g, df_graph_name(g, "%s.self_attn.out_proj", layer), x, cfg->width, false);
}

static df_value_id mlp(df_graph *g, const char *layer, df_value_id x, const df_clip_text_config *cfg) {
    x = df_g_linear(g, df_graph_name(g, "%s.mlp.fc1", layer), x, cfg->mlp_width, false);
    x = df_g_activation(g, df_graph_name(g, "%s.mlp.activation", layer), x, cfg->act);
    return df_g_linear(g, df_graph_name(g, "%s.mlp.fc2", layer), x, cfg->width, false);
}

static df_value_id encoder_layer(df_graph *g, const char *layer, df_value_id x, const df_clip_text_config *cfg) {
    df_value_id y = df_g_layer_norm(g, df_graph_name(g, "%s.layer_norm1", layer), x, cfg->eps);
    y = self_attention(g, layer, y, cfg);
    x = df_g_add(g, df_graph_name(g, "%s.attn_residual", layer), y, x);
    y = df_g_layer_norm(g, df_graph_name(g, "%s.layer_norm2", layer), x, cfg->eps);
    y = mlp(g, layer, y, cfg);
    return df_g_add(g, df_graph_name(g, "%s.mlp_residual", layer), y, x);
}

void df_clip_text_build(df_graph *g, const df_clip_text_config *cfg, int64_t n_tokens) {
    df_value_id ids = df_graph_input(g, "ids", DF_I32, DF_SHAPE(n_tokens));
    df_value_id x = df_g_embedding(g, "text_model.embeddings", ids, cfg->vocab, cfg->positions, cfg->width);
    df_graph_output(g, "hidden.0", x);
    for (int i = 0; i < cfg->n_layers; i++) {
        x = encoder_layer(g, df_graph_name(g, "text_model.encoder.layers.%d", i), x, cfg);
        df_graph_output(g, df_graph_name(g, "hidden.%d", i + 1), x);
    }
    x = df_g_layer_norm(g, "text_model.final_layer_norm", x, cfg->eps);
    df_graph_output(g, "last_hidden_state", x);
    if (!cfg->projection) return;
    /* Of every position: which one is pooled depends on the ids, and the product is small. */
    x = df_g_linear(g, "text_projection", x, cfg->projection, true);
    df_graph_output(g, "projected", x);
}

static df_code read_plain(void *config, df_config *c) {
    return df_clip_text_config_read(config, c, false);
}

static df_code read_projected(void *config, df_config *c) {
    return df_clip_text_config_read(config, c, true);
}

static void describe(const void *config, df_part_facts *out) {
    const df_clip_text_config *t = config;
    out->text.tokens = t->positions;
    out->text.vocab = t->vocab;
    out->text.width = t->width;
    out->text.projected = t->projection > 0;
    out->text.pooled = t->projection ? t->projection : t->width;
}

static void build(df_graph *g, const void *config, const df_build_size *s) {
    df_clip_text_build(g, config, s->tokens);
}

static void set_vocab(void *config, int64_t vocab) {
    ((df_clip_text_config *)config)->vocab = vocab;
}

static int64_t pooled_position(const void *config, const int32_t *ids, int64_t n) {
    return df_clip_text_pooled_position(config, ids, n);
}

#define CLIP_TEXT_CLASS(class_name, reader)                                                                            \
    {                                                                                                                  \
        .name = class_name, .stem = "model", .config_bytes = sizeof(df_clip_text_config), .read = reader,              \
        .describe = describe, .build = build, .pooled_position = pooled_position,                                      \
        .token_table = "text_model.embeddings.token_embedding.weight", .set_vocab = set_vocab,                         \
    }

const df_component_class df_class_clip_text = CLIP_TEXT_CLASS("CLIPTextModel", read_plain);
const df_component_class df_class_clip_text_projection = CLIP_TEXT_CLASS("CLIPTextModelWithProjection", read_projected);
