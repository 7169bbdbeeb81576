#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "engine/weights/safetensors.h"
#include "tests/fuzz/replay.h"
#include "tests/support/golden.h"

static void a_small_file(void **state) {
    (void)state;
    static const double data[16] = { 0.5, -1e300, 3 };
    static const int64_t dim[][2] = { { 2, 2 }, { 0, 3 }, { 8, 1 }, { 1, 3 }, { 5, 1 } };
    static const df_dtype types[] = { DF_F32, DF_F64, DF_F16, DF_I64, DF_U8 };
    static const char *const names[] = { "conv_in.weight", "empty", "half", "ids", "bytes" };
    df_safetensors_writer *w = df_safetensors_writer_new();
    const char *dir = golden_temp_dir();
    char path[4200], *file;
    size_t bytes;
    for (int i = 0; i < 5; i++)
        assert_int_equal(df_safetensors_writer_add(w, names[i], types[i], dim[i], 2, data, NULL), DF_OK);
    assert_int_equal(df_safetensors_writer_metadata(w, "format", "pt", NULL), DF_OK);
    snprintf(path, sizeof path, "%s/seed.safetensors", dir);
    assert_int_equal(df_safetensors_writer_write(w, path, NULL), DF_OK);
    df_safetensors_writer_free(&w);
    assert_int_equal(df_file_read(path, 1 << 20, &file, &bytes, NULL), DF_OK);
    replay(file, bytes, 20000);
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_small_file) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
