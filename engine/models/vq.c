#include "engine/models/vq.h"

#include "engine/models/component_classes.h"
#include "engine/models/resnet.h"
#include "engine/models/vae.h"
#include "engine/models/vae_tail.h"

void df_vq_encoder_build(df_graph *g, const df_vq_config *cfg, int64_t latent_h, int64_t latent_w) {
    df_value_id x = df_vae_encoder_way(g, &cfg->way, latent_h, latent_w, cfg->way.latent_channels);
    x = df_conv_same(g, "quant_conv", x, cfg->code_width, 1);
    df_graph_output(g, "encoded", x);
}

static df_value_id read_codes(df_graph *g, const df_vq_config *cfg, int64_t latent_h, int64_t latent_w) {
    df_value_id x = df_graph_input(g, "z", DF_F32, DF_SHAPE(latent_h, latent_w, cfg->code_width));
    x = df_g_quantize(g, "quantize.embedding", x, cfg->n_codes);
    return df_conv_same(g, "post_quant_conv", x, cfg->way.latent_channels, 1);
}

void df_vq_decoder_build(df_graph *g, const df_vq_config *cfg, int64_t latent_h, int64_t latent_w) {
    df_vae_decoder_way(g, &cfg->way, read_codes(g, cfg, latent_h, latent_w));
}

static void build_head(df_graph *g, const void *config, const df_build_size *s) {
    const df_vq_config *cfg = config;
    df_vae_head_way(g, &cfg->way, read_codes(g, cfg, s->latent_h, s->latent_w));
}

static const df_vae_config *way_of(const void *config) {
    return &((const df_vq_config *)config)->way;
}

static df_code read(void *config, df_config *c) {
    return df_vq_config_read(config, c);
}

static void describe(const void *config, df_part_facts *out) {
    const df_vq_config *q = config;
    out->autoencoder.image_channels = q->way.in_channels;
    out->autoencoder.latent_channels = q->code_width;
    out->autoencoder.factor = df_vae_config_factor(&q->way);
    out->autoencoder.quantizes = true;
    out->autoencoder.scaling_factor = q->way.scaling_factor;
}

static void build_decoder(df_graph *g, const void *config, const df_build_size *s) {
    df_vq_decoder_build(g, config, s->latent_h, s->latent_w);
}

static void build_encoder(df_graph *g, const void *config, const df_build_size *s) {
    df_vq_encoder_build(g, config, s->latent_h, s->latent_w);
}

const df_component_class df_class_vq = {
    .name = "VQModel",
    .stem = "diffusion_pytorch_model",
    .config_bytes = sizeof(df_vq_config),
    .read = read,
    .describe = describe,
    .build = build_decoder,
    .build_encoder = build_encoder,
    .build_head = build_head,
    .decoder_way = way_of,
};
