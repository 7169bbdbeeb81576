/* Between UTF-8 and Latin-1, the character set of a PNG's tEXt chunk. */
#ifndef DF_ENGINE_IMAGE_LATIN1_H
#define DF_ENGINE_IMAGE_LATIN1_H

#include <stddef.h>

#include "base/err.h"

/* *latin1 is malloc'd, or NULL if a character is outside printable Latin-1 and line feed. DF_EINVAL if `utf8` is not
 * UTF-8. */
df_code df_latin1_of_utf8(char **latin1, const char *utf8, df_err *err);

/* *utf8 is malloc'd. */
df_code df_latin1_to_utf8(char **utf8, const char *latin1, size_t n, df_err *err);

/* DF_EFORMAT unless the n bytes are UTF-8. */
df_code df_utf8_check(const char *text, size_t n, df_err *err);

#endif
