/* Pictures of one size side by side, as a PNG file. */
#ifndef DF_CLIENT_FORWARD_STRIP_H
#define DF_CLIENT_FORWARD_STRIP_H

#include <stdint.h>

#include "base/err.h"

enum { DF_STRIP_GAP = 2, DF_STRIP_MAX_WIDTH = 65536 }; /* pixels */

/* DF_ELIMIT if n pictures of this width would make a strip over DF_STRIP_MAX_WIDTH; to be asked before the work. */
df_code df_strip_check(int n, int width, df_err *err);

/* rgb [n][height][width][3], from left to right, white between. The file appears whole or not at all. */
df_code df_strip_write(const char *path, const uint8_t *rgb, int n, int width, int height, df_err *err);

#endif
