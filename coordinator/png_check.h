/* Is this a whole PNG of the size that was asked for? Walks all chunks and holds each against its checksum, from IHDR
 * to IEND with nothing behind it. Pixels are not inflated: that would take ten times as long as all else a result
 * costs. Source: www.w3.org/TR/png-3, section 5. */
#ifndef DF_COORDINATOR_PNG_CHECK_H
#define DF_COORDINATOR_PNG_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

df_code df_png_check(const void *png, size_t bytes, uint32_t width, uint32_t height, df_err *err);

#endif
