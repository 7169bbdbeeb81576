#include "engine/models/resnet.h"
#include "engine/models/vae.h"

df_value_id df_vae_encoder_way(df_graph *g, const df_vae_config *cfg, int64_t latent_h, int64_t latent_w,
                               int64_t channels) {
    int factor = df_vae_config_factor(cfg);
    df_value_id x =
        df_graph_input(g, "image", DF_F32, DF_SHAPE(latent_h * factor, latent_w * factor, cfg->in_channels));
    x = df_conv_same(g, "encoder.conv_in", x, cfg->channels[0], 3);
    for (int i = 0; i < cfg->n_levels; i++) {
        const char *block = df_graph_name(g, "encoder.down_blocks.%d", i);
        for (int k = 0; k < cfg->layers; k++)
            x = df_vae_resnet(g, cfg, df_graph_name(g, "%s.resnets.%d", block, k), x, cfg->channels[i]);
        if (i < cfg->n_levels - 1) x = df_downsample_build(g, df_graph_name(g, "%s.downsamplers.0", block), x, true);
    }
    x = df_vae_mid_block(g, cfg, "encoder.mid_block", x);
    return df_vae_way_out(g, cfg, "encoder", x, channels);
}

void df_vae_encoder_build(df_graph *g, const df_vae_config *cfg, int64_t latent_h, int64_t latent_w) {
    df_value_id x = df_vae_encoder_way(g, cfg, latent_h, latent_w, 2 * cfg->latent_channels);
    if (cfg->quant_conv) x = df_conv_same(g, "quant_conv", x, 2 * cfg->latent_channels, 1);
    df_graph_output(g, "moments", x);
}
