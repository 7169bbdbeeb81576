/* Is this a whole PNG of the size that was asked for? Walks all chunks and holds each against its checksum, from IHDR
 * to IEND with nothing behind it. Pixels are not inflated: that would take ten times as long as all else a result
 * costs. Source: www.w3.org/TR/png-3, section 5. */
#ifndef DF_COORDINATOR_PNG_CHECK_H
#define DF_COORDINATOR_PNG_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

/* What a picture is, whatever was asked for; safe in any thread. */
typedef struct df_png_look {
    df_code rc; /* DF_EFORMAT: no whole PNG; then only why is set */
    df_err why;
    uint32_t width, height;
    char sha256[DF_SHA256_HEX_BYTES];
} df_png_look;

void df_png_look_at(df_png_look *look, const void *png, size_t bytes);
df_code df_png_look_check(const df_png_look *look, uint32_t width, uint32_t height, df_err *err);

#endif
