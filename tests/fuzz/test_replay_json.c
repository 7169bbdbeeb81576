#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "tests/fuzz/replay.h"
#include "tests/support/golden.h"

static void a_real_configuration(void **state) {
    (void)state;
    char *file;
    size_t bytes;
    assert_int_equal(df_file_read(golden_source_path("models/starter/unet/config.json"), 1 << 20, &file, &bytes, NULL),
                     DF_OK);
    replay(file, bytes, 5000);
    free(file);
}

static void every_kind_of_value(void **state) {
    (void)state;
    static const char text[] =
        "{\"n\": NaN, \"i\": [-Infinity, 1, -2], \"long\": 1000000000000000019884624838656,\n"
        "\"s\": \"silu \\u00e9 \\\"q\\\" NaN\", \"b\": true, \"null\": null, \"d\": 1.5e-3, \"o\": {\"x\": []}}";
    replay(text, sizeof text - 1, 20000);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_real_configuration), cmocka_unit_test(every_kind_of_value) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
