#include "engine/models/unet2d.h"

#include <assert.h>

#include "engine/models/component_classes.h"
#include "engine/models/resnet.h"
#include "engine/models/spatial_attention.h"

enum { MAX_SKIPS = 1 + DF_MODEL_MAX_LEVELS * (DF_MODEL_MAX_LAYERS + 1) };

typedef struct unet2d {
    df_graph *g;
    const df_unet2d_config *cfg;
    df_value_id temb; /* silu of the time embedding: each residual block would take it again */
    df_value_id skip[MAX_SKIPS]; /* what the way down leaves for the way up, last in first out */
    int n_skips;
} unet2d;

static df_value_id time_embedding(df_graph *g, const df_unet2d_config *cfg) {
    df_timestep_attr a = {
        .dim = (int)cfg->level[0].channels,
        .flip_sin_to_cos = cfg->flip_sin_to_cos,
        .freq_shift = cfg->freq_shift,
        .max_period = 10000,
        .scale = 1,
    };
    df_value_id t = df_graph_input(g, "timestep", DF_F64, DF_SHAPE(1));
    t = df_g_timestep_embedding(g, "time_proj", t, a);
    t = df_g_linear(g, "time_embedding.linear_1", t, cfg->temb_width, false);
    t = df_g_activation(g, "time_embedding.act", t, DF_ACT_SILU);
    return df_g_linear(g, "time_embedding.linear_2", t, cfg->temb_width, false);
}

static df_value_id condition(df_graph *g, const df_unet2d_config *cfg) {
    df_value_id t = time_embedding(g, cfg);
    if (cfg->n_classes) {
        df_value_id label = df_graph_input(g, "class_labels", DF_I32, DF_SHAPE(1));
        label = df_g_class_embedding(g, "class_embedding", label, cfg->n_classes, cfg->temb_width);
        t = df_g_add(g, "class_add", t, label);
    }
    return df_g_activation(g, "time_act", t, DF_ACT_SILU);
}

static void push(unet2d *u, df_value_id x) {
    assert(u->n_skips < MAX_SKIPS);
    u->skip[u->n_skips++] = x;
}

static df_value_id resnet(unet2d *u, const char *name, df_value_id x, int64_t channels) {
    df_resnet_args a = { .channels = channels, .groups = u->cfg->groups, .eps = u->cfg->eps, .temb = u->temb };
    return df_resnet_build(u->g, name, x, &a);
}

static df_value_id attention(unet2d *u, const char *name, df_value_id x, int heads, int groups) {
    df_spatial_attention_args a = { .heads = heads, .groups = groups, .eps = u->cfg->eps };
    return df_spatial_attention_build(u->g, name, x, &a);
}

/* Residual block i of a block of either way, with the attention behind it. */
static df_value_id layer(unet2d *u, const char *block, int i, df_value_id x, const df_unet2d_level *l, bool attend) {
    x = resnet(u, df_graph_name(u->g, "%s.resnets.%d", block, i), x, l->channels);
    if (!attend) return x;
    return attention(u, df_graph_name(u->g, "%s.attentions.%d", block, i), x, l->heads, u->cfg->groups);
}

static df_value_id down_block(unet2d *u, int level, df_value_id x) {
    const df_unet2d_level *l = &u->cfg->level[level];
    const char *name = df_graph_name(u->g, "down_blocks.%d", level);
    for (int i = 0; i < u->cfg->layers; i++) {
        x = layer(u, name, i, x, l, l->down_attention);
        push(u, x);
    }
    if (level < u->cfg->n_levels - 1) {
        const char *down = df_graph_name(u->g, "%s.downsamplers.0", name);
        x = df_downsample_build(u->g, down, x, u->cfg->pad_right_bottom_only);
        push(u, x);
    }
    return x;
}

static df_value_id mid_block(unet2d *u, df_value_id x) {
    const df_unet2d_level *l = &u->cfg->level[u->cfg->n_levels - 1];
    x = resnet(u, "mid_block.resnets.0", x, l->channels);
    if (u->cfg->mid_attention) x = attention(u, "mid_block.attentions.0", x, l->heads, u->cfg->mid_attention_groups);
    return resnet(u, "mid_block.resnets.1", x, l->channels);
}

static df_value_id up_block(unet2d *u, int level, df_value_id x) {
    const df_unet2d_level *l = &u->cfg->level[level];
    const char *name = df_graph_name(u->g, "up_blocks.%d", u->cfg->n_levels - 1 - level);
    for (int i = 0; i < u->cfg->layers + 1; i++) {
        df_value_id skip = u->skip[--u->n_skips];
        x = df_g_concat(u->g, df_graph_name(u->g, "%s.concat.%d", name, i), x, skip); /* the skip goes last */
        x = layer(u, name, i, x, l, l->up_attention);
    }
    if (level > 0) {
        df_shape to = df_graph_shape(u->g, u->skip[u->n_skips - 1]);
        x = df_upsample_build(u->g, df_graph_name(u->g, "%s.upsamplers.0", name), x, to.dim[0], to.dim[1]);
    }
    return x;
}

void df_unet2d_build(df_graph *g, const df_unet2d_config *cfg, int64_t h, int64_t w) {
    unet2d u = { .g = g, .cfg = cfg };
    df_value_id x = df_graph_input(g, "sample", DF_F32, DF_SHAPE(h, w, cfg->in_channels));
    u.temb = condition(g, cfg);

    if (cfg->center_input) x = df_g_scale(g, "center", x, 2, -1);
    x = df_conv_same(g, "conv_in", x, cfg->level[0].channels, 3);
    push(&u, x);
    for (int i = 0; i < cfg->n_levels; i++) x = down_block(&u, i, x);
    x = mid_block(&u, x);
    for (int i = cfg->n_levels - 1; i >= 0; i--) x = up_block(&u, i, x);
    x = df_norm_silu(g, "conv_norm_out", x, cfg->groups, cfg->eps);
    x = df_conv_same(g, "conv_out", x, cfg->out_channels, 3);
    df_graph_output(g, "out", x);
}

static df_code read(void *config, df_config *c) {
    return df_unet2d_config_read(config, c);
}

static void describe(const void *config, df_part_facts *out) {
    const df_unet2d_config *u = config;
    out->denoiser.in_channels = u->in_channels;
    out->denoiser.out_channels = u->out_channels;
    out->denoiser.classes = u->n_classes;
    out->denoiser.sample_h = u->sample_h;
    out->denoiser.sample_w = u->sample_w;
}

static void build(df_graph *g, const void *config, const df_build_size *s) {
    df_unet2d_build(g, config, s->latent_h, s->latent_w);
}

const df_component_class df_class_unet2d = {
    .name = "UNet2DModel",
    .stem = "diffusion_pytorch_model",
    .config_bytes = sizeof(df_unet2d_config),
    .read = read,
    .describe = describe,
    .build = build,
};
