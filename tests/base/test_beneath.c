/* Files below a folder: all that lies there is reached, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/file.h"

static char top[] = "/tmp/df-beneath-XXXXXX", folder[64];

static const char *in(const char *name) {
    static char path[4][300];
    static int next;
    snprintf(path[next = (next + 1) % 4], sizeof path[0], "%s/%s", top, name);
    return path[next];
}

static int make(void **state) {
    (void)state;
    if (!mkdtemp(top)) return 1;
    snprintf(folder, sizeof folder, "%s/in", top);
    if (df_file_mkdirs(in("in/a/b"), NULL) || df_file_mkdirs(in("inner"), NULL)) return 1;
    if (df_file_write(in("in/a/b/x"), "x", 1, NULL) || df_file_write(in("inner/x"), "y", 1, NULL)) return 1;
    if (df_file_write(in("secret"), "s", 1, NULL) || mkfifo(in("in/pipe"), 0600)) return 1;
    return symlink("../secret", in("in/link")) || symlink("..", in("in/up")) || symlink("a", in("in/a2")) ||
           symlink(folder, in("alias"));
}

static int remove_all(void **state) {
    (void)state;
    return df_file_remove_tree(top, NULL) != DF_OK;
}

static df_code try(const char *from, const char *path, char *first) {
    int fd = -1;
    df_err err = { 0 };
    df_code rc = df_beneath_open(&fd, from, path, &err);
    *first = '\0';
    if (rc) {
        assert_non_null(strstr(err.text, path));
        return rc;
    }
    assert_int_equal(read(fd, first, 1), 1);
    close(fd);
    return rc;
}

static void what_lies_below_is_reached(void **state) {
    (void)state;
    char first;
    const char *const good[] = { "a/b/x", "./a//b/./x", in("in/a/b/x"), in("in//a/b/x") };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(try(folder, good[i], &first), DF_OK);
        assert_int_equal(first, 'x');
    }
    assert_int_equal(try(in("alias"), "a/b/x", &first), DF_OK);
    assert_int_equal(try(in("alias"), in("alias/a/b/x"), &first), DF_OK);
    assert_int_equal(try(in("alias"), in("in/a/b/x"), &first), DF_OK);
    assert_int_equal(try(in("in/"), in("in/a/b/x"), &first), DF_OK);
    assert_int_equal(try("/", in("secret"), &first), DF_OK);
}

static void nothing_else_is(void **state) {
    (void)state;
    char first;
    const char *const bad[] = { "../secret",   "a/../../secret", "a/../a/b/x", in("secret"),
                                in("inner/x"), "/etc/hostname",  "link",       "up/secret",
                                "a2/b/x",      "a/b/x/y",        "a",          "pipe" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (try(folder, bad[i], &first) != DF_EINVAL) fail_msg("%s", bad[i]);
    assert_int_equal(try(folder, "a/none", &first), DF_ENOTFOUND);
    assert_int_equal(try(folder, "none/x", &first), DF_ENOTFOUND);
    assert_int_equal(try(in("nowhere"), "x", &first), DF_ENOTFOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_below_is_reached),
        cmocka_unit_test(nothing_else_is),
    };
    return cmocka_run_group_tests(tests, make, remove_all);
}
