#include "engine/models/unet_config.h"

static const char *const known_fields[] = {
    "sample_size",
    "in_channels",
    "out_channels",
    "center_input_sample",
    "flip_sin_to_cos",
    "freq_shift",
    "down_block_types",
    "mid_block_type",
    "up_block_types",
    "only_cross_attention",
    "block_out_channels",
    "layers_per_block",
    "downsample_padding",
    "mid_block_scale_factor",
    "dropout",
    "act_fn",
    "norm_num_groups",
    "norm_eps",
    "cross_attention_dim",
    "transformer_layers_per_block",
    "reverse_transformer_layers_per_block",
    "encoder_hid_dim",
    "encoder_hid_dim_type",
    "attention_head_dim",
    "num_attention_heads",
    "dual_cross_attention",
    "use_linear_projection",
    "class_embed_type",
    "addition_embed_type",
    "addition_time_embed_dim",
    "num_class_embeds",
    "upcast_attention",
    "resnet_time_scale_shift",
    "resnet_skip_time_act",
    "resnet_out_scale_factor",
    "time_embedding_type",
    "time_embedding_dim",
    "time_embedding_act_fn",
    "timestep_post_act",
    "time_cond_proj_dim",
    "conv_in_kernel",
    "conv_out_kernel",
    "projection_class_embeddings_input_dim",
    "attention_type",
    "class_embeddings_concat",
    "mid_block_only_cross_attention",
    "cross_attention_norm",
    "addition_embed_type_num_heads",
    NULL,
};

/* Not looked at: dropout (training only), upcast_attention (we never compute attention in less than f32) and
 * addition_embed_type_num_heads (of an addition_embed_type that is refused). class_embed_type is refused: the default
 * one, with num_class_embeds, has none. */
static void refuse_unsupported(df_config *c) {
    static const char *const absent[] = {
        "reverse_transformer_layers_per_block",
        "encoder_hid_dim",
        "encoder_hid_dim_type",
        "num_attention_heads",
        "class_embed_type",
        "time_embedding_act_fn",
        "timestep_post_act",
        "time_cond_proj_dim",
        "cross_attention_norm",
        NULL,
    };
    df_config_only_string(c, "_class_name", "UNet2DConditionModel");
    df_config_only_known(c, known_fields);
    for (const char *const *key = absent; *key; key++) df_config_only_absent(c, *key);
    df_config_not_null(c, "mid_block_type"); /* null: no middle block */
    df_config_not_null(c, "norm_num_groups"); /* null: no conv_norm_out */
    df_config_only_bool(c, "center_input_sample", false);
    df_config_only_string(c, "mid_block_type", "UNetMidBlock2DCrossAttn");
    df_config_only_string(c, "addition_embed_type", "text_time");
    df_config_only_number(c, "downsample_padding", 1);
    df_config_only_number(c, "mid_block_scale_factor", 1);
    df_config_only_number(c, "resnet_out_scale_factor", 1);
    df_config_only_string(c, "act_fn", "silu");
    df_config_only_bool(c, "dual_cross_attention", false);
    df_config_only_string(c, "resnet_time_scale_shift", "default");
    df_config_only_bool(c, "resnet_skip_time_act", false);
    df_config_only_string(c, "time_embedding_type", "positional");
    df_config_only_string(c, "attention_type", "default");
    df_config_only_bool(c, "class_embeddings_concat", false);
}

static void read_block_types(df_config *c, df_unet_config *u) {
    static const char *const down[] = { "DownBlock2D", "CrossAttnDownBlock2D", NULL };
    static const char *const up[] = { "UpBlock2D", "CrossAttnUpBlock2D", NULL };
    df_config_same_length(c, "down_block_types", "block_out_channels");
    df_config_same_length(c, "up_block_types", "block_out_channels");
    for (int i = 0; i < u->n_levels && !c->rc; i++) {
        u->level[i].down_attention = df_config_array_choice(c, "down_block_types", (size_t)i, down) == 1;
        u->level[u->n_levels - 1 - i].up_attention = df_config_array_choice(c, "up_block_types", (size_t)i, up) == 1;
    }
}

/* One for all levels, or a list. mid_block_only_cross_attention is not looked at: the middle block has no use for it.
 */
static void read_only_cross(df_config *c, df_unet_config *u) {
    const json_t *field = json_object_get(c->root, "only_cross_attention");
    if (c->rc || !df_config_has(c, "only_cross_attention")) return;
    if (json_is_array(field)) df_config_same_length(c, "only_cross_attention", "block_out_channels");
    for (int i = 0; i < u->n_levels && !c->rc; i++) {
        const json_t *value = json_is_array(field) ? json_array_get(field, (size_t)i) : field;
        if (!json_is_boolean(value))
            c->rc = df_err_set(c->err, DF_EFORMAT, "%s: 'only_cross_attention' must be true, false or a list of them",
                               c->path);
        u->level[i].only_cross_attention = json_is_true(value);
    }
}

/* The width of the pooled text is what the sinusoids of the sizes leave of the width that linear_1 takes. */
static void read_addition(df_config *c, df_unet_config *u) {
    u->n_classes = df_config_int(c, "num_class_embeds", 0, 1, DF_MODEL_MAX_VOCAB);
    if (!df_config_has(c, "addition_embed_type")) {
        df_config_only_absent(c, "addition_time_embed_dim");
        df_config_only_absent(c, "projection_class_embeddings_input_dim");
        return;
    }
    static const char *const needed[] = { "addition_time_embed_dim", "projection_class_embeddings_input_dim" };
    for (int i = 0; i < 2 && !c->rc; i++)
        if (!df_config_has(c, needed[i]))
            c->rc = df_err_set(c->err, DF_EFORMAT, "%s: 'addition_embed_type' is text_time, which needs '%s'", c->path,
                               needed[i]);
    int64_t each = df_config_int(c, "addition_time_embed_dim", 256, 1, DF_MODEL_MAX_WIDTH);
    int64_t all = df_config_int(c, "projection_class_embeddings_input_dim", 2816, 1, 8 * DF_MODEL_MAX_WIDTH);
    if (!c->rc && all <= DF_UNET_TIME_IDS * each)
        c->rc = df_err_set(c->err, DF_EFORMAT,
                           "%s: 'projection_class_embeddings_input_dim' %lld leaves no room for text beside %d times "
                           "'addition_time_embed_dim' %lld",
                           c->path, (long long)all, DF_UNET_TIME_IDS, (long long)each);
    u->time_id_width = (int)each;
    u->pooled_width = all - DF_UNET_TIME_IDS * each;
}

static void read_levels(df_config *c, df_unet_config *u) {
    size_t n = df_config_levels(c, "block_out_channels");
    if (c->rc) return;
    int64_t channels[DF_MODEL_MAX_LEVELS], layers[DF_MODEL_MAX_LEVELS], heads[DF_MODEL_MAX_LEVELS],
        depth[DF_MODEL_MAX_LEVELS];
    df_config_ints(c, "block_out_channels", channels, n, 0, 1, DF_MODEL_MAX_WIDTH);
    df_config_ints(c, "layers_per_block", layers, n, 2, 1, DF_MODEL_MAX_LAYERS);
    df_config_ints(c, "attention_head_dim", heads, n, 8, 1, DF_MODEL_MAX_WIDTH);
    df_config_ints(c, "transformer_layers_per_block", depth, n, 1, 1, DF_MODEL_MAX_LAYERS);
    if (c->rc) return;
    u->n_levels = (int)n;
    for (size_t i = 0; i < n; i++)
        u->level[i] = (df_unet_level) {
            .channels = channels[i], .layers = (int)layers[i], .heads = (int)heads[i], .depth = (int)depth[i]
        };
    read_block_types(c, u);
    read_only_cross(c, u);
}

/* attention_head_dim is the number of heads, by a mistake in naming that published configs have made permanent. */
static void check_heads(df_config *c, const df_unet_config *u) {
    for (int i = 0; i < u->n_levels && !c->rc; i++) {
        const df_unet_level *l = &u->level[i];
        bool attends = l->down_attention || l->up_attention || i == u->n_levels - 1; /* the middle block */
        if (attends && l->channels % l->heads != 0)
            c->rc =
                df_err_set(c->err, DF_EUNSUPPORTED,
                           "%s: 'attention_head_dim' (the number of heads) is %d at level %d, which does not divide "
                           "its %lld channels",
                           c->path, l->heads, i, (long long)l->channels);
    }
}

static void check_blocks(df_config *c, const df_unet_config *u) {
    int64_t n = 0;
    for (int i = 0; i < u->n_levels; i++) n += (2 * u->level[i].layers + 1) * (1 + u->level[i].depth);
    if (!c->rc && n > DF_MODEL_MAX_BLOCKS)
        c->rc = df_err_set(c->err, DF_ELIMIT,
                           "%s: 'layers_per_block' and 'transformer_layers_per_block' ask for %lld "
                           "blocks, the limit is %d",
                           c->path, (long long)n, DF_MODEL_MAX_BLOCKS);
}

static int read_kernel(df_config *c, const char *key) {
    int64_t k = df_config_int(c, key, 3, 1, 15);
    if (!c->rc && k % 2 == 0)
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '%s' is %lld, only odd sizes are supported", c->path, key,
                           (long long)k);
    return (int)k;
}

static void read_fields(df_config *c, df_unet_config *u) {
    refuse_unsupported(c);
    read_levels(c, u);
    read_addition(c, u);
    u->in_channels = df_config_int(c, "in_channels", 4, 1, DF_MODEL_MAX_WIDTH);
    u->out_channels = df_config_int(c, "out_channels", 4, 1, DF_MODEL_MAX_WIDTH);
    u->context_width = df_config_int(c, "cross_attention_dim", 1280, 1, DF_MODEL_MAX_WIDTH);
    u->temb_width = df_config_int(c, "time_embedding_dim", 4 * u->level[0].channels, 1, 4 * DF_MODEL_MAX_WIDTH);
    u->groups = (int)df_config_int(c, "norm_num_groups", 32, 1, DF_MODEL_MAX_WIDTH);
    u->eps = df_config_positive(c, "norm_eps", 1e-5);
    u->flip_sin_to_cos = df_config_bool(c, "flip_sin_to_cos", true);
    u->freq_shift = df_config_double(c, "freq_shift", 0);
    u->linear_projection = df_config_bool(c, "use_linear_projection", false);
    u->conv_in_kernel = read_kernel(c, "conv_in_kernel");
    u->conv_out_kernel = read_kernel(c, "conv_out_kernel");
    int64_t sample[2];
    df_config_ints(c, "sample_size", sample, 2, 64, 1, DF_MODEL_MAX_LATENT);
    u->sample_h = sample[0];
    u->sample_w = sample[1];
    check_heads(c, u);
    check_blocks(c, u);
}

df_code df_unet_config_read(df_unet_config *out, df_config *c) {
    df_unet_config u = { 0 };
    read_fields(c, &u);
    if (!c->rc) *out = u;
    return c->rc;
}
