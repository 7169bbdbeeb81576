#include "engine/models/vq_config.h"

static const char *const known_fields[] = {
    "in_channels",
    "out_channels",
    "down_block_types",
    "up_block_types",
    "block_out_channels",
    "layers_per_block",
    "act_fn",
    "latent_channels",
    "sample_size",
    "num_vq_embeddings",
    "norm_num_groups",
    "vq_embed_dim",
    "scaling_factor",
    "norm_type",
    "mid_block_add_attention",
    "lookup_from_codebook",
    "force_upcast",
    NULL,
};

/* Not looked at: force_upcast (we compute in f32 or say so), sample_size (says nothing about a convolution), and
 * lookup_from_codebook (of latents that are indices, which no pipeline here makes). */
static void refuse_unsupported(df_config *c) {
    df_config_only_string(c, "_class_name", "VQModel");
    df_config_only_known(c, known_fields);
    df_config_only_string(c, "act_fn", "silu");
    df_config_only_string(c, "norm_type", "group");
    df_config_only_number(c, "in_channels", 3);
    df_config_only_number(c, "out_channels", 3);
}

static void read_levels(df_config *c, df_vae_config *v) {
    static const char *const down[] = { "DownEncoderBlock2D", NULL };
    static const char *const up[] = { "UpDecoderBlock2D", NULL };
    size_t n = df_config_levels(c, "block_out_channels");
    if (c->rc) return;
    df_config_ints(c, "block_out_channels", v->channels, n, 0, 1, DF_MODEL_MAX_WIDTH);
    df_config_same_length(c, "down_block_types", "block_out_channels");
    df_config_same_length(c, "up_block_types", "block_out_channels");
    for (size_t i = 0; i < n && !c->rc; i++) {
        df_config_array_choice(c, "down_block_types", i, down);
        df_config_array_choice(c, "up_block_types", i, up);
    }
    v->n_levels = (int)n;
}

df_code df_vq_config_read(df_vq_config *out, df_config *c) {
    df_vq_config q = { .way = { .in_channels = 3, .out_channels = 3, .quant_conv = true, .post_quant_conv = true } };
    df_vae_config *v = &q.way;
    refuse_unsupported(c);
    read_levels(c, v);
    v->latent_channels = df_config_int(c, "latent_channels", 3, 1, DF_MODEL_MAX_WIDTH);
    v->layers = (int)df_config_int(c, "layers_per_block", 1, 1, DF_MODEL_MAX_LAYERS);
    v->groups = (int)df_config_int(c, "norm_num_groups", 32, 1, DF_MODEL_MAX_WIDTH);
    v->mid_attention = df_config_bool(c, "mid_block_add_attention", true);
    v->scaling_factor = df_config_positive(c, "scaling_factor", 0.18215);
    q.n_codes = df_config_int(c, "num_vq_embeddings", 256, 1, DF_MODEL_MAX_VOCAB);
    q.code_width = df_config_int(c, "vq_embed_dim", v->latent_channels, 1, DF_MODEL_MAX_WIDTH);
    if (!c->rc) *out = q;
    return c->rc;
}
