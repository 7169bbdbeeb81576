#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/text.h"

static void utf8_is_told_from_other_bytes(void **state) {
    (void)state;
    static const char *const good[] = {
        "", "plain", "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"
    };
    static const char *const bad[] = { "\xff",         "\xc3",         "\xc0\x80",         "\xe0\x80\x80",
                                       "\xed\xa0\x80", "\xe2\x82",     "\xf4\x90\x80\x80", "\xf0\x8f\xbf\xbf",
                                       "\x80",         "a\xe2\x28\xa1" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(df_text_is_utf8(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(df_text_is_utf8(bad[i]));
}

static void foreign_text_is_made_harmless(void **state) {
    (void)state;
    char out[8];
    assert_string_equal(df_text_clean(out, sizeof out,
                                      "a\n\xff"
                                      "b\x7f"),
                        "a??b?");
    assert_string_equal(df_text_clean(out, sizeof out, "123456\xc3\xbc"), "123456"); /* no half character */
    assert_string_equal(df_text_clean(out, sizeof out, "12345\xc3\xbc"), "12345\xc3\xbc");
    assert_string_equal(df_text_clean(out, sizeof out, ""), "");
}

static void hex_is_exact(void **state) {
    (void)state;
    assert_true(df_text_is_hex("0123456789abcdef", 16));
    assert_false(df_text_is_hex("0123456789abcde", 16));
    assert_false(df_text_is_hex("0123456789abcdef0", 16));
    assert_false(df_text_is_hex("0123456789ABCDEF", 16));
    assert_true(df_text_has_control("a\tb"));
    assert_false(df_text_has_control("a b\xc3\xbc"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_told_from_other_bytes),
        cmocka_unit_test(foreign_text_is_made_harmless),
        cmocka_unit_test(hex_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
