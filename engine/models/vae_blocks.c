#include "engine/models/resnet.h"
#include "engine/models/vae.h"

static const double eps = 1e-6; /* of every group norm here; the config has no field for it */

df_value_id df_vae_resnet(df_graph *g, const df_vae_config *cfg, const char *name, df_value_id x, int64_t channels) {
    df_resnet_args a = { .channels = channels, .groups = cfg->groups, .eps = eps, .temb = DF_NO_VALUE };
    return df_resnet_build(g, name, x, &a);
}

static df_value_id attention(df_graph *g, const df_vae_config *cfg, const char *name, df_value_id x) {
    df_shape picture = df_graph_shape(g, x);
    int64_t width = picture.dim[2];
    df_shape tokens = DF_SHAPE(picture.dim[0] * picture.dim[1], width);

    df_value_id y = df_g_group_norm(g, df_graph_name(g, "%s.group_norm", name), x, cfg->groups, eps);
    y = df_g_reshape(g, df_graph_name(g, "%s.tokens", name), y, tokens);
    df_value_id q = df_g_linear(g, df_graph_name(g, "%s.to_q", name), y, width, false);
    df_value_id k = df_g_linear(g, df_graph_name(g, "%s.to_k", name), y, width, false);
    df_value_id v = df_g_linear(g, df_graph_name(g, "%s.to_v", name), y, width, false);
    y = df_g_attention(g, df_graph_name(g, "%s.attention", name), q, k, v, 1, false);
    y = df_g_linear(g, df_graph_name(g, "%s.to_out.0", name), y, width, false);
    y = df_g_reshape(g, df_graph_name(g, "%s.picture", name), y, picture);
    return df_g_add(g, df_graph_name(g, "%s.residual", name), y, x);
}

df_value_id df_vae_mid_block(df_graph *g, const df_vae_config *cfg, const char *name, df_value_id x) {
    int64_t channels = cfg->channels[cfg->n_levels - 1];
    x = df_vae_resnet(g, cfg, df_graph_name(g, "%s.resnets.0", name), x, channels);
    if (cfg->mid_attention) x = attention(g, cfg, df_graph_name(g, "%s.attentions.0", name), x);
    return df_vae_resnet(g, cfg, df_graph_name(g, "%s.resnets.1", name), x, channels);
}

df_value_id df_vae_way_out(df_graph *g, const df_vae_config *cfg, const char *name, df_value_id x, int64_t channels) {
    x = df_norm_silu(g, df_graph_name(g, "%s.conv_norm_out", name), x, cfg->groups, eps);
    return df_conv_same(g, df_graph_name(g, "%s.conv_out", name), x, channels, 3);
}
