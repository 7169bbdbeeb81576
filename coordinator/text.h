/* Text from the wire: what may be stored and written, and what must be made harmless first. */
#ifndef DF_COORDINATOR_TEXT_H
#define DF_COORDINATOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>

bool df_text_is_utf8(const char *text); /* strict: no surrogates, no overlong forms */
bool df_text_has_control(const char *text); /* a byte below space, or DEL */
bool df_text_is_hex(const char *text, size_t n_digits); /* exactly so many of 0-9a-f */

/* Copies text cut to fit, control characters and broken UTF-8 as '?'; returns out. For messages of other programs. */
char *df_text_clean(char *out, size_t out_bytes, const char *text);

#endif
