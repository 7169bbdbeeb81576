/* Small SentencePiece models for tests, written as protocol buffers. */
#ifndef DF_TESTS_ENGINE_TEXT_SPIECE_FILE_H
#define DF_TESTS_ENGINE_TEXT_SPIECE_FILE_H

#include <stdint.h>

#include "base/buf.h"

void spiece_add_piece(df_buf *model, const char *text, float score);
/* trainer_spec (2) or normalizer_spec (3) with one number in it. */
void spiece_add_setting(df_buf *model, int spec, int number, uint32_t value);
void spiece_add_charsmap(df_buf *model, const void *blob, unsigned bytes);

/* The rule "A" -> "a" alone, as a charsmap: returns its bytes. */
unsigned spiece_one_rule(unsigned char blob[2048]);

#endif
