/* Special tokens: strings that are one token wherever they stand in the raw text, before anything is normalised.
 * Read from special_tokens_map.json and tokenizer_config.json; the first names a token wins; absent files and fields
 * mean CLIP's own "<|startoftext|>" and "<|endoftext|>". */
#ifndef DF_ENGINE_TEXT_SPECIAL_TOKENS_H
#define DF_ENGINE_TEXT_SPECIAL_TOKENS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { DF_SPECIAL_MAX = 64 };

typedef struct df_special_token {
    char *text;
    size_t bytes;
    int32_t id;
} df_special_token;

typedef struct df_special_tokens {
    df_special_token all[DF_SPECIAL_MAX]; /* each text once */
    int n;
    int32_t begin, end, unknown, padding; /* ids */
    int max_length; /* model_max_length */
} df_special_tokens;

/* vocab: checked object of symbol -> id. On failure nothing is to be freed. */
df_code df_special_tokens_read(df_special_tokens *s, const char *dir, json_t *vocab, df_err *err);
void df_special_tokens_free(df_special_tokens *s);

/* The leftmost, of those the longest, special token in text; *at is where. NULL if there is none. */
const df_special_token *df_special_tokens_find(const df_special_tokens *s, const char *text, size_t bytes, size_t *at);

#endif
