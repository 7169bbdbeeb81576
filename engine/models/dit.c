#include "engine/models/dit.h"

#include <stdlib.h>

#include "engine/models/component_classes.h"

/* Of the norms before attention and output; norm_eps is that of norm3 alone. */
static const double plain_eps = 1e-6;
enum { TIME_WIDTH = 256 }; /* sines and cosines of the time step, whatever the width of the model */
/* Of the table of positions, before it is allocated by a config that may be hostile: 256 x 256 patches, 4096 wide. */
static const int64_t max_positions = (int64_t)1 << 28;

/* emb: time step and class, learned anew by every block. */
static df_value_id embed_condition(df_graph *g, const df_dit_config *cfg, const char *name, df_value_id time,
                                   df_value_id label) {
    df_value_id t = df_g_linear(g, df_graph_name(g, "%s.timestep_embedder.linear_1", name), time, cfg->width, false);
    t = df_g_activation(g, df_graph_name(g, "%s.timestep_embedder.act", name), t, DF_ACT_SILU);
    /* The class comes first so that fusion can add it in linear_2, which must find it ready. */
    df_value_id c = df_g_class_embedding(g, df_graph_name(g, "%s.class_embedder.embedding_table", name), label,
                                         cfg->n_classes + 1, cfg->width);
    t = df_g_linear(g, df_graph_name(g, "%s.timestep_embedder.linear_2", name), t, cfg->width, false);
    return df_g_add(g, name, t, c);
}

static df_value_id attention(df_graph *g, const df_dit_config *cfg, const char *name, df_value_id x) {
    bool no_bias = !cfg->attention_bias;
    df_value_id q = df_g_linear(g, df_graph_name(g, "%s.to_q", name), x, cfg->width, no_bias);
    df_value_id k = df_g_linear(g, df_graph_name(g, "%s.to_k", name), x, cfg->width, no_bias);
    df_value_id v = df_g_linear(g, df_graph_name(g, "%s.to_v", name), x, cfg->width, no_bias);
    x = df_g_attention(g, df_graph_name(g, "%s.attention", name), q, k, v, cfg->heads, false);
    return df_g_linear(g, df_graph_name(g, "%s.to_out.0", name), x, cfg->width, false);
}

static df_value_id feed_forward(df_graph *g, const df_dit_config *cfg, const char *name, df_value_id x) {
    x = df_g_linear(g, df_graph_name(g, "%s.net.0.proj", name), x, 4 * cfg->width, false);
    x = df_g_activation(g, df_graph_name(g, "%s.net.0.gelu", name), x, cfg->act);
    return df_g_linear(g, df_graph_name(g, "%s.net.2", name), x, cfg->width, false);
}

/* norm3; unlike norm1 it may have gamma and beta. */
static df_value_id second_norm(df_graph *g, const df_dit_config *cfg, const char *name, df_value_id x) {
    return cfg->affine ? df_g_layer_norm(g, name, x, cfg->eps) : df_g_layer_norm_plain(g, name, x, cfg->eps);
}

typedef struct modulation {
    df_value_id shift_attention, scale_attention, gate_attention, shift_mlp, scale_mlp, gate_mlp;
} modulation;

/* act: silu(emb) [D]. The six are slices of one projection, in this order. */
static modulation modulate_by(df_graph *g, const df_dit_config *cfg, const char *name, df_value_id act) {
    static const char *const names[] = { "shift_msa", "scale_msa", "gate_msa", "shift_mlp", "scale_mlp", "gate_mlp" };
    df_value_id all = df_g_linear(g, df_graph_name(g, "%s.linear", name), act, 6 * cfg->width, false), part[6];
    for (int i = 0; i < 6; i++)
        part[i] = df_g_slice(g, df_graph_name(g, "%s.%s", name, names[i]), all, i * cfg->width, cfg->width);
    return (modulation) { part[0], part[1], part[2], part[3], part[4], part[5] };
}

static df_value_id block(df_graph *g, const df_dit_config *cfg, const char *name, df_value_id x, df_value_id act) {
    modulation m = modulate_by(g, cfg, df_graph_name(g, "%s.norm1", name), act);

    df_value_id y = df_g_layer_norm_plain(g, df_graph_name(g, "%s.norm1.norm", name), x, plain_eps);
    y = df_g_modulate(g, df_graph_name(g, "%s.norm1", name), y, m.shift_attention, m.scale_attention);
    y = attention(g, cfg, df_graph_name(g, "%s.attn1", name), y);
    y = df_g_gate(g, df_graph_name(g, "%s.attn1_gate", name), y, m.gate_attention);
    x = df_g_add(g, df_graph_name(g, "%s.attn1_residual", name), y, x);

    y = second_norm(g, cfg, df_graph_name(g, "%s.norm3", name), x);
    y = df_g_modulate(g, df_graph_name(g, "%s.norm3_modulate", name), y, m.shift_mlp, m.scale_mlp);
    y = feed_forward(g, cfg, df_graph_name(g, "%s.ff", name), y);
    y = df_g_gate(g, df_graph_name(g, "%s.ff_gate", name), y, m.gate_mlp);
    return df_g_add(g, name, y, x);
}

static df_value_id add_positions(df_graph *g, const df_dit_config *cfg, df_value_id x) {
    df_shape s = df_graph_shape(g, x);
    if (!s.rank) return x; /* the graph has failed already */
    if (df_shape_elements(s) > max_positions) {
        df_graph_fail(g, DF_ELIMIT, "positions of %lld x %lld patches of width %lld are more than %lld numbers",
                      (long long)s.dim[0], (long long)s.dim[1], (long long)s.dim[2], (long long)max_positions);
        return DF_NO_VALUE;
    }
    float *table = malloc(sizeof *table * (size_t)df_shape_elements(s));
    if (!table) {
        df_graph_fail(g, DF_ENOMEM, "positions of %lld x %lld patches", (long long)s.dim[0], (long long)s.dim[1]);
        return DF_NO_VALUE;
    }
    df_dit_positions(table, s.dim[0], s.dim[1], s.dim[2], cfg->sample / cfg->patch);
    x = df_g_add_table(g, "pos_embed", x, table);
    free(table);
    return x;
}

static df_value_id embed_patches(df_graph *g, const df_dit_config *cfg, df_value_id x) {
    df_conv_attr a = { .kernel = cfg->patch, .stride = cfg->patch };
    x = df_g_conv2d(g, "pos_embed.proj", x, cfg->width, a);
    return add_positions(g, cfg, x);
}

/* act: silu of the first block's condition, which the output takes again. */
static df_value_id way_out(df_graph *g, const df_dit_config *cfg, df_value_id x, df_value_id act, int64_t h,
                           int64_t w) {
    df_value_id both = df_g_linear(g, "proj_out_1", act, 2 * cfg->width, false);
    df_value_id shift = df_g_slice(g, "shift_out", both, 0, cfg->width);
    df_value_id scale = df_g_slice(g, "scale_out", both, cfg->width, cfg->width);
    x = df_g_layer_norm_plain(g, "norm_out", x, plain_eps);
    x = df_g_modulate(g, "norm_out_modulate", x, shift, scale);
    x = df_g_linear(g, "proj_out_2", x, cfg->patch * cfg->patch * cfg->out_channels, false);
    return df_g_unpatchify(g, "unpatchify", x, h, w, cfg->patch);
}

void df_dit_build(df_graph *g, const df_dit_config *cfg, int64_t h, int64_t w) {
    if (h % cfg->patch || w % cfg->patch) {
        df_graph_fail(g, DF_ESHAPE, "latents of %lld x %lld; both must be multiples of %d", (long long)h, (long long)w,
                      cfg->patch);
        return;
    }
    df_timestep_attr a = {
        .dim = TIME_WIDTH, .flip_sin_to_cos = true, .freq_shift = 1, .max_period = 10000, .scale = 1
    };
    df_value_id x = df_graph_input(g, "sample", DF_F32, DF_SHAPE(h, w, cfg->in_channels));
    df_value_id time = df_graph_input(g, "timestep", DF_F64, DF_SHAPE(1));
    df_value_id label = df_graph_input(g, "class_labels", DF_I32, DF_SHAPE(1));
    time = df_g_timestep_embedding(g, "time_proj", time, a);

    h /= cfg->patch;
    w /= cfg->patch;
    x = embed_patches(g, cfg, x);
    x = df_g_reshape(g, "tokens", x, DF_SHAPE(h * w, cfg->width));
    df_value_id first = DF_NO_VALUE;
    for (int i = 0; i < cfg->layers; i++) {
        const char *name = df_graph_name(g, "transformer_blocks.%d", i);
        const char *emb = df_graph_name(g, "%s.norm1.emb", name);
        df_value_id act = embed_condition(g, cfg, emb, time, label);
        act = df_g_activation(g, df_graph_name(g, "%s.norm1.silu", name), act, DF_ACT_SILU);
        if (i == 0) first = act;
        x = block(g, cfg, name, x, act);
    }
    df_graph_output(g, "out", way_out(g, cfg, x, first, h, w));
}

static df_code read(void *config, df_config *c) {
    return df_dit_config_read(config, c);
}

static void describe(const void *config, df_part_facts *out) {
    const df_dit_config *d = config;
    out->denoiser.in_channels = d->in_channels;
    out->denoiser.out_channels = d->out_channels;
    out->denoiser.classes = d->n_classes + 1; /* the last is the null class */
    out->denoiser.sample_h = out->denoiser.sample_w = d->sample;
    out->denoiser.size_multiple = d->patch;
}

static void build(df_graph *g, const void *config, const df_build_size *s) {
    df_dit_build(g, config, s->latent_h, s->latent_w);
}

const df_component_class df_class_dit = {
    .name = "DiTTransformer2DModel",
    .stem = "diffusion_pytorch_model",
    .config_bytes = sizeof(df_dit_config),
    .read = read,
    .describe = describe,
    .build = build,
};

/* The same under the name that older files have. */
const df_component_class df_class_dit_transformer_2d = {
    .name = "Transformer2DModel",
    .stem = "diffusion_pytorch_model",
    .config_bytes = sizeof(df_dit_config),
    .read = read,
    .describe = describe,
    .build = build,
};
