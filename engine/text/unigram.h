/* The unigram language model of tokens: a word becomes the pieces whose scores add up to the most.
 *
 *   df_unigram_open(&u, pieces, n, "<unk>", "spiece.model", &err);     pieces are borrowed and outlive it
 *   df_unigram_word(u, word, bytes, &work, &ids, &err);
 *
 * A character that no piece begins and ends with is unknown, ten below the lowest score; neighbours that are unknown
 * are one token. Of equal sums the one found first stays, as in the tokenizers library (sums in f64).
 * A word of n bytes takes O(n * longest match * log pieces).
 * Source: Kudo 2018, arXiv:1804.10959. Threads: read-only after open; ids and work belong to one caller. */
#ifndef DF_ENGINE_TEXT_UNIGRAM_H
#define DF_ENGINE_TEXT_UNIGRAM_H

#include <stdint.h>

#include "base/buf.h"
#include "engine/text/spiece.h"

typedef struct df_unigram df_unigram;

/* n >= 1. DF_EFORMAT: a piece is there twice, or none is `unknown`. */
df_code df_unigram_open(df_unigram **out, const df_piece *piece, int n, const char *unknown, const char *path,
                        df_err *err);
void df_unigram_close(df_unigram **u);

/* The id of a piece; -1: there is none. */
int32_t df_unigram_find(const df_unigram *u, const char *text, size_t bytes);

/* Memory to be used again; start with zeros. */
typedef struct df_unigram_work {
    void *best;
    size_t cap;
} df_unigram_work;

/* Appends ids, an int32_t each. word is UTF-8. */
df_code df_unigram_word(const df_unigram *u, const char *word, size_t bytes, df_unigram_work *work, df_buf *ids,
                        df_err *err);
void df_unigram_work_free(df_unigram_work *work);

#endif
