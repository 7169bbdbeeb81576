/* Pictures beside OUT: what they are called, and that they come into the right OUT or nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "proto/beside.h"

#define JOB "1111111111111111"
#define TOKEN "1-0123456789abcdef-7"

static int make_out(void **state) {
    char *dir = strdup("/tmp/df-beside-XXXXXX"), path[300];
    *state = dir;
    if (!mkdtemp(dir)) return 1;
    snprintf(path, sizeof path, "%s/.diffarm", dir);
    if (df_file_mkdirs(path, NULL)) return 1;
    snprintf(path, sizeof path, "%s/.diffarm/job", dir);
    return df_file_write(path, JOB, strlen(JOB), NULL) != DF_OK;
}

static int remove_out(void **state) {
    df_code rc = df_file_remove_tree(*state, NULL);
    free(*state);
    return rc != DF_OK;
}

static void expect_file(const char *dir, const char *name, const char *text) {
    char path[400], *data;
    size_t bytes;
    snprintf(path, sizeof path, "%s/.diffarm/beside/%s", dir, name);
    if (!text) {
        assert_int_equal(access(path, F_OK), -1);
        return;
    }
    assert_int_equal(df_file_read(path, 100, &data, &bytes, NULL), DF_OK);
    assert_string_equal(data, text);
    free(data);
}

static void names_are_of_token_and_row(void **state) {
    (void)state;
    char name[DF_BESIDE_NAME_BYTES];
    static const char *const bad[] = { "", "../x", "a/b", "ABC", "1 2", ".", "1.2" };
    assert_true(df_beside_name(name, TOKEN, UINT64_MAX));
    assert_string_equal(name, TOKEN "-18446744073709551615.png");
    assert_int_equal(df_beside_token_chars(name), strlen(TOKEN));
    assert_int_equal(df_beside_token_chars("picture"), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(df_beside_name(name, bad[i], 1));
    char longest[65];
    memset(longest, 'a', 64);
    longest[64] = '\0';
    assert_false(df_beside_name(name, longest, 1));
    longest[63] = '\0';
    assert_true(df_beside_name(name, longest, UINT64_MAX));
}

static void it_is_written_and_written_anew(void **state) {
    assert_int_equal(df_beside_write(*state, JOB, TOKEN, 5, "first", 5, NULL), DF_OK);
    expect_file(*state, TOKEN "-5.png", "first");
    assert_int_equal(df_beside_write(*state, JOB, TOKEN, 5, "2nd", 3, NULL), DF_OK);
    expect_file(*state, TOKEN "-5.png", "2nd");
}

/* A power cut in the middle of a rename may leave a picture under both names. */
static void a_second_name_is_not_written_through(void **state) {
    char from[400], to[400], *data;
    size_t bytes;
    assert_int_equal(df_beside_write(*state, JOB, TOKEN, 5, "first", 5, NULL), DF_OK);
    snprintf(from, sizeof from, "%s/.diffarm/beside/%s-5.png", (char *)*state, TOKEN);
    snprintf(to, sizeof to, "%s/placed.png", (char *)*state);
    assert_int_equal(link(from, to), 0);
    assert_int_equal(df_beside_write(*state, JOB, TOKEN, 5, "other", 5, NULL), DF_OK);
    assert_int_equal(df_file_read(to, 100, &data, &bytes, NULL), DF_OK);
    assert_string_equal(data, "first");
    free(data);
}

static void another_out_is_left_alone(void **state) {
    df_err err;
    char path[300];
    assert_int_equal(df_beside_write(*state, "2222222222222222", TOKEN, 5, "x", 1, &err), DF_EEXIST);
    assert_non_null(strstr(err.text, "belongs to job \"" JOB "\", not to 2222222222222222"));
    expect_file(*state, TOKEN "-5.png", NULL);
    assert_int_equal(df_beside_write("/nowhere/at/all", JOB, TOKEN, 5, "x", 1, &err), DF_ENOTFOUND);
    assert_int_equal(df_beside_write(*state, JOB, "../../x", 5, "x", 1, &err), DF_EINVAL);
    snprintf(path, sizeof path, "%s/.diffarm/job", (char *)*state);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(df_beside_write(*state, JOB, TOKEN, 5, "x", 1, &err), DF_ENOTFOUND);
}

static void links_are_not_followed(void **state) {
    df_err err;
    char path[300], name[400];
    snprintf(path, sizeof path, "%s/.diffarm/beside", (char *)*state);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_int_equal(df_beside_write(*state, JOB, TOKEN, 5, "x", 1, &err), DF_ENOTFOUND);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(df_file_mkdirs(path, NULL), DF_OK);
    snprintf(name, sizeof name, "%s/%s-5.png", path, TOKEN);
    snprintf(path, sizeof path, "%s/aim", (char *)*state);
    assert_int_equal(symlink(path, name), 0);
    assert_int_equal(df_beside_write(*state, JOB, TOKEN, 5, "x", 1, &err), DF_OK); /* the link is replaced */
    assert_int_equal(access(path, F_OK), -1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_out, remove_out)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_of_token_and_row),
        TEST(it_is_written_and_written_anew),
        TEST(a_second_name_is_not_written_through),
        TEST(another_out_is_left_alone),
        TEST(links_are_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
