/* The picture that is to be noised, read from a PNG file and cropped around its centre. */
#ifndef DF_CLIENT_FORWARD_SOURCE_H
#define DF_CLIENT_FORWARD_SOURCE_H

#include "base/err.h"
#include "engine/image/image.h"

/* Sides become multiples of `multiple`. Caller frees out->pixels. Errors name the file; DF_ESHAPE: smaller than that.
 */
df_code df_source_read(df_image *out, const char *path, int multiple, df_err *err);

#endif
