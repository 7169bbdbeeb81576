#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void grows_and_stays_terminated(void **state) {
    (void)state;
    df_buf b = { 0 };
    for (int i = 0; i < 10000; i++) {
        df_buf_printf(&b, "%04d ", i);
        assert_int_equal(b.len, 5 * (i + 1));
        assert_int_equal(b.data[b.len], 0);
    }
    assert_false(b.failed);
    assert_memory_equal(b.data + 5 * 1234, "1234 ", 5);
    df_buf_free(&b);
    assert_null(b.data);
    df_buf_puts(&b, "again");
    assert_string_equal(b.data, "again");
    df_buf_free(&b);
}

static void takes_zero_bytes_and_nuls(void **state) {
    (void)state;
    df_buf b = { 0 };
    df_buf_add(&b, NULL, 0);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    df_buf_add(&b, "a\0b", 3);
    df_buf_puts(&b, "");
    df_buf_printf(&b, "%s", "");
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "a\0b", 4);
    df_buf_free(&b);
}

static void long_formats_fit(void **state) {
    (void)state;
    df_buf b = { 0 };
    df_buf_printf(&b, "%*d", 100000, 7);
    assert_int_equal(b.len, 100000);
    assert_int_equal(b.data[99999], '7');
    df_buf_free(&b);
}

/* Once something was dropped nothing follows: a text with a hole would be taken for whole. */
static void failure_sticks(void **state) {
    (void)state;
    df_buf b = { 0 };
    df_buf_puts(&b, "kept");
    df_buf_add(&b, "x", SIZE_MAX);
    assert_true(b.failed);
    df_buf_puts(&b, "dropped");
    df_buf_printf(&b, "dropped");
    assert_string_equal(b.data, "kept");
    df_buf_free(&b);
    assert_false(b.failed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(takes_zero_bytes_and_nuls),
        cmocka_unit_test(long_formats_fit),
        cmocka_unit_test(failure_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
