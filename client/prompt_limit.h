/* Prompts that have more tokens than the model takes: told before a job starts, with the part that is cut off.
 *
 *   df_prompt_limit limit = { .model = model };
 *   df_prompt_limit_check(&limit, row, stderr, &err);   each row; the first few distinct ones are written
 *   df_prompt_limit_end(&limit, stderr);                how many more there were; frees
 *
 * With long prompts the limit is DF_TEXT_MAX_CHUNKS chunks. The model's first text encoder counts. A prompt that equals
 * the one before, or is shorter than the limit in bytes, is not tokenized. Memory: 16 bytes for each distinct prompt
 * that is cut. */
#ifndef DF_CLIENT_PROMPT_LIMIT_H
#define DF_CLIENT_PROMPT_LIMIT_H

#include <stdio.h>

#include "client/name_set.h"
#include "engine/models/model.h"
#include "farm.pb-c.h"

enum { DF_PROMPT_LIMIT_SHOWN = 10 };

typedef struct df_prompt_limit {
    const df_model *model; /* borrowed */
    df_prompt_syntax syntax;
    uint64_t last[2]; /* hashes of the prompt and negative that were looked at last */
    df_name_set cut; /* the prompts that were told or counted */
} df_prompt_limit;

df_code df_prompt_limit_check(df_prompt_limit *limit, const Diffarm__Row *row, FILE *to, df_err *err);
void df_prompt_limit_end(df_prompt_limit *limit, FILE *to);

/* Bytes of text that `max` tokens hold, start and end among them; all of them if it fits. A cut never falls inside a
 * character. */
df_code df_prompt_kept_bytes(const df_model *model, const char *text, int max, size_t *kept, int *n_tokens,
                             df_err *err);

#endif
