#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "client/name_set.h"

static void finds_every_double(void **state) {
    enum { N = 50000 };
    df_name_set s = { 0 };
    char name[32];
    bool is_new;
    (void)state;
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "cats/%05d", i);
        assert_int_equal(df_name_set_add(&s, name, &is_new, NULL), DF_OK);
        assert_true(is_new);
    }
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "cats/%05d", i);
        assert_int_equal(df_name_set_add(&s, name, &is_new, NULL), DF_OK);
        assert_false(is_new);
    }
    assert_int_equal(s.n, N);
    df_name_set_clear(&s);
    assert_int_equal(df_name_set_add(&s, "cats/00000", &is_new, NULL), DF_OK);
    assert_true(is_new);
    df_name_set_clear(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(finds_every_double) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
