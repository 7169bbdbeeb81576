/* The class-conditional diffusion transformer (DiT) as a graph.
 *   sample [h][w][Cin], timestep [1], class_labels [1] I32 (n_classes is the null class) -> out [h][w][Cout]
 * h and w are multiples of the patch. Positions are computed, for another size than the one trained on as the library
 * does it: the grid is stretched over the same range. Where the variance is learned out has 2 * Cin channels, noise
 * first.
 * Source: Peebles and Xie 2022, arXiv:2212.09748. Reference: diffusers.DiTTransformer2DModel. */
#ifndef DF_ENGINE_MODELS_DIT_H
#define DF_ENGINE_MODELS_DIT_H

#include "engine/graph/graph.h"
#include "engine/models/dit_config.h"

void df_dit_build(df_graph *g, const df_dit_config *cfg, int64_t h, int64_t w);

/* Sines and cosines of the columns, then of the rows, of a grid of h x w patches: out [h * w][width], width a multiple
 * of 4. base: patches on a side that h and w are stretched to.
 * Reference: diffusers.models.embeddings.get_2d_sincos_pos_embed. */
void df_dit_positions(float *out, int64_t h, int64_t w, int64_t width, int64_t base);

#endif
