/* SentencePiece's compiled normalization rules: a trie of character sequences and what each becomes.
 *
 *   df_charsmap_open(&m, blob, bytes, "spiece.model", &err);
 *   df_charsmap_normalize(m, text, bytes, &out);           appends to out
 *
 * The blob is 4 bytes n (all numbers little-endian), n bytes of trie, then the replacements, each ended by a 0 byte.
 * The trie is a double array of 32-bit units as darts-clone lays it out; a leaf's number is the place of its
 * replacement. Replacement goes by grapheme clusters, as in the tokenizers library that transformers uses: a cluster of
 * less than 6 bytes becomes what its shortest prefix in the trie becomes, a longer one is taken character by character.
 * (SentencePiece itself replaces the longest match at each place; the two differ on some stacked accents.)
 * Source: Kudo and Richardson 2018, arXiv:1808.06226; Yata, darts-clone. Threads: read-only after open. */
#ifndef DF_ENGINE_TEXT_CHARSMAP_H
#define DF_ENGINE_TEXT_CHARSMAP_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

typedef struct df_charsmap df_charsmap;

/* bytes 0: nothing is replaced. path is for messages. */
df_code df_charsmap_open(df_charsmap **out, const void *blob, size_t bytes, const char *path, df_err *err);
void df_charsmap_close(df_charsmap **m);

/* Bytes that are not UTF-8 are taken for U+FFFD. Out of memory: out->failed. */
void df_charsmap_normalize(const df_charsmap *m, const char *text, size_t bytes, df_buf *out);

#endif
