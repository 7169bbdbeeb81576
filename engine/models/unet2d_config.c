#include "engine/models/unet2d_config.h"

static const char *const known_fields[] = {
    "sample_size",
    "in_channels",
    "out_channels",
    "center_input_sample",
    "time_embedding_type",
    "time_embedding_dim",
    "freq_shift",
    "flip_sin_to_cos",
    "down_block_types",
    "mid_block_type",
    "up_block_types",
    "block_out_channels",
    "layers_per_block",
    "mid_block_scale_factor",
    "downsample_padding",
    "downsample_type",
    "upsample_type",
    "dropout",
    "act_fn",
    "attention_head_dim",
    "norm_num_groups",
    "attn_norm_num_groups",
    "norm_eps",
    "resnet_time_scale_shift",
    "add_attention",
    "class_embed_type",
    "num_class_embeds",
    "num_train_timesteps",
    NULL,
};

/* Not looked at: dropout (training only) and num_train_timesteps (of a time embedding that is refused). */
static void refuse_unsupported(df_config *c) {
    df_config_only_string(c, "_class_name", "UNet2DModel");
    df_config_only_known(c, known_fields);
    df_config_not_null(c, "mid_block_type"); /* null: no middle block */
    df_config_not_null(c, "norm_num_groups"); /* null: groups by another rule */
    df_config_only_string(c, "mid_block_type", "UNetMidBlock2D");
    df_config_only_string(c, "time_embedding_type", "positional");
    df_config_only_string(c, "downsample_type", "conv");
    df_config_only_string(c, "upsample_type", "conv");
    df_config_only_number(c, "mid_block_scale_factor", 1);
    df_config_only_string(c, "act_fn", "silu");
    df_config_only_string(c, "resnet_time_scale_shift", "default");
    df_config_only_absent(c, "class_embed_type");
}

static void read_block_types(df_config *c, df_unet2d_config *u) {
    static const char *const down[] = { "DownBlock2D", "AttnDownBlock2D", NULL };
    static const char *const up[] = { "UpBlock2D", "AttnUpBlock2D", NULL };
    df_config_same_length(c, "down_block_types", "block_out_channels");
    df_config_same_length(c, "up_block_types", "block_out_channels");
    for (int i = 0; i < u->n_levels && !c->rc; i++) {
        u->level[i].down_attention = df_config_array_choice(c, "down_block_types", (size_t)i, down) == 1;
        u->level[u->n_levels - 1 - i].up_attention = df_config_array_choice(c, "up_block_types", (size_t)i, up) == 1;
    }
}

/* null is one head as wide as the level; absent is 8, as in the library. */
static int64_t head_width(df_config *c, int64_t channels) {
    if (json_is_null(json_object_get(c->root, "attention_head_dim"))) return channels;
    return df_config_int(c, "attention_head_dim", 8, 1, DF_MODEL_MAX_WIDTH);
}

static bool attends(const df_unet2d_config *u, int level) {
    const df_unet2d_level *l = &u->level[level];
    return l->down_attention || l->up_attention || (u->mid_attention && level == u->n_levels - 1);
}

static void read_heads(df_config *c, df_unet2d_config *u) {
    for (int i = 0; i < u->n_levels && !c->rc; i++) {
        df_unet2d_level *l = &u->level[i];
        int64_t width = head_width(c, l->channels);
        if (c->rc || !attends(u, i)) continue;
        if (l->channels % width != 0)
            c->rc = df_err_set(c->err, DF_EUNSUPPORTED,
                               "%s: 'attention_head_dim' (the width of a head) is %lld, which does not divide the %lld "
                               "channels of level %d",
                               c->path, (long long)width, (long long)l->channels, i);
        else
            l->heads = (int)(l->channels / width);
    }
}

static void read_levels(df_config *c, df_unet2d_config *u) {
    int64_t channels[DF_MODEL_MAX_LEVELS];
    size_t n = df_config_levels(c, "block_out_channels");
    if (c->rc) return;
    df_config_ints(c, "block_out_channels", channels, n, 0, 1, DF_MODEL_MAX_WIDTH);
    if (c->rc) return;
    u->n_levels = (int)n;
    for (size_t i = 0; i < n; i++) u->level[i].channels = channels[i];
    read_block_types(c, u);
    read_heads(c, u);
}

static void read_layers(df_config *c, df_unet2d_config *u) {
    u->layers = (int)df_config_int(c, "layers_per_block", 2, 1, DF_MODEL_MAX_LAYERS);
    int blocks = 2 * u->n_levels * (2 * u->layers + 1);
    if (!c->rc && blocks > DF_MODEL_MAX_BLOCKS)
        c->rc = df_err_set(c->err, DF_ELIMIT, "%s: 'layers_per_block' asks for up to %d blocks, the limit is %d",
                           c->path, blocks, DF_MODEL_MAX_BLOCKS);
}

static void read_sample_size(df_config *c, df_unet2d_config *u) {
    int64_t side[2] = { 0 };
    if (!c->rc && !df_config_has(c, "sample_size"))
        c->rc = df_err_set(c->err, DF_EFORMAT, "%s: 'sample_size' is missing; it is the size of what is made", c->path);
    df_config_ints(c, "sample_size", side, 2, 0, 1, DF_MODEL_MAX_LATENT);
    u->sample_h = side[0];
    u->sample_w = side[1];
}

df_code df_unet2d_config_read(df_unet2d_config *out, df_config *c) {
    df_unet2d_config config = { 0 }, *u = &config;
    refuse_unsupported(c);
    u->mid_attention = df_config_bool(c, "add_attention", true);
    read_levels(c, u);
    read_layers(c, u);
    u->in_channels = df_config_int(c, "in_channels", 3, 1, DF_MODEL_MAX_WIDTH);
    u->out_channels = df_config_int(c, "out_channels", 3, 1, DF_MODEL_MAX_WIDTH);
    u->temb_width = df_config_int(c, "time_embedding_dim", 4 * u->level[0].channels, 1, 4 * DF_MODEL_MAX_WIDTH);
    u->n_classes = df_config_int(c, "num_class_embeds", 0, 1, DF_MODEL_MAX_VOCAB);
    u->groups = (int)df_config_int(c, "norm_num_groups", 32, 1, DF_MODEL_MAX_WIDTH);
    u->mid_attention_groups = (int)df_config_int(c, "attn_norm_num_groups", u->groups, 1, DF_MODEL_MAX_WIDTH);
    u->eps = df_config_positive(c, "norm_eps", 1e-5);
    u->flip_sin_to_cos = df_config_bool(c, "flip_sin_to_cos", true);
    u->freq_shift = df_config_double(c, "freq_shift", 0);
    u->center_input = df_config_bool(c, "center_input_sample", false);
    u->pad_right_bottom_only = df_config_int(c, "downsample_padding", 1, 0, 1) == 0;
    read_sample_size(c, u);
    if (!c->rc) *out = config;
    return c->rc;
}
