#include "engine/models/vae_config.h"

static const char *const known_fields[] = {
    "in_channels",
    "out_channels",
    "down_block_types",
    "up_block_types",
    "block_out_channels",
    "layers_per_block",
    "act_fn",
    "latent_channels",
    "norm_num_groups",
    "sample_size",
    "scaling_factor",
    "shift_factor",
    "latents_mean",
    "latents_std",
    "force_upcast",
    "use_quant_conv",
    "use_post_quant_conv",
    "mid_block_add_attention",
    NULL,
};

/* Not looked at: force_upcast (we compute in f32 or say so) and sample_size (only tiling uses it). */
static void refuse_unsupported(df_config *c) {
    df_config_only_string(c, "_class_name", "AutoencoderKL");
    df_config_only_known(c, known_fields);
    df_config_only_string(c, "act_fn", "silu");
    df_config_only_absent(c, "latents_mean");
    df_config_only_absent(c, "latents_std");
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

df_code df_vae_config_read(df_vae_config *out, df_config *c) {
    df_vae_config v = { .in_channels = 3, .out_channels = 3 };
    refuse_unsupported(c);
    read_levels(c, &v);
    v.latent_channels = df_config_int(c, "latent_channels", 4, 1, DF_MODEL_MAX_WIDTH);
    v.layers = (int)df_config_int(c, "layers_per_block", 1, 1, DF_MODEL_MAX_LAYERS);
    v.groups = (int)df_config_int(c, "norm_num_groups", 32, 1, DF_MODEL_MAX_WIDTH);
    v.mid_attention = df_config_bool(c, "mid_block_add_attention", true);
    v.quant_conv = df_config_bool(c, "use_quant_conv", true);
    v.post_quant_conv = df_config_bool(c, "use_post_quant_conv", true);
    v.scaling_factor = df_config_positive(c, "scaling_factor", 0.18215);
    v.shift_factor = df_config_double(c, "shift_factor", 0);
    if (!c->rc) *out = v;
    return c->rc;
}

int df_vae_config_factor(const df_vae_config *cfg) {
    return 1 << (cfg->n_levels - 1);
}
