#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/image/resize.h"

static df_image pattern(int width, int height) {
    df_image p = { .width = width, .height = height, .channels = 3, .pixels = malloc((size_t)(3 * width * height)) };
    assert_non_null(p.pixels);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t *at = p.pixels + 3 * (y * width + x);
            at[0] = (uint8_t)(x * 7 + y * 13);
            at[1] = (uint8_t)(x * x + y);
            at[2] = (uint8_t)((x ^ y) * 5);
        }
    return p;
}

static uint32_t fnv(const df_image *p) {
    uint32_t hash = 2166136261u;
    for (int i = 0; i < p->width * p->height * p->channels; i++) hash = (hash ^ p->pixels[i]) * 16777619u;
    return hash;
}

/* What Pillow 13 makes of the pattern: resize((w, h), LANCZOS) or, as "L", NEAREST; crop of the middle; and the same
 * hash of its bytes. */
static const struct {
    int from[2], to[2];
    uint32_t lanczos, nearest;
} of_pillow[] = {
    { { 17, 11 }, { 34, 22 }, 0x34ac671a, 0xff9f9895 },
    { { 33, 33 }, { 64, 64 }, 0x566a6ab3, 0x84d47c30 },
    { { 64, 48 }, { 24, 18 }, 0x5d7f68a6, 0x31d1cd72 },
    { { 40, 33 }, { 33, 40 }, 0x59ed2138, 0x2518e296 },
    { { 50, 20 }, { 16, 16 }, 0x09f8cfc3, 0xb4ca1108 },
    { { 50, 20 }, { 16, 20 }, 0xd5d0f635, 0xae1961ec }, /* only cropped */
    { { 9, 40 }, { 30, 20 }, 0xfb434142, 0x15f29ebf },
    { { 200, 3 }, { 24, 16 }, 0x631b2684, 0x127a973b },
    { { 3, 200 }, { 16, 24 }, 0x700c04f7, 0x18695b81 },
    { { 300, 7 }, { 8, 5 }, 0x913885f1, 0x619a5f0a },
};

static void equals_pillow(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof of_pillow / sizeof of_pillow[0]; i++) {
        const int *from = of_pillow[i].from, *to = of_pillow[i].to;
        df_image in = pattern(from[0], from[1]), grey, out;
        assert_int_equal(df_image_cover(&out, &in, to[0], to[1], NULL), DF_OK);
        assert_int_equal(out.width, to[0]);
        assert_int_equal(out.height, to[1]);
        assert_int_equal(fnv(&out), of_pillow[i].lanczos);
        df_image_clear(&out);
        assert_int_equal(df_image_luminance(&grey, &in, NULL), DF_OK);
        assert_int_equal(df_image_cover(&out, &grey, to[0], to[1], NULL), DF_OK);
        assert_int_equal(fnv(&out), of_pillow[i].nearest);
        df_image_clear(&out);
        df_image_clear(&grey);
        df_image_clear(&in);
    }
}

/* Scaled as a whole it would be 33554432 x 2048 pixels, 206 GB. */
static void a_strip_takes_no_more_than_what_is_kept(void **state) {
    (void)state;
    df_image in = pattern(16384, 1), out;
    assert_int_equal(df_image_cover(&out, &in, 2048, 2048, NULL), DF_OK);
    assert_int_equal(out.width, 2048);
    assert_int_equal(out.height, 2048);
    df_image_clear(&in);
    df_image_clear(&out);
}

static void luminance_equals_pillow(void **state) {
    (void)state;
    df_image in = pattern(20, 10), out;
    assert_int_equal(df_image_luminance(&out, &in, NULL), DF_OK);
    assert_int_equal(fnv(&out), 0x410560fd);
    df_image_clear(&in);
    df_image_clear(&out);
}

static void the_right_size_is_left_alone(void **state) {
    (void)state;
    df_image in = pattern(12, 8), out;
    assert_int_equal(df_image_cover(&out, &in, 12, 8, NULL), DF_OK);
    assert_memory_equal(out.pixels, in.pixels, 12 * 8 * 3);
    df_image_clear(&in);
    df_image_clear(&out);
}

static void a_mask_keeps_its_two_values(void **state) {
    (void)state;
    uint8_t pixels[] = { 0, 255, 0, 255, 0, 255 };
    df_image in = { .width = 3, .height = 2, .channels = 1, .pixels = pixels }, out;
    assert_int_equal(df_image_cover(&out, &in, 6, 4, NULL), DF_OK);
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 6; x++) assert_int_equal(out.pixels[y * 6 + x], pixels[y / 2 * 3 + x / 2]);
    df_image_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pillow),
        cmocka_unit_test(a_strip_takes_no_more_than_what_is_kept),
        cmocka_unit_test(luminance_equals_pillow),
        cmocka_unit_test(the_right_size_is_left_alone),
        cmocka_unit_test(a_mask_keeps_its_two_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
