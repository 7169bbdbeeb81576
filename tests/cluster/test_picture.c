#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "cluster/picture.h"

static void test_levels(void **state) {
    (void)state;
    /* x of 255 * (x / 2 + 0.5) = level + 0.5 is not exact in f32 for all; these are, and go to the even level */
    const float x[] = { -1, 1, -7, 7, 0, -0.0f, 1.0f / 255, -1.0f / 255 };
    const uint8_t level[] = { 0, 255, 0, 255, 128, 128, 128, 127 };
    uint8_t rgb[8];
    double d[8];
    assert_true(df_picture_quantize(x, DF_F32, 8, rgb));
    assert_memory_equal(rgb, level, 8);
    for (int i = 0; i < 8; i++) d[i] = x[i];
    memset(rgb, 7, sizeof rgb);
    assert_true(df_picture_quantize(d, DF_F64, 8, rgb));
    assert_memory_equal(rgb, level, 8);
}

static void test_what_is_not_finite(void **state) {
    (void)state;
    float x[3] = { 0, NAN, 0 };
    uint8_t rgb[3];
    assert_false(df_picture_quantize(x, DF_F32, 3, rgb));
    x[1] = -INFINITY;
    assert_false(df_picture_quantize(x, DF_F32, 3, rgb));
}

static void test_flat(void **state) {
    (void)state;
    uint8_t rgb[300];
    for (int i = 0; i < 300; i++) rgb[i] = (uint8_t)(i % 3 * 100); /* channels may differ from each other */
    assert_true(df_picture_is_flat(rgb, 100));
    rgb[151] = 102;
    assert_true(df_picture_is_flat(rgb, 100));
    rgb[151] = 103;
    assert_false(df_picture_is_flat(rgb, 100));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_what_is_not_finite),
        cmocka_unit_test(test_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
