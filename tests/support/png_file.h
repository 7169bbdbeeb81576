/* A PNG of some pixels, for tests that give pictures to diffarm. */
#ifndef DF_TESTS_SUPPORT_PNG_FILE_H
#define DF_TESTS_SUPPORT_PNG_FILE_H

#include <stdio.h>
#include <stdlib.h>

#include "engine/image/png_io.h"

static inline void put_png(const char *path, int width, int height) {
    size_t bytes, n = (size_t)(width * height * 3);
    unsigned char *png, *rgb = malloc(n);
    for (size_t i = 0; i < n; i++) rgb[i] = (unsigned char)(i * 7);
    if (df_png_encode(&png, &bytes, rgb, width, height, NULL, 0, NULL)) abort();
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(png, 1, bytes, f) != bytes || fclose(f)) abort();
    free(png);
    free(rgb);
}

#endif
