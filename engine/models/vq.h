/* The two halves of a VQModel as graphs. The decoder takes each position's nearest row of the codebook first.
 *   encoder  image [H][W][3] in -1..1 -> encoded [h][w][E], before quantisation
 *   decoder  z [h][w][E], latents / scaling_factor -> image [H][W][3], not clamped
 * E is the width of a row of the codebook.
 * Source: van den Oord et al. 2017, arXiv:1711.00937; Esser et al. 2021, arXiv:2012.09841.
 * Reference: diffusers.VQModel. */
#ifndef DF_ENGINE_MODELS_VQ_H
#define DF_ENGINE_MODELS_VQ_H

#include "engine/graph/graph.h"
#include "engine/models/vq_config.h"

void df_vq_encoder_build(df_graph *g, const df_vq_config *cfg, int64_t latent_h, int64_t latent_w);
void df_vq_decoder_build(df_graph *g, const df_vq_config *cfg, int64_t latent_h, int64_t latent_w);

#endif
