/* The T5 text encoder as a graph: pre-norm transformer, RMS norms, no biases, relative positions.
 *   ids [n_tokens] I32 -> hidden.0 .. hidden.N, last_hidden_state  [n_tokens][D]
 * hidden.K is the input of layer K, hidden.N the output of the last one before the final norm. Nothing is masked: the
 * pipelines let padding be attended to.
 * Source: Raffel et al. 2020, arXiv:1910.10683; gated feed-forward: Shazeer 2020, arXiv:2002.05202.
 * Reference: transformers.T5EncoderModel. */
#ifndef DF_ENGINE_MODELS_T5_H
#define DF_ENGINE_MODELS_T5_H

#include "engine/models/t5_config.h"

void df_t5_build(df_graph *g, const df_t5_config *cfg, int64_t n_tokens);

#endif
