#include "engine/models/dit_config.h"

#include <string.h>

static const char *const known_fields[] = {
    "num_attention_heads",
    "attention_head_dim",
    "in_channels",
    "out_channels",
    "num_layers",
    "dropout",
    "norm_num_groups",
    "attention_bias",
    "sample_size",
    "patch_size",
    "activation_fn",
    "num_embeds_ada_norm",
    "upcast_attention",
    "norm_type",
    "norm_elementwise_affine",
    "norm_eps",
    /* Of the general transformer that older files describe; only what it is without them is taken. */
    "cross_attention_dim",
    "double_self_attention",
    "num_vector_embeds",
    "only_cross_attention",
    "use_linear_projection",
    NULL,
};

/* Older files name the general class, whose defaults are others: there nothing may be left to a default. */
static void check_class(df_config *c) {
    static const char *const needed[] = { "num_attention_heads", "attention_head_dim",      "in_channels",
                                          "num_layers",          "attention_bias",          "sample_size",
                                          "patch_size",          "activation_fn",           "num_embeds_ada_norm",
                                          "norm_type",           "norm_elementwise_affine", NULL };
    if (strcmp(df_config_string(c, "_class_name", ""), "Transformer2DModel") != 0) {
        df_config_only_string(c, "_class_name", "DiTTransformer2DModel");
        return;
    }
    for (const char *const *key = needed; *key && !c->rc; key++)
        if (!df_config_has(c, *key))
            c->rc = df_err_set(c->err, DF_EUNSUPPORTED,
                               "%s: '%s' is missing; a Transformer2DModel without it is no DiT", c->path, *key);
}

/* Not looked at: dropout (training only), upcast_attention (we never compute attention in less than f32) and
 * norm_num_groups (there is no group norm). */
static void refuse_unsupported(df_config *c) {
    check_class(c);
    df_config_only_known(c, known_fields);
    df_config_only_string(c, "norm_type", "ada_norm_zero");
    df_config_only_absent(c, "cross_attention_dim");
    df_config_only_absent(c, "num_vector_embeds");
    df_config_only_bool(c, "double_self_attention", false);
    df_config_only_bool(c, "only_cross_attention", false);
    df_config_only_bool(c, "use_linear_projection", false);
    df_config_not_null(c, "num_embeds_ada_norm");
}

static void read_act(df_config *c, df_dit_config *d) {
    const char *name = df_config_string(c, "activation_fn", "gelu-approximate");
    if (c->rc) return;
    if (strcmp(name, "gelu-approximate") == 0)
        d->act = DF_ACT_GELU_TANH;
    else if (strcmp(name, "gelu") == 0)
        d->act = DF_ACT_GELU;
    else
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED,
                           "%s: 'activation_fn' is '%s'; supported: 'gelu-approximate', 'gelu'", c->path, name);
}

static void read_width(df_config *c, df_dit_config *d) {
    int64_t head = df_config_int(c, "attention_head_dim", 72, 1, DF_MODEL_MAX_WIDTH);
    d->heads = (int)df_config_int(c, "num_attention_heads", 16, 1, DF_MODEL_MAX_WIDTH);
    d->width = d->heads * head;
    if (!c->rc && d->width > DF_MODEL_MAX_WIDTH)
        c->rc = df_err_set(c->err, DF_ELIMIT, "%s: %d heads of %lld are wider than the limit of %d", c->path, d->heads,
                           (long long)head, DF_MODEL_MAX_WIDTH);
    if (!c->rc && d->width % 4 != 0) /* sines and cosines, for rows and columns */
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: a width of %d heads of %lld is no multiple of 4", c->path,
                           d->heads, (long long)head);
}

static void check_patches(df_config *c, const df_dit_config *d) {
    if (!c->rc && d->sample % d->patch != 0)
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: 'sample_size' %lld is no multiple of 'patch_size' %d", c->path,
                           (long long)d->sample, d->patch);
}

df_code df_dit_config_read(df_dit_config *out, df_config *c) {
    df_dit_config d = { 0 };
    refuse_unsupported(c);
    read_width(c, &d);
    read_act(c, &d);
    d.in_channels = df_config_int(c, "in_channels", 4, 1, DF_MODEL_MAX_WIDTH);
    d.out_channels = df_config_int(c, "out_channels", d.in_channels, 1, DF_MODEL_MAX_WIDTH);
    d.layers = (int)df_config_int(c, "num_layers", 28, 1, DF_MODEL_MAX_BLOCKS);
    d.patch = (int)df_config_int(c, "patch_size", 2, 1, 64);
    d.n_classes = df_config_int(c, "num_embeds_ada_norm", 1000, 1, DF_MODEL_MAX_VOCAB);
    d.attention_bias = df_config_bool(c, "attention_bias", true);
    d.affine = df_config_bool(c, "norm_elementwise_affine", false);
    d.eps = df_config_positive(c, "norm_eps", 1e-5);
    d.sample = df_config_int(c, "sample_size", 32, 1, DF_MODEL_MAX_LATENT);
    check_patches(c, &d);
    if (!c->rc) *out = d;
    return c->rc;
}
