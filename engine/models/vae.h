/* The two halves of an AutoencoderKL as graphs.
 *   encoder  image [H][W][3] in -1..1 -> moments [h][w][2 * C]: mean, then log-variance
 *   decoder  z [h][w][C], latents / scaling_factor -> image [H][W][3], not clamped
 * Source: Rombach et al. 2022, arXiv:2112.10752; Esser et al. 2021, arXiv:2012.09841.
 * Reference: diffusers.AutoencoderKL. */
#ifndef DF_ENGINE_MODELS_VAE_H
#define DF_ENGINE_MODELS_VAE_H

#include "engine/graph/graph.h"
#include "engine/models/vae_config.h"

extern const double df_vae_eps; /* of every group norm here; the config has no field for it */

void df_vae_encoder_build(df_graph *g, const df_vae_config *cfg, int64_t latent_h, int64_t latent_w);
void df_vae_decoder_build(df_graph *g, const df_vae_config *cfg, int64_t latent_h, int64_t latent_w);
void df_vae_head_build(df_graph *g, const df_vae_config *cfg, int64_t latent_h, int64_t latent_w); /* vae_tail.h */

/* What an autoencoder has between its picture and its latents, whatever it does to the latents (VQModel shares it):
 * from a new input "image" to [latent_h][latent_w][channels], and from x [h][w][latent_channels] to the output
 * "image". */
df_value_id df_vae_encoder_way(df_graph *g, const df_vae_config *cfg, int64_t latent_h, int64_t latent_w,
                               int64_t channels);
void df_vae_decoder_way(df_graph *g, const df_vae_config *cfg, df_value_id x);

/* Pieces of the decoder's way: in (convolution and middle), the residual blocks of up block `block`, its upsampling. */
df_value_id df_vae_way_in(df_graph *g, const df_vae_config *cfg, df_value_id x);
df_value_id df_vae_up_block(df_graph *g, const df_vae_config *cfg, int block, df_value_id x);
df_value_id df_vae_upsample(df_graph *g, int block, df_value_id x);

/* What both share: a residual block without time, and the middle (residual, attention of one head, residual). */
df_value_id df_vae_resnet(df_graph *g, const df_vae_config *cfg, const char *name, df_value_id x, int64_t channels);
df_value_id df_vae_mid_block(df_graph *g, const df_vae_config *cfg, const char *name, df_value_id x);
/* conv_out(silu(conv_norm_out(x))) */
df_value_id df_vae_way_out(df_graph *g, const df_vae_config *cfg, const char *name, df_value_id x, int64_t channels);

#endif
