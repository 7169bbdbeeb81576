#include "engine/image/image_file.h"

#include <stdlib.h>

#include "base/file.h"
#include "engine/image/png_io.h"

df_code df_image_read(df_image *out, const char *path, char sha256[DF_SHA256_HEX_BYTES], df_err *err) {
    char *file;
    size_t bytes;
    df_err why;
    if (sha256) sha256[0] = '\0';
    df_code rc = df_file_read(path, DF_IMAGE_MAX_FILE_BYTES, &file, &bytes, err);
    if (rc) return rc;
    if (sha256) df_sha256_of(file, bytes, sha256);
    *out = (df_image) { .channels = 3 };
    rc = df_png_decode(&out->pixels, &out->width, &out->height, file, bytes, DF_IMAGE_MAX_SIDE, &why);
    free(file);
    return rc ? df_err_set(err, rc, "%s: %s", path, why.text) : DF_OK;
}
