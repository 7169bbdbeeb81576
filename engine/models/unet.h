/* The U-Net as a graph.
 *   sample [h][w][Cin], timestep [1], encoder_hidden_states [n_tokens][E] -> out [h][w][Cout]
 * Nodes run in the order time embedding, way down, middle, way up, so that a plan can fold the two ways onto each
 * other. Any h and w: on the way up a picture is brought to the size of the skip it meets, not to twice its own.
 * Source: Ronneberger et al. 2015, arXiv:1505.04597; Rombach et al. 2022, arXiv:2112.10752.
 * Reference: diffusers.UNet2DConditionModel. */
#ifndef DF_ENGINE_MODELS_UNET_H
#define DF_ENGINE_MODELS_UNET_H

#include "engine/graph/graph.h"
#include "engine/models/unet_config.h"

void df_unet_build(df_graph *g, const df_unet_config *cfg, int64_t h, int64_t w, int64_t n_tokens);

#endif
