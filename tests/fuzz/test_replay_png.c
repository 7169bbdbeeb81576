#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "engine/image/png_io.h"
#include "tests/fuzz/replay.h"
#include "tests/support/golden.h"

static void a_picture_with_texts(void **state) {
    (void)state;
    static const df_png_text texts[] = { { "parameters", "Caffè, Steps: 20" }, { "key", "日本" } };
    uint8_t rgb[24 * 10 * 3];
    unsigned char *png;
    size_t bytes;
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * i >> 3);
    assert_int_equal(df_png_encode(&png, &bytes, rgb, 24, 10, texts, 2, NULL), DF_OK);
    replay(png, bytes, 10000);
    free(png);
}

static void a_picture_of_another_encoder(void **state) {
    (void)state;
    char *file;
    size_t bytes;
    const char *path = golden_source_path("tests/golden/starter_reference/pictures/v000.png");
    assert_int_equal(df_file_read(path, 1 << 20, &file, &bytes, NULL), DF_OK);
    replay(file, bytes, 3000);
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_picture_with_texts),
                                        cmocka_unit_test(a_picture_of_another_encoder) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
