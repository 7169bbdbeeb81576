#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "coordinator/json_line.h"

static char *line_of(json_t *object) {
    char *text = NULL;
    size_t bytes;
    df_err err;
    FILE *f = open_memstream(&text, &bytes);
    assert_int_equal(df_json_line_write(f, object, &err), DF_OK);
    fclose(f);
    return text;
}

static void expect(json_t *object, const char *expected) {
    char *line = line_of(object);
    assert_string_equal(line, expected);
    free(line);
}

static void keys_stay_in_order_and_numbers_are_short(void **state) {
    (void)state;
    expect(json_pack("{s:s,s:f,s:i}", "z", "\xc3\xbc \"/\n", "a", 7.5, "m", 3),
           "{\"z\":\"\xc3\xbc \\\"/\\n\",\"a\":7.5,\"m\":3}\n");
    expect(json_pack("{s:f}", "g", 0.1), "{\"g\":0.1}\n");
    expect(json_pack("{s:f}", "g", 7.0), "{\"g\":7.0}\n");
    expect(json_pack("{s:I}", "seed", (json_int_t)INT64_MAX), "{\"seed\":9223372036854775807}\n");
}

static void every_number_reads_back_equal(void **state) {
    (void)state;
    static const double values[] = { 1.0 / 3, 0.1 + 0.2, 1e-300, 1.7976931348623157e308, 123456789.123456789, -2.5e-9 };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char *line = line_of(json_pack("{s:f}", "x", values[i]));
        assert_true(strtod(strchr(line, ':') + 1, NULL) == values[i]);
        free(line);
    }
}

static void what_could_not_be_built_or_written_is_an_error(void **state) {
    (void)state;
    df_err err;
    FILE *full = fopen("/dev/full", "w");
    assert_int_equal(df_json_line_write(full, NULL, &err), DF_ENOMEM);
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(df_json_line_write(full, json_pack("{s:i}", "a", 1), &err), DF_ENOSPACE);
    fclose(full);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_stay_in_order_and_numbers_are_short),
        cmocka_unit_test(every_number_reads_back_equal),
        cmocka_unit_test(what_could_not_be_built_or_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
