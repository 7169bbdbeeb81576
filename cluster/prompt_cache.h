/* Prompts and what the text encoder made of them.
 *
 *   df_prompt *p = NULL;  df_prompt_take(cache, "a cat", &p, &err);      the same text gives the same prompt
 *   while ((p = df_prompt_next(cache))) ... encode p->ids into p->embedding, p->state = DF_PROMPT_READY
 *   df_prompt_release(cache, &p);
 *
 * A prompt in use is never dropped; of the others the ones used longest ago go when the limit is passed. */
#ifndef DF_CLUSTER_PROMPT_CACHE_H
#define DF_CLUSTER_PROMPT_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/text/tokenizer.h"

typedef enum df_prompt_state {
    DF_PROMPT_QUEUED,
    DF_PROMPT_ENCODING,
    DF_PROMPT_READY,
    DF_PROMPT_FAILED
} df_prompt_state;

typedef struct df_prompt {
    struct df_prompt *next; /* most recently taken first */
    char *text;
    uint64_t hash;
    int32_t *ids; /* [max_tokens] */
    void *embedding; /* embedding_bytes, encoder_hidden_states of one row */
    df_prompt_state state;
    df_err failure;
    bool cut; /* longer than max_tokens */
    int n_users;
} df_prompt;

typedef struct df_prompt_cache_cfg {
    const df_tokenizer *tokenizer; /* borrowed */
    int max_tokens, vocab_size;
    size_t embedding_bytes;
    size_t limit_bytes; /* of embeddings that nobody uses */
} df_prompt_cache_cfg;

typedef struct df_prompt_cache df_prompt_cache;

df_code df_prompt_cache_open(df_prompt_cache **out, const df_prompt_cache_cfg *cfg, df_err *err);
void df_prompt_cache_close(df_prompt_cache **cache);

df_code df_prompt_take(df_prompt_cache *cache, const char *text, df_prompt **out, df_err *err);
void df_prompt_release(df_prompt_cache *cache, df_prompt **p); /* accepts a pointer to NULL */
bool df_prompt_is_waiting(const df_prompt_cache *cache); /* some prompt is queued */
/* The queued prompt that was taken first, now marked ENCODING; NULL if none. */
df_prompt *df_prompt_next(df_prompt_cache *cache);
int df_prompt_cache_count(const df_prompt_cache *cache);

#endif
