#include "engine/models/vae_tail.h"

#include <stdio.h>

#include "engine/models/resnet.h"
#include "engine/models/vae.h"

int df_vae_segments(const df_vae_config *cfg) {
    return cfg->n_levels - 1 < DF_VAE_MAX_SEGMENTS ? cfg->n_levels - 1 : DF_VAE_MAX_SEGMENTS;
}

/* Up blocks count from the latents on. */
static int block_of(const df_vae_config *cfg, int segment) {
    return cfg->n_levels - df_vae_segments(cfg) + segment;
}

static int64_t channels_of(const df_vae_config *cfg, int block) {
    return cfg->channels[cfg->n_levels - 1 - block];
}

static bool is_last(const df_vae_config *cfg, int segment) {
    return segment == df_vae_segments(cfg) - 1;
}

void df_vae_head_way(df_graph *g, const df_vae_config *cfg, df_value_id x) {
    int blocks = cfg->n_levels - df_vae_segments(cfg);
    x = df_vae_way_in(g, cfg, x);
    for (int b = 0; b < blocks; b++) {
        x = df_vae_up_block(g, cfg, b, x);
        if (b + 1 < blocks) x = df_vae_upsample(g, b, x);
    }
    df_graph_output(g, "x", x);
}

int64_t df_vae_segment_channels(const df_vae_config *cfg, int segment) {
    return channels_of(cfg, block_of(cfg, segment) - 1);
}

/* Each 3x3 convolution reads one pixel further, at twice the input's resolution. */
int df_vae_segment_halo(const df_vae_config *cfg, int segment) {
    int convolutions = 1 + 2 * (cfg->layers + 1) + is_last(cfg, segment);
    return (convolutions + 1) / 2;
}

int df_vae_segment_norms(const df_vae_config *cfg, int segment) {
    return 2 * (cfg->layers + 1) + is_last(cfg, segment);
}

df_vae_norm df_vae_segment_norm(const df_vae_config *cfg, int segment, int k) {
    int block = block_of(cfg, segment);
    bool first = k == 0, out = k == 2 * (cfg->layers + 1);
    df_vae_norm n = { .channels = channels_of(cfg, first ? block - 1 : block) };
    if (out)
        snprintf(n.name, sizeof n.name, "decoder.conv_norm_out");
    else
        snprintf(n.name, sizeof n.name, "decoder.up_blocks.%d.resnets.%d.norm%d", block, k / 2, k % 2 + 1);
    return n;
}

/* A segment under construction. */
typedef struct tail {
    df_graph *g;
    int n_norms, at; /* norms that may be built, and have been */
    bool ended; /* before the one that may not */
} tail;

static df_value_id norm_silu(tail *t, df_value_id x) {
    df_graph *g = t->g;
    if (t->at == t->n_norms) {
        df_graph_output(g, "pre", x);
        t->ended = true;
        return x;
    }
    int k = t->at++;
    df_shape channels = DF_SHAPE(df_graph_shape(g, x).dim[2]);
    df_value_id scale = df_graph_input(g, df_graph_name(g, "scale.%d", k), DF_F32, channels);
    df_value_id shift = df_graph_input(g, df_graph_name(g, "shift.%d", k), DF_F32, channels);
    x = df_g_modulate(g, df_graph_name(g, "norm.%d", k), x, shift, scale);
    return df_g_activation(g, df_graph_name(g, "norm.%d.silu", k), x, DF_ACT_SILU);
}

/* As df_resnet_build has it, with given statistics. */
static df_value_id resnet(tail *t, const char *name, df_value_id x, int64_t channels) {
    df_graph *g = t->g;
    df_value_id y = norm_silu(t, x);
    if (t->ended) return x;
    y = df_conv_same(g, df_graph_name(g, "%s.conv1", name), y, channels, 3);
    y = norm_silu(t, y);
    if (t->ended) return x;
    if (df_graph_shape(g, x).dim[2] != channels)
        x = df_conv_same(g, df_graph_name(g, "%s.conv_shortcut", name), x, channels, 1);
    y = df_conv_same(g, df_graph_name(g, "%s.conv2", name), y, channels, 3);
    return df_g_add(g, df_graph_name(g, "%s.residual", name), y, x);
}

void df_vae_segment_build(df_graph *g, const df_vae_config *cfg, int segment, int64_t h, int64_t w, int n_norms) {
    tail t = { .g = g, .n_norms = n_norms };
    int block = block_of(cfg, segment);
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(h, w, df_vae_segment_channels(cfg, segment)));
    x = df_vae_upsample(g, block - 1, x);
    for (int k = 0; k <= cfg->layers && !t.ended; k++)
        x = resnet(&t, df_graph_name(g, "decoder.up_blocks.%d.resnets.%d", block, k), x, channels_of(cfg, block));
    if (t.ended) return;
    if (!is_last(cfg, segment)) {
        df_graph_output(g, "x", x);
        return;
    }
    x = norm_silu(&t, x);
    if (t.ended) return;
    df_graph_output(g, "image", df_conv_same(g, "decoder.conv_out", x, cfg->out_channels, 3));
}
