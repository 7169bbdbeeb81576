/* Tokens that are added to a tokenizer after it was opened: words of their own, found in the normalised text before it
 * is split, also inside a longer word. Of two that begin at one place the longer one counts.
 * Reference: added tokens (normalized, not special) of the tokenizers library. */
#ifndef DF_ENGINE_TEXT_ADDED_TOKENS_H
#define DF_ENGINE_TEXT_ADDED_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct df_added_token {
    int32_t *text; /* [n] normalised codepoints */
    size_t n;
    int32_t first_id; /* its ids are first_id..first_id+n_ids-1 */
    int n_ids;
} df_added_token;

/* Start with zeros. */
typedef struct df_added_tokens {
    df_added_token *all; /* [n] */
    int n;
} df_added_tokens;

/* text is copied. DF_EINVAL: there is one with that text. */
df_code df_added_tokens_add(df_added_tokens *t, const int32_t *text, size_t n, int32_t first_id, int n_ids,
                            df_err *err);
void df_added_tokens_free(df_added_tokens *t);

/* The leftmost one in text[n], *at is where. NULL: none. */
const df_added_token *df_added_tokens_find(const df_added_tokens *t, const int32_t *text, size_t n, size_t *at);

#endif
