#include "client/forward/source.h"

#include <stdlib.h>
#include <string.h>

#include "engine/image/image_file.h"

/* In place: a line never moves back. */
static void crop(df_image *image, int width, int height) {
    int left = (image->width - width) / 2, top = (image->height - height) / 2;
    for (int y = 0; y < height; y++)
        memmove(image->pixels + (size_t)y * (size_t)width * 3,
                image->pixels + ((size_t)(top + y) * (size_t)image->width + (size_t)left) * 3, (size_t)width * 3);
    image->width = width;
    image->height = height;
}

df_code df_source_read(df_image *out, const char *path, int multiple, df_err *err) {
    df_image image = { 0 };
    df_code rc = df_image_read(&image, path, NULL, err);
    if (rc) return rc;
    int width = image.width / multiple * multiple, height = image.height / multiple * multiple;
    if (!width || !height) {
        free(image.pixels);
        return df_err_set(err, DF_ESHAPE, "%s: the picture is %dx%d; the model takes sides of %d pixels and more", path,
                          image.width, image.height, multiple);
    }
    crop(&image, width, height);
    *out = image;
    return DF_OK;
}
