/* What tokenizer_config.json and special_tokens_map.json of a T5 tokenizer may say: how many sentinels there are, and
 * that every special token is one of T5's own under its own name. */
#ifndef DF_ENGINE_TEXT_T5_SENTINELS_H
#define DF_ENGINE_TEXT_T5_SENTINELS_H

#include "base/err.h"

enum { DF_T5_MAX_SENTINELS = 10000 };

/* 100 where the files do not say. Absent files are fine. */
df_code df_t5_sentinels_read(int *n, const char *dir, df_err *err);

#endif
