/* The U-Net as a graph.
 *   sample [h][w][Cin], timestep [1], encoder_hidden_states [n_tokens][E] -> out [h][w][Cout]
 * and, where the config has them, class_labels [1] I32 (x4 upscaler: the noise level), pooled [P] and time_ids [6]
 * (SDXL: text_embeds; original height and width, top, left, target height and width), added to the time embedding.
 * Nodes run in the order time embedding, way down, middle, way up, so that a plan can fold the two ways onto each
 * other. Any h and w: on the way up a picture is brought to the size of the skip it meets, not to twice its own.
 * Source: Ronneberger et al. 2015, arXiv:1505.04597; Rombach et al. 2022, arXiv:2112.10752;
 * Podell et al. 2023, arXiv:2307.01952.
 * Reference: diffusers.UNet2DConditionModel. */
#ifndef DF_ENGINE_MODELS_UNET_H
#define DF_ENGINE_MODELS_UNET_H

#include "engine/graph/graph.h"
#include "engine/models/unet_config.h"

void df_unet_build(df_graph *g, const df_unet_config *cfg, int64_t h, int64_t w, int64_t n_tokens);

#endif
