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

/* What Pillow 13 makes of the pattern: resize((w, h), LANCZOS), crop of the middle, and the same hash of its bytes. */
static void equals_pillow(void **state) {
    (void)state;
    static const struct {
        int from[2], to[2];
        uint32_t hash;
    } cases[] = {
        { { 17, 11 }, { 34, 22 }, 0x34ac671a }, { { 64, 48 }, { 24, 18 }, 0x5d7f68a6 },
        { { 33, 33 }, { 64, 64 }, 0x566a6ab3 }, { { 50, 20 }, { 16, 16 }, 0x9f8cfc3 },
        { { 9, 40 }, { 30, 20 }, 0xfb434142 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_image in = pattern(cases[i].from[0], cases[i].from[1]), out;
        assert_int_equal(df_image_cover(&out, &in, cases[i].to[0], cases[i].to[1], NULL), DF_OK);
        assert_int_equal(out.width, cases[i].to[0]);
        assert_int_equal(out.height, cases[i].to[1]);
        assert_int_equal(fnv(&out), cases[i].hash);
        df_image_clear(&in);
        df_image_clear(&out);
    }
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
        cmocka_unit_test(luminance_equals_pillow),
        cmocka_unit_test(the_right_size_is_left_alone),
        cmocka_unit_test(a_mask_keeps_its_two_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
