#include "engine/models/mmdit.h"

#include "engine/models/component_classes.h"
#include "engine/models/mmdit_block.h"

enum { TIME_WIDTH = 256 }; /* sines and cosines of the time step, whatever the width of the model */

/* Two layers with a silu between. */
static df_value_id embed(df_graph *g, const char *name, df_value_id x, int64_t width) {
    x = df_g_linear(g, df_graph_name(g, "%s.linear_1", name), x, width, false);
    x = df_g_activation(g, df_graph_name(g, "%s.act", name), x, DF_ACT_SILU);
    return df_g_linear(g, df_graph_name(g, "%s.linear_2", name), x, width, false);
}

/* silu of time step and pooled text, which every norm takes. */
static df_value_id condition(df_graph *g, const df_mmdit_config *cfg, df_value_id timestep, df_value_id pooled) {
    df_timestep_attr a = { .dim = TIME_WIDTH, .flip_sin_to_cos = true, .max_period = 10000, .scale = 1 };
    /* The text comes first so that fusion can add it in the time step's linear_2, which must find it ready. */
    df_value_id text = embed(g, "time_text_embed.text_embedder", pooled, cfg->width);
    df_value_id time = df_g_timestep_embedding(g, "time_text_embed.time_proj", timestep, a);
    time = embed(g, "time_text_embed.timestep_embedder", time, cfg->width);
    df_value_id both = df_g_add(g, "time_text_embed", time, text);
    return df_g_activation(g, "time_text_embed.silu", both, DF_ACT_SILU);
}

static df_value_id embed_patches(df_graph *g, const df_mmdit_config *cfg, df_value_id x) {
    df_conv_attr a = { .kernel = cfg->patch, .stride = cfg->patch };
    x = df_g_conv2d(g, "pos_embed.proj", x, cfg->width, a);
    x = df_g_add_constant(g, "pos_embed", x, "pos_embed.pos_embed", cfg->grid, cfg->grid);
    df_shape s = df_graph_shape(g, x);
    return df_g_reshape(g, "tokens", x, DF_SHAPE(s.dim[0] * s.dim[1], cfg->width));
}

void df_mmdit_build(df_graph *g, const df_mmdit_config *cfg, int64_t h, int64_t w, int64_t tokens) {
    if (h % cfg->patch || w % cfg->patch) {
        df_graph_fail(g, DF_ESHAPE, "latents of %lld x %lld; both must be multiples of %d", (long long)h, (long long)w,
                      cfg->patch);
        return;
    }
    df_value_id sample = df_graph_input(g, "sample", DF_F32, DF_SHAPE(h, w, cfg->in_channels));
    df_value_id timestep = df_graph_input(g, "timestep", DF_F64, DF_SHAPE(1));
    df_value_id text = df_graph_input(g, "encoder_hidden_states", DF_F32, DF_SHAPE(tokens, cfg->text_width));
    df_graph_keep(g, text);
    df_value_id pooled = df_graph_input(g, "pooled", DF_F32, DF_SHAPE(cfg->pooled_width));
    df_value_id act = condition(g, cfg, timestep, pooled);
    df_mmdit_tokens x = {
        .picture = embed_patches(g, cfg, sample),
        .text = df_g_linear(g, "context_embedder", text, cfg->width, false),
    };
    for (int i = 0; i < cfg->layers; i++) x = df_mmdit_block(g, cfg, i, x, act);
    df_value_id out = df_mmdit_continuous_norm(g, cfg, "norm_out", x.picture, act);
    out = df_g_linear(g, "proj_out", out, cfg->patch * cfg->patch * cfg->out_channels, false);
    df_graph_output(g, "out", df_g_unpatchify(g, "unpatchify", out, h / cfg->patch, w / cfg->patch, cfg->patch));
}

static df_code read(void *config, df_config *c) {
    return df_mmdit_config_read(config, c);
}

static void describe(const void *config, df_part_facts *out) {
    const df_mmdit_config *m = config;
    out->denoiser.in_channels = m->in_channels;
    out->denoiser.out_channels = m->out_channels;
    out->denoiser.context_width = m->text_width;
    out->denoiser.pooled = m->pooled_width;
    out->denoiser.sample_h = out->denoiser.sample_w = m->sample;
    out->denoiser.size_multiple = m->patch;
}

static void build(df_graph *g, const void *config, const df_build_size *s) {
    df_mmdit_build(g, config, s->latent_h, s->latent_w, s->tokens);
}

const df_component_class df_class_mmdit = {
    .name = "SD3Transformer2DModel",
    .stem = "diffusion_pytorch_model",
    .config_bytes = sizeof(df_mmdit_config),
    .read = read,
    .describe = describe,
    .build = build,
};
