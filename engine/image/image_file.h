/* Picture files that are given to diffarm, within limits: PNG (png_io.h), no larger than these. */
#ifndef DF_ENGINE_IMAGE_IMAGE_FILE_H
#define DF_ENGINE_IMAGE_IMAGE_FILE_H

#include "base/err.h"
#include "base/sha256.h"
#include "engine/image/image.h"

enum { DF_IMAGE_MAX_FILE_BYTES = 256 << 20, DF_IMAGE_MAX_SIDE = 16384 };

/* RGB; caller frees the pixels (df_image_clear). sha256, unless NULL, is that of the file; it is filled before the file
 * is decoded, and "" if it could not be read. Errors name the path. */
df_code df_image_read(df_image *out, const char *path, char sha256[DF_SHA256_HEX_BYTES], df_err *err);

#endif
