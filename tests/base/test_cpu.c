#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/cpu.h"

static void test_a_name_on_one_line(void **state) {
    (void)state;
    char name[256], again[256];
    df_cpu_name(name, sizeof name);
    assert_true(strlen(name) > 2);
    assert_null(strpbrk(name, "\n\t"));
    assert_string_equal(df_cpu_name(again, sizeof again), name);
}

static void test_a_short_place_is_not_overrun(void **state) {
    (void)state;
    char name[16];
    memset(name, 'x', sizeof name);
    df_cpu_name(name, 8);
    assert_true(strlen(name) < 8);
    assert_int_equal(name[8], 'x');
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_on_one_line),
        cmocka_unit_test(test_a_short_place_is_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
