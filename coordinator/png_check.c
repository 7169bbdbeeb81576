#include "coordinator/png_check.h"

#include <string.h>

enum { IHDR_END = 33, SMALLEST_PNG = IHDR_END + 12 }; /* signature, IHDR, IEND */

static uint32_t big_endian(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

df_code df_png_check(const void *png, size_t bytes, uint32_t width, uint32_t height, df_err *err) {
    static const uint8_t begin[16] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R' };
    const uint8_t *p = png;
    if (bytes < SMALLEST_PNG || memcmp(p, begin, sizeof begin))
        return df_err_set(err, DF_EFORMAT, "result of %zu bytes is not a PNG", bytes);
    uint32_t w = big_endian(p + 16), h = big_endian(p + 20);
    if (w != width || h != height)
        return df_err_set(err, DF_EFORMAT, "result is %ux%u, its row asks for %ux%u", w, h, width, height);
    return DF_OK;
}
