#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "tests/support/golden.h"
#include "tests/support/tiny_disk.h"

static char text[4300];

static const char *in(const char *dir, const char *name) {
    snprintf(text, sizeof text, "%s/%s", dir, name);
    return text;
}

static void expect_content(const char *path, const char *want) {
    char *data;
    size_t n;
    assert_int_equal(df_file_read(path, 1 << 20, &data, &n, NULL), DF_OK);
    assert_int_equal(n, strlen(want));
    assert_string_equal(data, want);
    free(data);
}

static void writes_and_reads(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_err err;
    assert_int_equal(df_file_write(in(dir, "f"), "one", 3, &err), DF_OK);
    expect_content(in(dir, "f"), "one");
    assert_int_equal(df_file_write(in(dir, "f"), "second", 6, &err), DF_OK);
    expect_content(in(dir, "f"), "second");
    assert_int_equal(df_file_write(in(dir, "empty"), NULL, 0, &err), DF_OK);
    expect_content(in(dir, "empty"), "");
    assert_int_equal(files_in(dir), 2); /* nothing left beside */
}

/* A relative path's folder is the current one. */
static void writes_relative_paths(void **state) {
    (void)state;
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(golden_temp_dir()), 0);
    assert_int_equal(df_file_write("f", "x", 1, NULL), DF_OK);
    expect_content("f", "x");
    assert_int_equal(chdir(here), 0);
}

static void read_limits(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    char *data = NULL;
    size_t n;
    df_err err;
    assert_int_equal(df_file_write(in(dir, "f"), "12345", 5, &err), DF_OK);
    assert_int_equal(df_file_read(in(dir, "f"), 5, &data, &n, &err), DF_OK);
    free(data);
    data = NULL;
    assert_int_equal(df_file_read(in(dir, "f"), 4, &data, &n, &err), DF_ELIMIT);
    assert_int_equal(df_file_read(in(dir, "none"), 4, &data, &n, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "none: No such file"));
    assert_int_equal(df_file_read(in(dir, "f/none"), 4, &data, &n, &err), DF_ENOTFOUND); /* ENOTDIR */
    assert_int_equal(df_file_read(dir, 4, &data, &n, &err), DF_EINVAL);
    assert_int_equal(df_file_read("/dev/null", 4, &data, &n, &err), DF_EINVAL);
    assert_null(data);
}

/* A pipe that nobody writes to must not hold the reader. */
static void a_pipe_is_no_file(void **state) {
    (void)state;
    char *data = NULL;
    size_t n;
    const char *path = in(golden_temp_dir(), "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(10);
    assert_int_equal(df_file_read(path, 4, &data, &n, NULL), DF_EINVAL);
    alarm(0);
}

static void write_errors_name_the_path(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_err err;
    assert_int_equal(df_file_write(in(dir, "none/f"), "x", 1, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "none/f: "));
    assert_int_equal(df_file_write(in(dir, "f"), "x", 1, &err), DF_OK);
    assert_int_equal(df_file_write(in(dir, "f/g"), "x", 1, &err), DF_ENOTFOUND); /* ENOTDIR */
    assert_int_equal(df_file_mkdirs(in(dir, "folder"), &err), DF_OK);
    assert_int_not_equal(df_file_write(in(dir, "folder"), "x", 1, &err), DF_OK); /* a folder is in the way */
    assert_int_equal(files_in(dir), 2);
    static char path[5000];
    memset(path, 'x', sizeof path - 1);
    assert_int_equal(df_file_write(path, "x", 1, &err), DF_ELIMIT);
}

/* A write that stops half way leaves the old file and nothing beside it. */
static void a_failed_write_leaves_the_old_file(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    struct rlimit old, small = { .rlim_cur = 4096, .rlim_max = RLIM_INFINITY };
    char *big = calloc(1, 1 << 20);
    df_err err;
    assert_int_equal(df_file_write(in(dir, "f"), "old", 3, &err), DF_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    df_code rc = df_file_write(in(dir, "f"), big, 1 << 20, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, DF_EIO);
    assert_non_null(strstr(err.text, strerror(EFBIG)));
    expect_content(in(dir, "f"), "old");
    assert_int_equal(files_in(dir), 1);
    free(big);
}

static void a_full_disk_is_told(void **state) {
    (void)state;
    const char *dir = tiny_disk(64 << 10);
    char *big = calloc(1, 1 << 20);
    df_err err;
    assert_int_equal(df_file_write(in(dir, "f"), "old", 3, &err), DF_OK);
    assert_int_equal(df_file_write(in(dir, "f"), big, 1 << 20, &err), DF_ENOSPACE);
    assert_non_null(strstr(err.text, strerror(ENOSPC)));
    expect_content(in(dir, "f"), "old");
    assert_int_equal(files_in(dir), 1);
    free(big);
}

static void makes_folders(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_err err;
    assert_int_equal(df_file_mkdirs(in(dir, "a/b//c/"), &err), DF_OK);
    assert_int_equal(df_file_mkdirs(in(dir, "a/b/c"), &err), DF_OK);
    assert_int_equal(access(in(dir, "a/b/c"), W_OK), 0);
    assert_int_equal(df_file_write(in(dir, "a/f"), "x", 1, &err), DF_OK);
    assert_int_equal(df_file_mkdirs(in(dir, "a/f"), &err), DF_EEXIST);
    assert_int_equal(df_file_mkdirs(in(dir, "a/f/g"), &err), DF_EEXIST); /* stops at a/f */
    assert_int_equal(df_file_mkdirs("/", &err), DF_OK);
}

static void removes_trees(void **state) {
    (void)state;
    const char *dir = golden_temp_dir(), *other = golden_temp_dir();
    char link[4300];
    df_err err;
    assert_int_equal(df_file_mkdirs(in(dir, "a/b"), &err), DF_OK);
    assert_int_equal(df_file_write(in(dir, "a/b/f"), "x", 1, &err), DF_OK);
    assert_int_equal(df_file_write(in(other, "kept"), "x", 1, &err), DF_OK);
    snprintf(link, sizeof link, "%s/a/link", dir);
    assert_int_equal(symlink(other, link), 0);
    assert_int_equal(df_file_remove_tree(in(dir, "a"), &err), DF_OK);
    assert_int_equal(files_in(dir), 0);
    assert_int_equal(files_in(other), 1); /* no link is followed */
    assert_int_equal(df_file_remove_tree(in(dir, "a"), &err), DF_OK); /* absent is fine */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads),
        cmocka_unit_test(writes_relative_paths),
        cmocka_unit_test(read_limits),
        cmocka_unit_test(a_pipe_is_no_file),
        cmocka_unit_test(write_errors_name_the_path),
        cmocka_unit_test(a_failed_write_leaves_the_old_file),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(makes_folders),
        cmocka_unit_test(removes_trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
