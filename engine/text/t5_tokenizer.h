/* T5's tokenizer, read from a diffusers tokenizer folder (spiece.model, tokenizer_config.json).
 *
 *   df_t5_tokenizer_open(&t, "sd3/tokenizer_3", &err);
 *   df_t5_tokenizer_encode(t, prompt, ids, 256, &n_used, &err);
 *
 * Text: normalized by the model's own rules (NFKC and then some), split at white space, each word with "\xe2\x96\x81"
 * in front into pieces of the unigram model. "<pad>", "</s>", "<unk>" and the sentinels "<extra_id_0>" .. written in
 * the text are taken as such; the sentinels' ids follow those of the pieces, the last sentinel first. Any byte string
 * is accepted: bytes that are not UTF-8 become U+FFFD. ids = tokens, end, padding; over-long prompts are cut so that
 * the end token is last. Texts of up to 64 MiB (DF_ELIMIT beyond). Source: Raffel et al. 2020, arXiv:1910.10683; Kudo
 * and Richardson 2018, arXiv:1808.06226. Reference: transformers.T5Tokenizer (5.x). Threads: read-only after open. */
#ifndef DF_ENGINE_TEXT_T5_TOKENIZER_H
#define DF_ENGINE_TEXT_T5_TOKENIZER_H

#include <stdint.h>

#include "base/err.h"

typedef struct df_t5_tokenizer df_t5_tokenizer;

df_code df_t5_tokenizer_open(df_t5_tokenizer **out, const char *dir, df_err *err);
void df_t5_tokenizer_close(df_t5_tokenizer **t);

int df_t5_tokenizer_vocab_size(const df_t5_tokenizer *t); /* pieces and sentinels */

/* ids[max], max >= 1; *n_tokens (may be NULL) is what the whole prompt needs with its end: more than max means it was
 * cut. */
df_code df_t5_tokenizer_encode(const df_t5_tokenizer *t, const char *text, int32_t *ids, int max, int *n_tokens,
                               df_err *err);

#endif
