/* Prompts and what the text encoders made of them.
 *
 *   df_prompt *p = NULL;  df_prompt_take(cache, "a cat", &p, &err);      the same text gives the same prompt
 *   for each encoder k, in order:
 *     while ((p = df_prompt_next(cache, k))) ... encode p->ids[k], df_prompt_encoded(cache, p) or df_prompt_fail(p,
 * &why) df_prompt_release(cache, &p);
 *
 * A prompt passes the encoders one after the other, each once. A prompt in use is never dropped; of the others the ones
 * used longest ago go when the limit is passed. */
#ifndef DF_CLUSTER_PROMPT_CACHE_H
#define DF_CLUSTER_PROMPT_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/models/model.h"

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
    int32_t *ids[DF_MAX_TOKENIZERS]; /* of encoder k: [its number of tokens] */
    void *embedding; /* embedding_bytes, encoder_hidden_states of one row; zeros until encoded */
    void *pooled; /* pooled_bytes, the same */
    df_prompt_state state;
    int n_encoded; /* encoders that it has passed */
    df_err failure;
    bool cut; /* longer than an encoder takes */
    int n_users;
} df_prompt;

typedef struct df_prompt_cache_cfg {
    const df_model *model; /* borrowed */
    df_component encoder[DF_MAX_TOKENIZERS]; /* [n_encoders] those that the model has */
    int n_encoders;
    size_t embedding_bytes, pooled_bytes;
    size_t limit_bytes; /* of embeddings that nobody uses */
} df_prompt_cache_cfg;

typedef struct df_prompt_cache df_prompt_cache;

df_code df_prompt_cache_open(df_prompt_cache **out, const df_prompt_cache_cfg *cfg, df_err *err);
void df_prompt_cache_close(df_prompt_cache **cache);

df_code df_prompt_take(df_prompt_cache *cache, const char *text, df_prompt **out, df_err *err);
/* The same for ids that are there already, of each text encoder: [its number of tokens]. They are copied. */
df_code df_prompt_take_ids(df_prompt_cache *cache, const int32_t *const ids[], df_prompt **out, df_err *err);
void df_prompt_release(df_prompt_cache *cache, df_prompt **p); /* accepts a pointer to NULL */
bool df_prompt_is_waiting(const df_prompt_cache *cache, int encoder); /* some prompt is queued for it */
/* The prompt queued for this encoder that was taken first, now marked ENCODING; NULL if none. */
df_prompt *df_prompt_next(df_prompt_cache *cache, int encoder);
/* It has passed this encoder: READY after the last one, else queued for the next. */
void df_prompt_encoded(const df_prompt_cache *cache, df_prompt *p);
void df_prompt_fail(df_prompt *p, const df_err *why);
int df_prompt_cache_count(const df_prompt_cache *cache);

#endif
