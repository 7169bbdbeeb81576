#include "engine/models/resnet.h"
#include "engine/models/vae.h"
#include "engine/models/vae_tail.h"

df_value_id df_vae_up_block(df_graph *g, const df_vae_config *cfg, int block, df_value_id x) {
    int64_t channels = cfg->channels[cfg->n_levels - 1 - block];
    for (int k = 0; k < cfg->layers + 1; k++)
        x = df_vae_resnet(g, cfg, df_graph_name(g, "decoder.up_blocks.%d.resnets.%d", block, k), x, channels);
    return x;
}

df_value_id df_vae_upsample(df_graph *g, int block, df_value_id x) {
    df_shape from = df_graph_shape(g, x);
    return df_upsample_build(g, df_graph_name(g, "decoder.up_blocks.%d.upsamplers.0", block), x, 2 * from.dim[0],
                             2 * from.dim[1]);
}

df_value_id df_vae_way_in(df_graph *g, const df_vae_config *cfg, df_value_id x) {
    x = df_conv_same(g, "decoder.conv_in", x, cfg->channels[cfg->n_levels - 1], 3);
    return df_vae_mid_block(g, cfg, "decoder.mid_block", x);
}

void df_vae_decoder_way(df_graph *g, const df_vae_config *cfg, df_value_id x) {
    x = df_vae_way_in(g, cfg, x);
    for (int block = 0; block < cfg->n_levels; block++) {
        x = df_vae_up_block(g, cfg, block, x);
        if (block + 1 < cfg->n_levels) x = df_vae_upsample(g, block, x);
    }
    x = df_vae_way_out(g, cfg, "decoder", x, cfg->out_channels);
    df_graph_output(g, "image", x);
}

static df_value_id read_latents(df_graph *g, const df_vae_config *cfg, int64_t latent_h, int64_t latent_w) {
    df_value_id x = df_graph_input(g, "z", DF_F32, DF_SHAPE(latent_h, latent_w, cfg->latent_channels));
    return cfg->post_quant_conv ? df_conv_same(g, "post_quant_conv", x, cfg->latent_channels, 1) : x;
}

void df_vae_decoder_build(df_graph *g, const df_vae_config *cfg, int64_t latent_h, int64_t latent_w) {
    df_vae_decoder_way(g, cfg, read_latents(g, cfg, latent_h, latent_w));
}

void df_vae_head_build(df_graph *g, const df_vae_config *cfg, int64_t latent_h, int64_t latent_w) {
    df_vae_head_way(g, cfg, read_latents(g, cfg, latent_h, latent_w));
}
