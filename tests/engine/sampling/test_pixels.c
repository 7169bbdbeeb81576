#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/sampling/pixels.h"

enum { W = 4, H = 2 };
static uint8_t rgb[3 * W * H], white[W * H] = { 0, 127, 128, 255, 255, 0, 0, 128 };
static const df_image image = { W, H, 3, rgb }, mask = { W, H, 1, white };

static void test_planes(void **state) {
    (void)state;
    float x[3 * W * H];
    for (int i = 0; i < 3 * W * H; i++) rgb[i] = (uint8_t)(i * 10);
    rgb[3 * W * H - 1] = 255;
    df_pixels_to_planes(&image, NULL, x);
    assert_true(x[0] == -1 && x[3 * W * H - 1] == 1);
    assert_true(x[W * H + 1] == 2.0f * (40 / 255.0f) - 1.0f); /* green of the second pixel */
}

static void test_what_a_mask_hides_is_grey(void **state) {
    (void)state;
    float x[3 * W * H], seen[3 * W * H];
    df_pixels_to_planes(&image, NULL, seen);
    df_pixels_to_planes(&image, &mask, x);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < W * H; i++) assert_true(x[c * W * H + i] == (white[i] >= 128 ? 0 : seen[c * W * H + i]));
}

static void test_masks_shrink_to_their_corners(void **state) {
    (void)state;
    float x[W * H];
    df_pixels_to_mask(&mask, 1, x);
    for (int i = 0; i < W * H; i++) assert_true(x[i] == (white[i] >= 128));
    df_pixels_to_mask(&mask, 2, x);
    assert_true(x[0] == 0 && x[1] == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planes),
        cmocka_unit_test(test_what_a_mask_hides_is_grey),
        cmocka_unit_test(test_masks_shrink_to_their_corners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
