/* Thumbnails: the mean of blocks, at most so large, and errors for what is no picture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/web/thumbnail.h"

typedef struct bytes {
    void *data;
    size_t n;
} bytes;

/* Columns are black and white in turn: means are grey. */
static bytes stripes(uint32_t width, uint32_t height) {
    png_image image = { .version = PNG_IMAGE_VERSION, .width = width, .height = height, .format = PNG_FORMAT_RGB };
    uint8_t *rgb = malloc(PNG_IMAGE_SIZE(image));
    for (size_t i = 0; i < (size_t)width * height; i++) memset(rgb + 3 * i, i % width % 2 ? 255 : 0, 3);
    png_alloc_size_t n = 0;
    assert_int_equal(png_image_write_to_memory(&image, NULL, &n, 0, rgb, 0, NULL), 1);
    void *data = malloc(n);
    assert_int_equal(png_image_write_to_memory(&image, data, &n, 0, rgb, 0, NULL), 1);
    free(rgb);
    return (bytes) { data, n };
}

static uint8_t *shrunk(bytes png, uint32_t *width, uint32_t *height) {
    png_image image = { .version = PNG_IMAGE_VERSION };
    bytes small = { 0 };
    df_err err;
    assert_int_equal(df_thumbnail_of(png.data, png.n, &small.data, &small.n, &err), DF_OK);
    assert_int_equal(png_image_begin_read_from_memory(&image, small.data, small.n), 1);
    image.format = PNG_FORMAT_RGB;
    uint8_t *rgb = malloc(PNG_IMAGE_SIZE(image));
    assert_int_equal(png_image_finish_read(&image, NULL, rgb, 0, NULL), 1);
    *width = image.width;
    *height = image.height;
    free(small.data);
    free(png.data);
    return rgb;
}

static void a_large_picture_becomes_means(void **state) {
    (void)state;
    uint32_t width, height;
    uint8_t *rgb = shrunk(stripes(768, 384), &width, &height);
    assert_int_equal(width, 192);
    assert_int_equal(height, 96);
    for (size_t i = 0; i < 3 * (size_t)width * height; i++) assert_int_equal(rgb[i], 128);
    free(rgb);
}

static void a_small_picture_stays(void **state) {
    (void)state;
    uint32_t width, height;
    uint8_t *rgb = shrunk(stripes(64, 33), &width, &height);
    assert_int_equal(width, 64);
    assert_int_equal(height, 33);
    assert_int_equal(rgb[0], 0);
    assert_int_equal(rgb[3], 255);
    free(rgb);
}

static void a_thin_picture_has_a_pixel_across(void **state) {
    (void)state;
    uint32_t width, height;
    free(shrunk(stripes(4000, 1), &width, &height));
    assert_int_equal(height, 1);
}

static void other_bytes_are_errors(void **state) {
    (void)state;
    df_err err;
    void *out = NULL;
    size_t n;
    bytes whole = stripes(300, 300);
    assert_int_equal(df_thumbnail_of("no picture", 10, &out, &n, &err), DF_EFORMAT);
    for (size_t cut = 0; cut + 12 < whole.n; cut += 7) /* the last 12 bytes are the end mark */
        assert_int_equal(df_thumbnail_of(whole.data, cut, &out, &n, &err), DF_EFORMAT);
    free(whole.data);
    bytes large = stripes(8192, 2049);
    assert_int_equal(df_thumbnail_of(large.data, large.n, &out, &n, &err), DF_ELIMIT);
    free(large.data);
    assert_null(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_picture_becomes_means),
        cmocka_unit_test(a_small_picture_stays),
        cmocka_unit_test(a_thin_picture_has_a_pixel_across),
        cmocka_unit_test(other_bytes_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
