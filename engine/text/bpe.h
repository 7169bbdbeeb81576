/* Byte-pair encoding of one word: bytes become symbols, then the pair of lowest rank is joined until none is left.
 *
 *   df_bpe_open(&b, vocab, "vocab.json", merges, merges_bytes, "merges.txt", unknown_id, &err);
 *   df_bpe_word(b, bytes, n, &ids, &err);
 *
 * A word of n bytes takes O(n log n), also when it is a megabyte long.
 * Source: Sennrich et al. 2016 (arXiv:1508.07909). Threads: read-only after open; df_bpe_ids belongs to one caller. */
#ifndef DF_ENGINE_TEXT_BPE_H
#define DF_ENGINE_TEXT_BPE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct df_bpe df_bpe;

/* Ids under construction, and the memory that df_bpe_word works in. Start with zeros. */
typedef struct df_bpe_ids {
    int32_t *at; /* [n] */
    size_t n, cap;
    void *work;
    size_t work_bytes;
} df_bpe_ids;

/* vocab: an object of symbol -> id, already checked; merges: lines "LEFT RIGHT", best first. Paths are for messages. */
df_code df_bpe_open(df_bpe **out, json_t *vocab, const char *vocab_path, const char *merges, size_t merges_bytes,
                    const char *merges_path, int32_t unknown, df_err *err);
void df_bpe_close(df_bpe **b);

df_code df_bpe_word(const df_bpe *b, const unsigned char *bytes, size_t n, df_bpe_ids *ids, df_err *err);
df_code df_bpe_add(df_bpe_ids *ids, int32_t id, df_err *err); /* appends one id as it is */
void df_bpe_ids_free(df_bpe_ids *ids);

#endif
