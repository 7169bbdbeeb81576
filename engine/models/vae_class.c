#include "engine/models/component_classes.h"
#include "engine/models/vae.h"

static df_code read(void *config, df_config *c) {
    return df_vae_config_read(config, c);
}

static void describe(const void *config, df_part_facts *out) {
    const df_vae_config *v = config;
    out->autoencoder.image_channels = v->in_channels;
    out->autoencoder.latent_channels = v->latent_channels;
    out->autoencoder.factor = df_vae_config_factor(v);
    out->autoencoder.scaling_factor = v->scaling_factor;
    out->autoencoder.shift_factor = v->shift_factor;
}

static void build_decoder(df_graph *g, const void *config, const df_build_size *s) {
    df_vae_decoder_build(g, config, s->latent_h, s->latent_w);
}

static void build_encoder(df_graph *g, const void *config, const df_build_size *s) {
    df_vae_encoder_build(g, config, s->latent_h, s->latent_w);
}

static void build_head(df_graph *g, const void *config, const df_build_size *s) {
    df_vae_head_build(g, config, s->latent_h, s->latent_w);
}

static const df_vae_config *way_of(const void *config) {
    return config;
}

const df_component_class df_class_autoencoder_kl = {
    .name = "AutoencoderKL",
    .stem = "diffusion_pytorch_model",
    .config_bytes = sizeof(df_vae_config),
    .read = read,
    .describe = describe,
    .build = build_decoder,
    .build_encoder = build_encoder,
    .build_head = build_head,
    .decoder_way = way_of,
};
