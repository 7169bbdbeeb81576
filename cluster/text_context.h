/* How the denoiser's text comes about from the states of the text encoders: which output of an encoder counts, and
 * where it goes in a prompt's encoder_hidden_states and pooled (df_context and df_pooled of the pipeline class).
 * What no encoder fills stays zero: the padding of SD3, and the tokens of an encoder that was left out.
 * Reference: encode_prompt of diffusers' pipelines. */
#ifndef DF_CLUSTER_TEXT_CONTEXT_H
#define DF_CLUSTER_TEXT_CONTEXT_H

#include "cluster/prompt_cache.h"

enum { DF_TEXT_PORT_BYTES = 32 };

/* What a row of prompts needs: bytes of encoder_hidden_states and of pooled, in the activation type. */
size_t df_text_context_bytes(const df_model *m, df_dtype dtype);
size_t df_text_pooled_bytes(const df_model *m, df_dtype dtype); /* 0: the denoiser takes none */

/* The output of this encoder's graph that goes into encoder_hidden_states; returns name. */
const char *df_text_context_port(const df_model *m, df_component encoder, const df_graph *g,
                                 char name[DF_TEXT_PORT_BYTES]);
/* The output that the pooled state is a row of; NULL if this encoder's is not wanted. */
const char *df_text_pooled_port(const df_model *m, df_component encoder);

/* states: one prompt's rows of that output. ids: those that the encoder was given. */
void df_text_context_put(const df_model *m, df_component encoder, df_prompt *p, const void *states, df_dtype dtype);
void df_text_pooled_put(const df_model *m, df_component encoder, df_prompt *p, const int32_t *ids, const void *states,
                        df_dtype dtype);

#endif
