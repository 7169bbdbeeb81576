#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/size.h"

static void products_and_sums(void **state) {
    (void)state;
    size_t n = 5;
    assert_true(df_size_mul(&n, 6, 7));
    assert_int_equal(n, 42);
    assert_true(df_size_mul(&n, SIZE_MAX, 1));
    assert_false(df_size_mul(&n, SIZE_MAX, 2));
    assert_false(df_size_mul(&n, (size_t)1 << 32, (size_t)1 << 32));
    assert_true(df_size_add(&n, SIZE_MAX - 1, 1));
    assert_int_equal(n, SIZE_MAX);
    assert_false(df_size_add(&n, SIZE_MAX, 1));
}

static void dims(void **state) {
    (void)state;
    size_t n = 5;
    assert_true(df_size_of_dims(&n, (int64_t[]) { 2, 3, 4 }, 3, 4));
    assert_int_equal(n, 96);
    assert_true(df_size_of_dims(&n, NULL, 0, 4));
    assert_int_equal(n, 4);
    assert_true(df_size_of_dims(&n, (int64_t[]) { 2, 0, 4 }, 3, 4));
    assert_int_equal(n, 0);
    n = 7;
    assert_false(df_size_of_dims(&n, (int64_t[]) { 2, -1 }, 2, 4));
    assert_false(df_size_of_dims(&n, (int64_t[]) { 0, -1 }, 2, 4)); /* a zero hides no negative one */
    assert_false(df_size_of_dims(&n, (int64_t[]) { INT64_MAX, 3 }, 2, 1));
    assert_false(df_size_of_dims(&n, (int64_t[]) { INT64_MAX }, 1, 4));
    assert_int_equal(n, 7); /* left alone */
}

static void alignment(void **state) {
    (void)state;
    size_t n = 5;
    assert_true(df_size_align(&n, 0, 64));
    assert_int_equal(n, 0);
    assert_true(df_size_align(&n, 1, 64));
    assert_int_equal(n, 64);
    assert_true(df_size_align(&n, 64, 64));
    assert_int_equal(n, 64);
    assert_false(df_size_align(&n, SIZE_MAX - 3, 64));
    assert_int_equal(n, 64);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_and_sums),
        cmocka_unit_test(dims),
        cmocka_unit_test(alignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
