#include "client/forward/strip.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/size.h"
#include "engine/image/png_io.h"

enum { PAPER = 255 };

static int64_t strip_width(int n, int width) {
    return (int64_t)n * (width + DF_STRIP_GAP) - DF_STRIP_GAP;
}

df_code df_strip_check(int n, int width, df_err *err) {
    if (strip_width(n, width) <= DF_STRIP_MAX_WIDTH) return DF_OK;
    return df_err_set(err, DF_ELIMIT, "%d pictures of %d pixels make a strip of %lld, at most %d are possible", n,
                      width, (long long)strip_width(n, width), DF_STRIP_MAX_WIDTH);
}

df_code df_strip_write(const char *path, const uint8_t *rgb, int n, int width, int height, df_err *err) {
    df_code rc = df_strip_check(n, width, err);
    if (rc) return rc;
    int64_t size[2] = { strip_width(n, width), height };
    size_t bytes, png_bytes, row = 3 * (size_t)width, line = 3 * (size_t)size[0];
    unsigned char *png = NULL;
    uint8_t *strip = df_size_of_dims(&bytes, size, 2, 3) ? malloc(bytes) : NULL;
    if (!strip) return df_err_set(err, DF_ENOMEM, "%s: %lld x %d pixels", path, (long long)size[0], height);
    memset(strip, PAPER, bytes);
    for (int i = 0; i < n; i++)
        for (int y = 0; y < height; y++)
            memcpy(strip + (size_t)y * line + (size_t)i * (row + 3 * DF_STRIP_GAP),
                   rgb + ((size_t)i * (size_t)height + (size_t)y) * row, row);
    rc = df_png_encode(&png, &png_bytes, strip, (int)size[0], height, NULL, 0, err);
    free(strip);
    if (!rc) rc = df_file_write(path, png, png_bytes, err);
    free(png);
    return rc;
}
