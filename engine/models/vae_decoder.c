#include "engine/models/resnet.h"
#include "engine/models/vae.h"

static df_value_id up_block(df_graph *g, const df_vae_config *cfg, int level, df_value_id x) {
    const char *block = df_graph_name(g, "decoder.up_blocks.%d", cfg->n_levels - 1 - level);
    for (int k = 0; k < cfg->layers + 1; k++)
        x = df_vae_resnet(g, cfg, df_graph_name(g, "%s.resnets.%d", block, k), x, cfg->channels[level]);
    if (level == 0) return x;
    df_shape from = df_graph_shape(g, x);
    return df_upsample_build(g, df_graph_name(g, "%s.upsamplers.0", block), x, 2 * from.dim[0], 2 * from.dim[1]);
}

void df_vae_decoder_way(df_graph *g, const df_vae_config *cfg, df_value_id x) {
    x = df_conv_same(g, "decoder.conv_in", x, cfg->channels[cfg->n_levels - 1], 3);
    x = df_vae_mid_block(g, cfg, "decoder.mid_block", x);
    for (int i = cfg->n_levels - 1; i >= 0; i--) x = up_block(g, cfg, i, x);
    x = df_vae_way_out(g, cfg, "decoder", x, cfg->out_channels);
    df_graph_output(g, "image", x);
}

void df_vae_decoder_build(df_graph *g, const df_vae_config *cfg, int64_t latent_h, int64_t latent_w) {
    df_value_id x = df_graph_input(g, "z", DF_F32, DF_SHAPE(latent_h, latent_w, cfg->latent_channels));
    if (cfg->post_quant_conv) x = df_conv_same(g, "post_quant_conv", x, cfg->latent_channels, 1);
    df_vae_decoder_way(g, cfg, x);
}
