#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "engine/image/contact_sheet.h"
#include "engine/image/png_io.h"
#include "tests/support/golden.h"

static char paths[8][4200], out[4200];
static const char *names[8];

/* Pictures of one colour each: picture i is (10 i, 20 i, 30 i). */
static void draw(const char *dir, int i, int width, int height) {
    uint8_t *rgb = malloc((size_t)(width * height * 3));
    unsigned char *png;
    size_t bytes;
    for (int k = 0; k < width * height * 3; k++) rgb[k] = (uint8_t)((k % 3 + 1) * 10 * i);
    assert_int_equal(df_png_encode(&png, &bytes, rgb, width, height, NULL, 0, NULL), DF_OK);
    snprintf(paths[i], sizeof paths[i], "%s/%d.png", dir, i);
    assert_int_equal(df_file_write(paths[i], png, bytes, NULL), DF_OK);
    names[i] = paths[i];
    free(rgb);
    free(png);
}

static uint8_t *sheet(int *width, int *height) {
    char *file;
    size_t bytes;
    uint8_t *rgb;
    assert_int_equal(df_file_read(out, 1 << 24, &file, &bytes, NULL), DF_OK);
    assert_int_equal(df_png_decode(&rgb, width, height, file, bytes, 16384, NULL), DF_OK);
    free(file);
    return rgb;
}

static int red_at(const uint8_t *rgb, int width, int x, int y) {
    return rgb[(y * width + x) * 3];
}

static void grid_in_reading_order(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    int w, h;
    for (int i = 0; i < 5; i++) draw(dir, i, 20, 10);
    draw(dir, 5, 8, 4); /* smaller: centred in its cell */
    snprintf(out, sizeof out, "%s/sheet.png", dir);
    assert_int_equal(df_contact_sheet_write(out, names, 6, 0, 100, NULL), DF_OK);
    uint8_t *rgb = sheet(&w, &h);
    assert_int_equal(w, 3 * 20 + 2 * 4);
    assert_int_equal(h, 2 * 10 + 4);
    for (int i = 0; i < 5; i++) {
        int x = i % 3 * 24, y = i / 3 * 14;
        assert_int_equal(red_at(rgb, w, x, y), 10 * i);
        assert_int_equal(red_at(rgb, w, x + 19, y + 9), 10 * i);
    }
    assert_int_equal(red_at(rgb, w, 20, 0), 255); /* between */
    assert_int_equal(red_at(rgb, w, 0, 10), 255);
    assert_int_equal(red_at(rgb, w, 48 + 5, 14 + 3), 255);
    assert_int_equal(red_at(rgb, w, 48 + 6, 14 + 3), 50);
    assert_int_equal(red_at(rgb, w, 48 + 13, 14 + 6), 50);
    assert_int_equal(red_at(rgb, w, 48 + 14, 14 + 6), 255);
    free(rgb);

    assert_int_equal(df_contact_sheet_write(out, names, 3, 9, 100, NULL), DF_OK); /* never more columns than pictures */
    rgb = sheet(&w, &h);
    assert_int_equal(w, 3 * 20 + 2 * 4);
    assert_int_equal(h, 10);
    free(rgb);
}

/* Blocks of whole factors are averaged; the last ones may be cut. */
static void shrinks_large_ones(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    uint8_t rgb[7 * 4 * 3];
    unsigned char *png;
    size_t bytes;
    int w, h;
    for (int i = 0; i < 7 * 4 * 3; i++) rgb[i] = (uint8_t)(i / 3 % 7 * 10 + i / 21);
    assert_int_equal(df_png_encode(&png, &bytes, rgb, 7, 4, NULL, 0, NULL), DF_OK);
    snprintf(paths[0], sizeof paths[0], "%s/large.png", dir);
    names[0] = paths[0];
    snprintf(out, sizeof out, "%s/sheet.png", dir);
    assert_int_equal(df_file_write(paths[0], png, bytes, NULL), DF_OK);
    assert_int_equal(df_contact_sheet_write(out, names, 1, 0, 3, NULL), DF_OK);
    uint8_t *got = sheet(&w, &h);
    assert_int_equal(w, 3); /* 7 over 3: a factor of 3 */
    assert_int_equal(h, 2);
    assert_int_equal(red_at(got, w, 0, 0), 11); /* mean of 0, 10, 20 and rows 0, 1, 2 */
    assert_int_equal(red_at(got, w, 2, 0), 61);
    assert_int_equal(red_at(got, w, 0, 1), 13);
    assert_int_equal(red_at(got, w, 2, 1), 63);
    free(got);
    free(png);
}

static void names_what_fails(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_err err;
    snprintf(out, sizeof out, "%s/sheet.png", dir);
    draw(dir, 0, 8, 8);
    snprintf(paths[1], sizeof paths[1], "%s/none.png", dir);
    names[1] = paths[1];
    assert_int_equal(df_contact_sheet_write(out, names, 2, 0, 100, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "none.png"));
    assert_int_equal(df_file_write(paths[1], "x", 1, NULL), DF_OK);
    assert_int_equal(df_contact_sheet_write(out, names, 2, 0, 100, &err), DF_EFORMAT);
    assert_non_null(strstr(err.text, "none.png"));
    assert_int_equal(df_contact_sheet_write(out, names, 0, 0, 100, &err), DF_EINVAL);
    assert_int_equal(df_contact_sheet_write(out, names, 1, 0, 0, &err), DF_EINVAL);
    const char *many[3000];
    for (int i = 0; i < 3000; i++) many[i] = names[0];
    assert_int_equal(df_contact_sheet_write(out, many, 3000, 3000, 100, &err), DF_ELIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grid_in_reading_order),
        cmocka_unit_test(shrinks_large_ones),
        cmocka_unit_test(names_what_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
