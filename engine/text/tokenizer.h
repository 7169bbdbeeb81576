/* CLIP's byte-level BPE tokenizer, read from a diffusers tokenizer folder (vocab.json, merges.txt,
 * tokenizer_config.json, special_tokens_map.json).
 *
 *   df_tokenizer_open(&t, "models/starter/tokenizer", &err);
 *   df_tokenizer_encode(t, prompt, ids, 77, &n_used, &err);
 *
 * Text: NFC, white-space runs to one space, lower case (no mojibake repair, no HTML unescape), split by CLIP's pattern,
 * bytes to symbols, merges by rank with "</w>" at the end of a word. Special tokens written in the text are taken as
 * such. Any byte string is accepted: bytes that are not UTF-8 become U+FFFD.
 * ids = start, tokens, end, padding; over-long prompts are cut so that the end token is last. A text of n bytes takes
 * O(n log n), up to 64 MiB (DF_ELIMIT beyond).
 * Source: Radford et al. 2021 (CLIP), Sennrich et al. 2016 (BPE). Threads: read-only after the last token is added. */
#ifndef DF_ENGINE_TEXT_TOKENIZER_H
#define DF_ENGINE_TEXT_TOKENIZER_H

#include <stdint.h>

#include "base/err.h"
#include "engine/text/bpe.h"

enum { DF_ADDED_TOKEN_MAX_BYTES = 256 };

typedef struct df_tokenizer df_tokenizer;

df_code df_tokenizer_open(df_tokenizer **out, const char *dir, df_err *err);
void df_tokenizer_close(df_tokenizer **t);

int df_tokenizer_max_length(const df_tokenizer *t); /* model_max_length, 77 */
int df_tokenizer_vocab_size(const df_tokenizer *t); /* largest id + 1 */

/* Makes `text` a token of its own, with n ids behind the largest so far; vocab_size grows by n. Letter case does not
 * count, as in all text. With n above 1 the ids come one after the other wherever it stands, and TEXT_1, TEXT_2, ...
 * stand for the second, third, ... alone (as load_textual_inversion of diffusers has it).
 * DF_EINVAL: text is empty or has white space in it, or is a token already. */
df_code df_tokenizer_can_add(const df_tokenizer *t, const char *text, df_err *err);
df_code df_tokenizer_add(df_tokenizer *t, const char *text, int n, df_err *err);

/* ids[max], max >= 2; *n_tokens (may be NULL) is what the whole prompt needs with start and end: more than max means it
 * was cut. */
df_code df_tokenizer_encode(const df_tokenizer *t, const char *text, int32_t *ids, int max, int *n_tokens, df_err *err);

/* The two halves of it: the tokens of a text, behind those that are there; and up to max - 2 tokens laid out as
 * ids[max] (what is beyond is left out). */
df_code df_tokenizer_append(const df_tokenizer *t, const char *text, df_bpe_ids *tokens, df_err *err);
void df_tokenizer_lay_out(const df_tokenizer *t, const int32_t *tokens, size_t n, int32_t *ids, int max);

#endif
