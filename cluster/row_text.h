/* The text of a row: its prompt as one or more chunks, each a prompt of the cache, and what its weights make of their
 * states.
 *
 *   df_row_text_new(&t, model, cache, dtype, "a (red:1.3) house", &syntax, &err);
 *   df_row_text_pad(t, n_chunks, &err);              to the length of the other half of the guidance
 *   if (df_row_text_is_ready(t, &failure)) df_row_text_write_states(t, to); memcpy(pooled, df_row_text_pooled(t), ...)
 *   df_row_text_free(&t);
 *
 * With weights each token's state is multiplied by its own, then all of the prompt by one number that brings the mean
 * over its chunks back to what it was, for each text encoder by itself (lpw_stable_diffusion of diffusers). The pooled
 * state is the first chunk's. Chunks that only pad are those of the empty prompt. */
#ifndef DF_CLUSTER_ROW_TEXT_H
#define DF_CLUSTER_ROW_TEXT_H

#include "cluster/prompt_cache.h"

typedef struct df_row_text df_row_text;

/* DF_EUNSUPPORTED: the model reads prompts in no other way than as plain text of one chunk. */
df_code df_row_text_check(const df_model *model, const df_prompt_syntax *syntax, df_err *err);

/* model and cache are borrowed. Errors of df_row_text_check too. */
df_code df_row_text_new(df_row_text **out, const df_model *model, df_prompt_cache *cache, df_dtype dtype,
                        const char *text, const df_prompt_syntax *syntax, df_err *err);
void df_row_text_free(df_row_text **t); /* accepts NULL and a pointer to NULL */

int df_row_text_chunks(const df_row_text *t);
df_code df_row_text_pad(df_row_text *t, int n_chunks, df_err *err);
bool df_row_text_was_cut(const df_row_text *t);

/* All chunks encoded? *failure: the reason if one cannot be, else left as it is. */
bool df_row_text_is_ready(const df_row_text *t, const df_err **failure);
/* Of a ready one: encoder_hidden_states of one row, all chunks, in dtype. */
void df_row_text_write_states(df_row_text *t, void *to);
const void *df_row_text_pooled(const df_row_text *t);

#endif
