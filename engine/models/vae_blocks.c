#include "engine/models/resnet.h"
#include "engine/models/spatial_attention.h"
#include "engine/models/vae.h"

const double df_vae_eps = 1e-6;

df_value_id df_vae_resnet(df_graph *g, const df_vae_config *cfg, const char *name, df_value_id x, int64_t channels) {
    df_resnet_args a = { .channels = channels, .groups = cfg->groups, .eps = df_vae_eps, .temb = DF_NO_VALUE };
    return df_resnet_build(g, name, x, &a);
}

df_value_id df_vae_mid_block(df_graph *g, const df_vae_config *cfg, const char *name, df_value_id x) {
    int64_t channels = cfg->channels[cfg->n_levels - 1];
    df_spatial_attention_args a = { .heads = 1, .groups = cfg->groups, .eps = df_vae_eps };
    x = df_vae_resnet(g, cfg, df_graph_name(g, "%s.resnets.0", name), x, channels);
    if (cfg->mid_attention) x = df_spatial_attention_build(g, df_graph_name(g, "%s.attentions.0", name), x, &a);
    return df_vae_resnet(g, cfg, df_graph_name(g, "%s.resnets.1", name), x, channels);
}

df_value_id df_vae_way_out(df_graph *g, const df_vae_config *cfg, const char *name, df_value_id x, int64_t channels) {
    x = df_norm_silu(g, df_graph_name(g, "%s.conv_norm_out", name), x, cfg->groups, df_vae_eps);
    return df_conv_same(g, df_graph_name(g, "%s.conv_out", name), x, channels, 3);
}
