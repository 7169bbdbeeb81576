/* The U-Net without text as a graph, on latents or on pixels.
 *   sample [h][w][Cin], timestep [1], class_labels [1] I32 (where the model has classes) -> out [h][w][Cout]
 * Nodes run in the order time embedding, way down, middle, way up, as in unet.h, so that plans fold it likewise.
 * Source: Ho et al. 2020, arXiv:2006.11239. Reference: diffusers.UNet2DModel. */
#ifndef DF_ENGINE_MODELS_UNET2D_H
#define DF_ENGINE_MODELS_UNET2D_H

#include "engine/graph/graph.h"
#include "engine/models/unet2d_config.h"

void df_unet2d_build(df_graph *g, const df_unet2d_config *cfg, int64_t h, int64_t w);

#endif
