/* A prompt as chunks: each is what a text encoder takes at once, with start, end and padding of its own. Prompts longer
 * than the encoder takes are read in several chunks, whose states then stand one behind the other; a chunk holds as
 * many tokens as fit, a BREAK ends one early.
 *
 *   df_text_chunks_make(&c, tokenizer, prompt, 77, &syntax, &err);
 *   for each chunk i: encode c.ids + i * 77, multiply the states of its tokens by c.weights + i * 77
 *   df_text_chunks_free(&c);
 *
 * Source: get_weighted_text_embeddings of lpw_stable_diffusion (diffusers' community pipelines); the end token stands
 * behind the tokens, and padding behind that, as in an ordinary prompt. */
#ifndef DF_ENGINE_TEXT_CHUNKS_H
#define DF_ENGINE_TEXT_CHUNKS_H

#include <stdbool.h>

#include "engine/text/tokenizer.h"

enum { DF_TEXT_MAX_CHUNKS = 16 };

/* What of a prompt's text is more than text; all off: it is read as diffusers reads it. */
typedef struct df_prompt_syntax {
    bool weights; /* (word:1.3), emphasis.h */
    bool chunks; /* prompts over the limit get more chunks, and BREAK begins one */
} df_prompt_syntax;

typedef struct df_text_chunks {
    int n; /* 1..DF_TEXT_MAX_CHUNKS */
    int32_t *ids; /* [n][max] */
    float *weights; /* [n][max], 1 for start, end and padding; NULL: all are 1 */
    bool cut; /* some tokens are left out */
} df_text_chunks;

df_code df_text_chunks_make(df_text_chunks *out, const df_tokenizer *t, const char *text, int max,
                            const df_prompt_syntax *syntax, df_err *err);
void df_text_chunks_free(df_text_chunks *c);

#endif
