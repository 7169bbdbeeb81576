/* PNG by libpng and libdeflate, to and from memory.
 *
 * Encoding is a function of pixels and texts alone: the filter of each row by a fixed rule (png_filter.h), fixed
 * compression level, no time chunk, texts in the order given (tEXt where Latin-1 holds it, else iTXt); the same bytes
 * on every machine with the same libdeflate. Decoding trusts nothing: limits on size, chunks and memory are set before
 * anything is allocated, and any PNG comes out as 8-bit RGB: 16 bits are rounded to 8, what is transparent lies over
 * white, gamma and colour profiles are not applied. Errors name no path: the caller knows where the bytes came from.
 * Threads: safe. */
#ifndef DF_ENGINE_IMAGE_PNG_IO_H
#define DF_ENGINE_IMAGE_PNG_IO_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct df_png_text {
    const char *key; /* 1..79 Latin-1 characters */
    const char *text; /* UTF-8 */
} df_png_text;

/* rgb [height][width][3]; caller frees *png. */
df_code df_png_encode(unsigned char **png, size_t *bytes, const uint8_t *rgb, int width, int height,
                      const df_png_text *texts, int n_texts, df_err *err);

/* Caller frees *rgb. Refuses sides over max_side. */
df_code df_png_decode(uint8_t **rgb, int *width, int *height, const void *png, size_t bytes, int max_side, df_err *err);

/* The text of one key as UTF-8, NULL in *text if absent; caller frees *text. Of equal keys the first counts. */
df_code df_png_read_text(char **text, const void *png, size_t bytes, const char *key, df_err *err);

#endif
