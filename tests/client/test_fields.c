#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "client/fields.h"

static void reads_sizes(void **state) {
    static const struct {
        const char *text;
        int w, h; /* 0: refused */
    } cases[] = {
        { "512x512", 512, 512 },   { "64X128", 64, 128 }, { "8192x1", 8192, 1 }, { "8193x1", 0, 0 },
        { "512", 0, 0 },           { "512x", 0, 0 },      { "x512", 0, 0 },      { "0x8", 0, 0 },
        { "-8x8", 0, 0 },          { "8x8x8", 0, 0 },     { "8 x 8", 0, 0 },     { "", 0, 0 },
        { "99999999999x8", 0, 0 }, { "8x8 ", 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int w = 0, h = 0;
        assert_int_equal(df_parse_size(cases[i].text, &w, &h), cases[i].w > 0);
        assert_int_equal(w, cases[i].w);
        assert_int_equal(h, cases[i].h);
    }
}

static void reads_numbers(void **state) {
    int64_t n;
    double x;
    (void)state;
    assert_true(df_parse_int("9223372036854775807", &n) && n == INT64_MAX);
    assert_true(df_parse_int("-12", &n) && n == -12);
    static const char *const no_ints[] = { "", "-", "9223372036854775808", "1.0", "1e3", " 1", "1 ", "0x10", "+1" };
    for (size_t i = 0; i < sizeof no_ints / sizeof *no_ints; i++) assert_false(df_parse_int(no_ints[i], &n));
    assert_true(df_parse_real("7.5", &x) && x == 7.5);
    assert_true(df_parse_real("-1e2", &x) && x == -100);
    static const char *const no_reals[] = { "", "inf", "nan", "1e999", "7.5x", " 7", "seven" };
    for (size_t i = 0; i < sizeof no_reals / sizeof *no_reals; i++) assert_false(df_parse_real(no_reals[i], &x));
}

static void keeps_names_in_out(void **state) {
    static const char *const good[] = { "a", "cats/0001", "a b", "\xc3\xa4/\xe7\x8c\xab", "a.png.b/c", "x.png" };
    static const char *const bad[] = { "",     "/etc/passwd", "../x", "a/../b",   "a//b",   "a/",      ".hidden",
                                       "a/.b", "a\\b",        "a\nb", "images/x", "images", "a.png/b", "\x7f" };
    char longer[300] = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_null(df_name_fault(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_non_null(df_name_fault(bad[i]));
    memset(longer, 'a', 200);
    assert_null(df_name_fault(longer));
    memset(longer, 'a', 201);
    assert_non_null(df_name_fault(longer));
}

static void checks_text(void **state) {
    char buf[128];
    (void)state;
    assert_null(df_text_fault("caf\xc3\xa9 \xf0\x9f\x98\x80\ttab\nline", 100, buf, sizeof buf));
    assert_non_null(strstr(df_text_fault("ab\xff", 100, buf, sizeof buf), "position 2"));
    assert_non_null(df_text_fault("\xc3", 100, buf, sizeof buf)); /* cut */
    assert_non_null(df_text_fault("\xed\xa0\x80", 100, buf, sizeof buf)); /* a surrogate */
    assert_non_null(df_text_fault("\xc0\xaf", 100, buf, sizeof buf)); /* overlong */
    assert_non_null(strstr(df_text_fault("a\x01", 100, buf, sizeof buf), "control character 0x01"));
    assert_non_null(strstr(df_text_fault("abcd", 3, buf, sizeof buf), "at most 3"));
}

static void suggests_for_slips(void **state) {
    char buf[256];
    (void)state;
    assert_null(df_task_fault("txt2img", buf, sizeof buf));
    assert_null(df_task_fault("inpaint", buf, sizeof buf));
    assert_non_null(strstr(df_task_fault("inpiant", buf, sizeof buf), "did you mean 'inpaint'"));
    assert_null(df_scheduler_fault("dpmpp_2m_karras", buf, sizeof buf));
    assert_non_null(strstr(df_scheduler_fault("eluer", buf, sizeof buf), "did you mean 'euler'"));
    assert_non_null(strstr(df_scheduler_fault("", buf, sizeof buf), "unknown scheduler"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_sizes), cmocka_unit_test(reads_numbers),      cmocka_unit_test(keeps_names_in_out),
        cmocka_unit_test(checks_text), cmocka_unit_test(suggests_for_slips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
