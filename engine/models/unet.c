#include "engine/models/unet.h"

#include <assert.h>

#include "engine/models/component_classes.h"
#include "engine/models/resnet.h"
#include "engine/models/transformer_2d.h"

enum { MAX_SKIPS = 1 + DF_MODEL_MAX_LEVELS * (DF_MODEL_MAX_LAYERS + 1) };

typedef struct unet {
    df_graph *g;
    const df_unet_config *cfg;
    df_value_id temb; /* silu of the time embedding: each residual block would take it again */
    df_value_id context;
    df_value_id skip[MAX_SKIPS]; /* what the way down leaves for the way up, last in first out */
    int n_skips;
} unet;

static df_value_id sinusoids(df_graph *g, const df_unet_config *cfg, const char *name, df_value_id t, int width) {
    df_timestep_attr a = {
        .dim = width,
        .flip_sin_to_cos = cfg->flip_sin_to_cos,
        .freq_shift = cfg->freq_shift,
        .max_period = 10000,
        .scale = 1,
    };
    return df_g_timestep_embedding(g, name, t, a);
}

static df_value_id two_layers(df_graph *g, const char *name, df_value_id x, int64_t width) {
    x = df_g_linear(g, df_graph_name(g, "%s.linear_1", name), x, width, false);
    x = df_g_activation(g, df_graph_name(g, "%s.act", name), x, DF_ACT_SILU);
    return df_g_linear(g, df_graph_name(g, "%s.linear_2", name), x, width, false);
}

/* Pooled text first, then the sinusoids of the six numbers in order. */
static df_value_id addition_embedding(df_graph *g, const df_unet_config *cfg) {
    df_value_id x = df_graph_input(g, "pooled", DF_F32, DF_SHAPE(cfg->pooled_width));
    df_value_id ids = df_graph_input(g, "time_ids", DF_F64, DF_SHAPE(DF_UNET_TIME_IDS));
    x = df_g_concat(g, "add_embedding.concat", x, sinusoids(g, cfg, "add_time_proj", ids, cfg->time_id_width));
    return two_layers(g, "add_embedding", x, cfg->temb_width);
}

static df_value_id time_embedding(df_graph *g, const df_unet_config *cfg) {
    df_value_id t = df_graph_input(g, "timestep", DF_F64, DF_SHAPE(1));
    t = sinusoids(g, cfg, "time_proj", t, (int)cfg->level[0].channels);
    t = two_layers(g, "time_embedding", t, cfg->temb_width);
    if (cfg->n_classes) {
        df_value_id c = df_graph_input(g, "class_labels", DF_I32, DF_SHAPE(1));
        c = df_g_class_embedding(g, "class_embedding", c, cfg->n_classes, cfg->temb_width);
        t = df_g_add(g, "time_class", t, c);
    }
    if (cfg->pooled_width) t = df_g_add(g, "time_addition", t, addition_embedding(g, cfg));
    return df_g_activation(g, "time_act", t, DF_ACT_SILU);
}

static void push(unet *u, df_value_id x) {
    assert(u->n_skips < MAX_SKIPS);
    u->skip[u->n_skips++] = x;
}

static df_value_id resnet(unet *u, const char *name, df_value_id x, int64_t channels) {
    df_resnet_args a = { .channels = channels, .groups = u->cfg->groups, .eps = u->cfg->eps, .temb = u->temb };
    return df_resnet_build(u->g, name, x, &a);
}

static df_value_id transformer(unet *u, const char *name, df_value_id x, const df_unet_level *l, bool only_cross) {
    df_transformer_2d_args a = {
        .heads = l->heads,
        .depth = l->depth,
        .groups = u->cfg->groups,
        .linear_projection = u->cfg->linear_projection,
        .only_cross_attention = only_cross,
        .context = u->context,
    };
    return df_transformer_2d_build(u->g, name, x, &a);
}

static df_value_id down_block(unet *u, int level, df_value_id x) {
    const df_unet_level *l = &u->cfg->level[level];
    const char *name = df_graph_name(u->g, "down_blocks.%d", level);
    for (int i = 0; i < l->layers; i++) {
        x = resnet(u, df_graph_name(u->g, "%s.resnets.%d", name, i), x, l->channels);
        if (l->down_attention)
            x = transformer(u, df_graph_name(u->g, "%s.attentions.%d", name, i), x, l, l->only_cross_attention);
        push(u, x);
    }
    if (level < u->cfg->n_levels - 1) {
        x = df_downsample_build(u->g, df_graph_name(u->g, "%s.downsamplers.0", name), x, false);
        push(u, x);
    }
    return x;
}

static df_value_id mid_block(unet *u, df_value_id x) {
    const df_unet_level *l = &u->cfg->level[u->cfg->n_levels - 1];
    x = resnet(u, "mid_block.resnets.0", x, l->channels);
    x = transformer(u, "mid_block.attentions.0", x, l, false);
    return resnet(u, "mid_block.resnets.1", x, l->channels);
}

static df_value_id up_block(unet *u, int level, df_value_id x) {
    const df_unet_level *l = &u->cfg->level[level];
    const char *name = df_graph_name(u->g, "up_blocks.%d", u->cfg->n_levels - 1 - level);
    for (int i = 0; i < l->layers + 1; i++) {
        df_value_id skip = u->skip[--u->n_skips];
        x = df_g_concat(u->g, df_graph_name(u->g, "%s.concat.%d", name, i), x, skip); /* the skip goes last */
        x = resnet(u, df_graph_name(u->g, "%s.resnets.%d", name, i), x, l->channels);
        if (l->up_attention)
            x = transformer(u, df_graph_name(u->g, "%s.attentions.%d", name, i), x, l, l->only_cross_attention);
    }
    if (level > 0) {
        df_shape to = df_graph_shape(u->g, u->skip[u->n_skips - 1]);
        x = df_upsample_build(u->g, df_graph_name(u->g, "%s.upsamplers.0", name), x, to.dim[0], to.dim[1]);
    }
    return x;
}

void df_unet_build(df_graph *g, const df_unet_config *cfg, int64_t h, int64_t w, int64_t n_tokens) {
    unet u = { .g = g, .cfg = cfg };
    df_value_id x = df_graph_input(g, "sample", DF_F32, DF_SHAPE(h, w, cfg->in_channels));
    u.temb = time_embedding(g, cfg);
    u.context = df_graph_input(g, "encoder_hidden_states", DF_F32, DF_SHAPE(n_tokens, cfg->context_width));
    df_graph_keep(g, u.context);

    x = df_conv_same(g, "conv_in", x, cfg->level[0].channels, cfg->conv_in_kernel);
    push(&u, x);
    for (int i = 0; i < cfg->n_levels; i++) x = down_block(&u, i, x);
    x = mid_block(&u, x);
    for (int i = cfg->n_levels - 1; i >= 0; i--) x = up_block(&u, i, x);
    x = df_norm_silu(g, "conv_norm_out", x, cfg->groups, cfg->eps);
    x = df_conv_same(g, "conv_out", x, cfg->out_channels, cfg->conv_out_kernel);
    df_graph_output(g, "out", x);
}

static df_code read(void *config, df_config *c) {
    return df_unet_config_read(config, c);
}

static void describe(const void *config, df_part_facts *out) {
    const df_unet_config *u = config;
    out->denoiser.in_channels = u->in_channels;
    out->denoiser.out_channels = u->out_channels;
    out->denoiser.context_width = u->context_width;
    out->denoiser.pooled = u->pooled_width;
    out->denoiser.time_ids = u->pooled_width ? DF_UNET_TIME_IDS : 0;
    out->denoiser.classes = u->n_classes;
    out->denoiser.sample_h = u->sample_h;
    out->denoiser.sample_w = u->sample_w;
}

static void build(df_graph *g, const void *config, const df_build_size *s) {
    df_unet_build(g, config, s->latent_h, s->latent_w, s->tokens);
}

const df_component_class df_class_unet = {
    .name = "UNet2DConditionModel",
    .stem = "diffusion_pytorch_model",
    .config_bytes = sizeof(df_unet_config),
    .read = read,
    .describe = describe,
    .build = build,
};
