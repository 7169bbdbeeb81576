/* The rows of a picture as PNG's filters leave them (PNG specification, section 9): each byte less a guess of it from
 * its neighbours, so that what is left is small, and smooth pictures compress.
 *
 * Of Sub, Up, Average and Paeth each row takes the one whose bytes, read as signed, have the least sum of magnitudes
 * (the heuristic of section 12.8); of equal ones the first. Threads: safe. */
#ifndef DF_ENGINE_IMAGE_PNG_FILTER_H
#define DF_ENGINE_IMAGE_PNG_FILTER_H

#include <stdint.h>

#include "base/err.h"

/* rgb [height][width][3] -> out [height][1 + width*3]: the filter's number, then the row. Errors: DF_ENOMEM. */
df_code df_png_filter(uint8_t *out, const uint8_t *rgb, int width, int height, df_err *err);

#endif
