#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/library.h"

static void test_a_library_that_is_there(void **state) {
    (void)state;
    const void *found = NULL;
    df_err err;
    assert_int_equal(df_library_load(&found, "libm.so.6", "cos", NULL, &err), DF_OK);
    assert_non_null(found);
}

static void test_one_that_is_not_there(void **state) {
    (void)state;
    const void *found = NULL;
    bool missing = false;
    df_err err;
    assert_int_equal(df_library_load(&found, "libno_such_thing.so", "x", &missing, &err), DF_ENOTFOUND);
    assert_true(missing);
    assert_non_null(strstr(err.text, "libno_such_thing.so: cannot open shared object file"));
}

static void test_a_symbol_that_is_not_there(void **state) {
    (void)state;
    const void *found = NULL;
    df_err err;
    assert_int_equal(df_library_load(&found, "libm.so.6", "no_such_symbol", NULL, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "no_such_symbol"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_library_that_is_there),
        cmocka_unit_test(test_one_that_is_not_there),
        cmocka_unit_test(test_a_symbol_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
