/* The CLIP text encoder as a graph: pre-norm transformer with a causal mask.
 *   ids [n_tokens] I32 -> hidden.0 .. hidden.N, last_hidden_state  [n_tokens][D]
 * hidden.K is the input of layer K, hidden.N the output of the last one before the final norm.
 * Source: Radford et al. 2021, arXiv:2103.00020. Reference: transformers.CLIPTextModel. */
#ifndef DF_ENGINE_MODELS_CLIP_TEXT_H
#define DF_ENGINE_MODELS_CLIP_TEXT_H

#include "engine/models/clip_text_config.h"

void df_clip_text_build(df_graph *g, const df_clip_text_config *cfg, int64_t n_tokens);

#endif
