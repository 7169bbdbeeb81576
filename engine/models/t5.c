#include "engine/models/t5.h"

#include "engine/models/component_classes.h"
#include "engine/models/config_check.h"

/* Scores are not scaled: the initialisation that T5 was trained from makes up for it. */
static df_value_id self_attention(df_graph *g, const df_t5_config *cfg, const char *name, df_value_id x) {
    /* The first layer's table serves all. */
    static const char bias[] = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias";
    df_value_id q = df_g_linear(g, df_graph_name(g, "%s.q", name), x, cfg->attention_width, true);
    df_value_id k = df_g_linear(g, df_graph_name(g, "%s.k", name), x, cfg->attention_width, true);
    df_value_id v = df_g_linear(g, df_graph_name(g, "%s.v", name), x, cfg->attention_width, true);
    x = df_g_attention_relative(g, df_graph_name(g, "%s.attention", name), q, k, v, cfg->heads, bias, cfg->buckets,
                                cfg->max_distance);
    return df_g_linear(g, df_graph_name(g, "%s.o", name), x, cfg->width, true);
}

static df_value_id feed_forward(df_graph *g, const df_t5_config *cfg, const char *name, df_value_id x) {
    const char *first = df_graph_name(g, cfg->gated ? "%s.wi_0" : "%s.wi", name);
    df_value_id y = df_g_linear(g, first, x, cfg->ff_width, true);
    y = df_g_activation(g, df_graph_name(g, "%s.act", name), y, cfg->act);
    if (cfg->gated) {
        df_value_id gate = df_g_linear(g, df_graph_name(g, "%s.wi_1", name), x, cfg->ff_width, true);
        y = df_g_mul(g, df_graph_name(g, "%s.gated", name), y, gate);
    }
    return df_g_linear(g, df_graph_name(g, "%s.wo", name), y, cfg->width, true);
}

static df_value_id block(df_graph *g, const df_t5_config *cfg, const char *name, df_value_id x) {
    df_value_id y = df_g_rms_norm(g, df_graph_name(g, "%s.layer.0.layer_norm", name), x, cfg->eps);
    y = self_attention(g, cfg, df_graph_name(g, "%s.layer.0.SelfAttention", name), y);
    x = df_g_add(g, df_graph_name(g, "%s.layer.0", name), y, x);
    y = df_g_rms_norm(g, df_graph_name(g, "%s.layer.1.layer_norm", name), x, cfg->eps);
    y = feed_forward(g, cfg, df_graph_name(g, "%s.layer.1.DenseReluDense", name), y);
    return df_g_add(g, df_graph_name(g, "%s.layer.1", name), y, x);
}

void df_t5_build(df_graph *g, const df_t5_config *cfg, int64_t n_tokens) {
    df_value_id ids = df_graph_input(g, "ids", DF_I32, DF_SHAPE(n_tokens));
    df_value_id x = df_g_token_embedding(g, "shared", ids, cfg->vocab, cfg->width);
    df_graph_output(g, "hidden.0", x);
    for (int i = 0; i < cfg->n_layers; i++) {
        x = block(g, cfg, df_graph_name(g, "encoder.block.%d", i), x);
        df_graph_output(g, df_graph_name(g, "hidden.%d", i + 1), x);
    }
    x = df_g_rms_norm(g, "encoder.final_layer_norm", x, cfg->eps);
    df_graph_output(g, "last_hidden_state", x);
}

static df_code read(void *config, df_config *c) {
    return df_t5_config_read(config, c);
}

static void describe(const void *config, df_part_facts *out) {
    const df_t5_config *t = config;
    out->text.tokens = DF_MODEL_MAX_TOKENS; /* positions are relative; the pipeline sets its own limit */
    out->text.vocab = t->vocab;
    out->text.width = t->width;
}

static void build(df_graph *g, const void *config, const df_build_size *s) {
    df_t5_build(g, config, s->tokens);
}

const df_component_class df_class_t5 = {
    .name = "T5EncoderModel",
    .stem = "model",
    .config_bytes = sizeof(df_t5_config),
    .read = read,
    .describe = describe,
    .build = build,
};
