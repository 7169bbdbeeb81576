#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void codes_have_names_and_texts(void **state) {
    (void)state;
    assert_int_equal(DF_OK, 0);
    assert_string_equal(df_code_name(DF_ESHAPE), "ESHAPE");
    assert_string_equal(df_code_text(DF_ENOSPACE), "no space left");
    assert_string_equal(df_code_name((df_code)9999), "?");
    assert_string_equal(df_code_text((df_code)-1), "unknown code");
}

static void set_returns_the_code(void **state) {
    (void)state;
    df_err err;
    assert_int_equal(df_err_set(&err, DF_ESHAPE, "[%d, %s]", 3, "x"), DF_ESHAPE);
    assert_int_equal(err.code, DF_ESHAPE);
    assert_string_equal(err.text, "[3, x]");
    assert_int_equal(df_err_set(NULL, DF_ELIMIT, "%d", 1), DF_ELIMIT);
}

static void wrap_adds_in_front(void **state) {
    (void)state;
    df_err err;
    df_err_set(&err, DF_EIO, "inner");
    assert_int_equal(df_err_wrap(&err, "outer %d", 1), DF_EIO);
    assert_int_equal(df_err_wrap(&err, "top"), DF_EIO);
    assert_string_equal(err.text, "top: outer 1: inner");
    assert_int_equal(err.code, DF_EIO);
}

/* What does not fit is cut and shows it. */
static void long_texts_end_in_dots(void **state) {
    (void)state;
    df_err err;
    char text[2 * DF_ERR_TEXT_BYTES];
    memset(text, 'x', sizeof text);
    text[DF_ERR_TEXT_BYTES - 1] = '\0';
    df_err_set(&err, DF_EIO, "%s", text);
    assert_string_equal(err.text, text); /* just fits */
    text[DF_ERR_TEXT_BYTES - 1] = 'x';
    text[sizeof text - 1] = '\0';
    df_err_set(&err, DF_EIO, "%s", text);
    assert_int_equal(strlen(err.text), DF_ERR_TEXT_BYTES - 1);
    assert_string_equal(err.text + DF_ERR_TEXT_BYTES - 5, "x...");
    df_err_set(&err, DF_EIO, "inner");
    df_err_wrap(&err, "%s", text);
    assert_string_equal(err.text + DF_ERR_TEXT_BYTES - 4, "...");
    df_err_wrap(&err, "front");
    assert_memory_equal(err.text, "front: xx", 9);
    assert_string_equal(err.text + DF_ERR_TEXT_BYTES - 4, "...");
}

static void errno_becomes_a_code(void **state) {
    (void)state;
    static const struct {
        int errnum;
        df_code code;
    } cases[] = { { ENOSPC, DF_ENOSPACE }, { EDQUOT, DF_ENOSPACE }, { ENOENT, DF_ENOTFOUND }, { ENOTDIR, DF_ENOTFOUND },
                  { ENOMEM, DF_ENOMEM },   { EEXIST, DF_EEXIST },   { EIO, DF_EIO },          { EACCES, DF_EIO } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_err err;
        assert_int_equal(df_err_errno(&err, cases[i].errnum, "out/%d.png", 7), cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_memory_equal(err.text, "out/7.png: ", 11);
        assert_string_equal(err.text + 11, strerror(cases[i].errnum));
        assert_int_equal(df_err_errno(NULL, cases[i].errnum, "x"), cases[i].code);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_names_and_texts), cmocka_unit_test(set_returns_the_code),
        cmocka_unit_test(wrap_adds_in_front),         cmocka_unit_test(long_texts_end_in_dots),
        cmocka_unit_test(errno_becomes_a_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
