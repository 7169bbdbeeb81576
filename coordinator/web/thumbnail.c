#include "coordinator/web/thumbnail.h"

#include <png.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static df_code png_failed(const png_image *image, df_err *err) {
    return df_err_set(err, DF_EFORMAT, "thumbnail: %.60s", image->message);
}

static df_code read_rgb(png_image *image, const void *png, size_t bytes, uint8_t **rgb, df_err *err) {
    if (!png_image_begin_read_from_memory(image, png, bytes)) return png_failed(image, err);
    if ((uint64_t)image->width * image->height > DF_THUMBNAIL_MAX_PIXELS)
        return df_err_set(err, DF_ELIMIT, "thumbnail: a picture of %ux%u is too large", image->width, image->height);
    image->format = PNG_FORMAT_RGB;
    if (!(*rgb = malloc(PNG_IMAGE_SIZE(*image)))) return df_err_set(err, DF_ENOMEM, "thumbnail");
    return png_image_finish_read(image, NULL, *rgb, 0, NULL) ? DF_OK : png_failed(image, err);
}

static uint8_t block_mean(const uint8_t *from, size_t stride, uint32_t k) {
    uint64_t sum = 0;
    for (uint32_t y = 0; y < k; y++)
        for (uint32_t x = 0; x < k; x++) sum += from[y * stride + 3 * x];
    return (uint8_t)((sum + (uint64_t)k * k / 2) / ((uint64_t)k * k));
}

/* In place: what is written lies before what is still to be read. */
static void shrink(png_image *image, uint8_t *rgb, uint32_t k) {
    size_t stride = 3 * (size_t)image->width;
    uint32_t width = image->width / k, height = image->height / k;
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 0; c < 3; c++)
                rgb[3 * ((size_t)y * width + x) + c] =
                    block_mean(rgb + k * (y * stride + 3 * (size_t)x) + c, stride, k);
    image->width = width;
    image->height = height;
}

static uint32_t block_of(const png_image *image) {
    uint32_t shorter = image->width < image->height ? image->width : image->height;
    uint32_t longer = image->width < image->height ? image->height : image->width;
    uint32_t k = (longer + DF_THUMBNAIL_SIDE - 1) / DF_THUMBNAIL_SIDE;
    return k > shorter ? shorter : k;
}

static df_code write_png(png_image *image, const uint8_t *rgb, void **out, size_t *out_bytes, df_err *err) {
    png_alloc_size_t bytes = 0;
    if (!png_image_write_to_memory(image, NULL, &bytes, 0, rgb, 0, NULL)) return png_failed(image, err);
    if (!(*out = malloc(bytes))) return df_err_set(err, DF_ENOMEM, "thumbnail");
    if (png_image_write_to_memory(image, *out, &bytes, 0, rgb, 0, NULL)) {
        *out_bytes = bytes;
        return DF_OK;
    }
    free(*out);
    *out = NULL;
    return png_failed(image, err);
}

df_code df_thumbnail_of(const void *png, size_t bytes, void **out, size_t *out_bytes, df_err *err) {
    png_image image = { .version = PNG_IMAGE_VERSION };
    uint8_t *rgb = NULL;
    df_code rc = read_rgb(&image, png, bytes, &rgb, err);
    if (!rc) {
        shrink(&image, rgb, block_of(&image));
        rc = write_png(&image, rgb, out, out_bytes, err);
    }
    free(rgb);
    png_image_free(&image);
    return rc;
}
