/* UTF-8, one character at a time, from bytes that need not be UTF-8. */
#ifndef DF_ENGINE_TEXT_UTF8_H
#define DF_ENGINE_TEXT_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The character at p, of left > 0 bytes; *length is what it takes. Bytes that are not UTF-8 are U+FFFD, one for each
 * maximal part of a sequence (Unicode 15, section 3.9). */
int32_t df_utf8_next(const char *p, size_t left, size_t *length);

#endif
