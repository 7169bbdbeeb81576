/* Text to normalised codepoints: UTF-8 decoding, NFC, lower case.
 *
 *   df_codepoints c = { 0 };  df_clean(&c, text, bytes, &err);  use c.at, c.n;  df_codepoints_free(&c);
 *
 * Bytes that are not UTF-8 become U+FFFD, one for each maximal part of a sequence (Unicode 15, section 3.9). Lower case
 * is each character's full mapping on its own: U+0130 becomes "i" and U+0307, a final sigma is like any other. Time is
 * linear in the text, whatever it holds. */
#ifndef DF_ENGINE_TEXT_CLEAN_H
#define DF_ENGINE_TEXT_CLEAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct df_codepoints {
    int32_t *at; /* [n] */
    size_t n, cap;
} df_codepoints;

/* Replaces what c held; its memory is used again. */
df_code df_clean(df_codepoints *c, const char *text, size_t bytes, df_err *err);
void df_codepoints_free(df_codepoints *c);

#endif
