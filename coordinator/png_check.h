/* Is this a PNG of the size that was asked for? Looks at the signature and the IHDR chunk only: the coordinator
 * decodes no pixels. */
#ifndef DF_COORDINATOR_PNG_CHECK_H
#define DF_COORDINATOR_PNG_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

df_code df_png_check(const void *png, size_t bytes, uint32_t width, uint32_t height, df_err *err);

#endif
