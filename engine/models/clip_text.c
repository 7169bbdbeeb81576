#include "engine/models/clip_text.h"

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
}
