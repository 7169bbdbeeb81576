#include "engine/models/mmdit_config.h"

#include <limits.h>

static const char *const known_fields[] = {
    "sample_size",
    "patch_size",
    "in_channels",
    "num_layers",
    "attention_head_dim",
    "num_attention_heads",
    "joint_attention_dim",
    "caption_projection_dim",
    "pooled_projection_dim",
    "out_channels",
    "pos_embed_max_size",
    "dual_attention_layers",
    "qk_norm",
    NULL,
};

static void read_width(df_config *c, df_mmdit_config *m) {
    m->head_width = df_config_int(c, "attention_head_dim", 64, 1, DF_MODEL_MAX_WIDTH);
    m->heads = (int)df_config_int(c, "num_attention_heads", 18, 1, DF_MODEL_MAX_WIDTH);
    m->width = m->heads * m->head_width;
    if (!c->rc && m->width > DF_MODEL_MAX_WIDTH)
        c->rc = df_err_set(c->err, DF_ELIMIT, "%s: %d heads of %lld are wider than the limit of %d", c->path, m->heads,
                           (long long)m->head_width, DF_MODEL_MAX_WIDTH);
}

/* The text goes into the blocks as wide as the picture does. */
static void check_caption_width(df_config *c, const df_mmdit_config *m) {
    int64_t caption = df_config_int(c, "caption_projection_dim", 1152, 1, DF_MODEL_MAX_WIDTH);
    if (!c->rc && caption != m->width)
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED,
                           "%s: 'caption_projection_dim' is %lld, the blocks take %d heads of %lld", c->path,
                           (long long)caption, m->heads, (long long)m->head_width);
}

/* null is not the default here but means as many as go in. */
static int64_t read_out_channels(df_config *c, int64_t in_channels) {
    bool same = json_is_null(json_object_get(c->root, "out_channels"));
    return df_config_int(c, "out_channels", same ? in_channels : 16, 1, DF_MODEL_MAX_WIDTH);
}

/* Layers that the model does not have may be listed, as the library takes them. */
static void read_dual_layers(df_config *c, df_mmdit_config *m) {
    static const char key[] = "dual_attention_layers";
    int64_t layer[DF_MODEL_MAX_BLOCKS];
    size_t n = df_config_array_len(c, key);
    if (c->rc || !df_config_has(c, key)) return;
    if (!json_is_array(json_object_get(c->root, key)) || n > DF_MODEL_MAX_BLOCKS) {
        c->rc = df_err_set(c->err, DF_EFORMAT, "%s: '%s' must be a list of at most %d layers", c->path, key,
                           DF_MODEL_MAX_BLOCKS);
        return;
    }
    df_config_ints(c, key, layer, n, 0, 0, INT_MAX);
    for (size_t i = 0; i < n && !c->rc; i++)
        if (layer[i] < m->layers) m->dual[layer[i]] = true;
}

static void check_sizes(df_config *c, const df_mmdit_config *m) {
    if (!c->rc && m->sample % m->patch != 0)
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: 'sample_size' %lld is no multiple of 'patch_size' %d", c->path,
                           (long long)m->sample, m->patch);
    if (!c->rc && m->sample / m->patch > m->grid)
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED,
                           "%s: 'sample_size' %lld is more than 'pos_embed_max_size' %lld patches of %d", c->path,
                           (long long)m->sample, (long long)m->grid, m->patch);
}

df_code df_mmdit_config_read(df_mmdit_config *out, df_config *c) {
    df_mmdit_config m = { 0 };
    df_config_only_string(c, "_class_name", "SD3Transformer2DModel");
    df_config_only_known(c, known_fields);
    df_config_only_string(c, "qk_norm", "rms_norm");
    df_config_not_null(c, "pos_embed_max_size"); /* positions would be computed for the size at hand */
    read_width(c, &m);
    check_caption_width(c, &m);
    m.in_channels = df_config_int(c, "in_channels", 16, 1, DF_MODEL_MAX_WIDTH);
    m.out_channels = read_out_channels(c, m.in_channels);
    m.layers = (int)df_config_int(c, "num_layers", 18, 1, DF_MODEL_MAX_BLOCKS);
    m.patch = (int)df_config_int(c, "patch_size", 2, 1, 64);
    m.text_width = df_config_int(c, "joint_attention_dim", 4096, 1, DF_MODEL_MAX_WIDTH);
    m.pooled_width = df_config_int(c, "pooled_projection_dim", 2048, 1, DF_MODEL_MAX_WIDTH);
    m.grid = df_config_int(c, "pos_embed_max_size", 96, 1, DF_MODEL_MAX_LATENT);
    m.sample = df_config_int(c, "sample_size", 128, 1, DF_MODEL_MAX_LATENT);
    m.qk_norm = df_config_has(c, "qk_norm");
    read_dual_layers(c, &m);
    check_sizes(c, &m);
    if (!c->rc) *out = m;
    return c->rc;
}
