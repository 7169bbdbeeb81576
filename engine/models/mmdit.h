/* The multimodal diffusion transformer (MMDiT) of SD3 and SD3.5 as a graph.
 *   sample [h][w][Cin], timestep [1], encoder_hidden_states [T][E], pooled [P] -> out [h][w][Cout]
 * h and w are multiples of the patch. Picture and text are two streams of tokens with weights of their own, which meet
 * in each block's attention; the last block has no more use for the text and leaves it out of its second half.
 * Positions are in the file for a square grid of patches, of which the middle is taken: a picture larger than the grid
 * is refused.
 * Source: Esser et al. 2024, arXiv:2403.03206. Reference: diffusers.SD3Transformer2DModel. */
#ifndef DF_ENGINE_MODELS_MMDIT_H
#define DF_ENGINE_MODELS_MMDIT_H

#include "engine/graph/graph.h"
#include "engine/models/mmdit_config.h"

void df_mmdit_build(df_graph *g, const df_mmdit_config *cfg, int64_t h, int64_t w, int64_t tokens);

#endif
