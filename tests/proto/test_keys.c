/* Key files: what is written is read again, and what others could have read or changed is refused. */
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

#include "base/file.h"
#include "proto/keys.h"

static int open_dir(void **state) {
    char *dir = strdup("/tmp/df-keys-XXXXXX");
    *state = dir;
    return mkdtemp(dir) == NULL;
}

static int close_dir(void **state) {
    df_code rc = df_file_remove_tree(*state, NULL);
    free(*state);
    return rc != DF_OK;
}

static const char *in(const char *dir, const char *name) {
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void a_pair_is_read_as_it_was_written(void **state) {
    df_key_pair pair, again;
    df_err err;
    struct stat is;
    const char *path = in(*state, "work.key");
    assert_int_equal(df_key_pair_new(&pair, &err), DF_OK);
    assert_int_equal(df_key_pair_write(&pair, path, &err), DF_OK);
    assert_int_equal(stat(path, &is), 0);
    assert_int_equal(is.st_mode & 0777, 0600);
    assert_int_equal(df_key_pair_read(&again, path, &err), DF_OK);
    assert_string_equal(again.public_key, pair.public_key);
    assert_string_equal(again.secret_key, pair.secret_key);
    assert_int_equal(df_key_pair_write(&pair, path, &err), DF_EEXIST);
    df_key_pair_forget(&again);
    assert_int_equal(again.secret_key[0], 0);
}

static void a_key_that_others_can_read_is_refused(void **state) {
    df_key_pair pair;
    df_err err;
    const char *path = in(*state, "work.key");
    static const mode_t open_modes[] = { 0640, 0604, 0620, 0602, 0666 };
    assert_int_equal(df_key_pair_new(&pair, &err), DF_OK);
    assert_int_equal(df_key_pair_write(&pair, path, &err), DF_OK);
    for (size_t i = 0; i < sizeof open_modes / sizeof *open_modes; i++) {
        assert_int_equal(chmod(path, open_modes[i]), 0);
        assert_int_equal(df_key_pair_read(&pair, path, &err), DF_EINVAL);
        assert_non_null(strstr(err.text, "chmod 600"));
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(df_key_pair_read(&pair, path, &err), DF_OK);
}

static void bad_files_are_told_by_name(void **state) {
    static const char *const texts[] = {
        "",
        "public short\nsecret short\n",
        "\n\n\n",
        "public \xff\xff\n",
        "public aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", /* no secret */
        "public aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nsecret a\n",
        "public ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\nsecret ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n",
    };
    df_key_pair pair;
    df_err err;
    const char *path = in(*state, "work.key");
    assert_int_equal(df_key_pair_read(&pair, path, &err), DF_ENOTFOUND);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(df_file_write(path, texts[i], strlen(texts[i]), &err), DF_OK);
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(df_key_pair_read(&pair, path, &err), DF_EFORMAT);
        assert_non_null(strstr(err.text, "work.key"));
    }
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_not_equal(df_key_pair_read(&pair, path, &err), DF_OK);
}

/* A worker's folder given to a command of clients, and the other way round. */
static void the_role_that_is_needed_is_told(void **state) {
    static const char *const clients[] = { DF_ROLE_SUBMIT, DF_ROLE_WATCH, NULL }, *const workers[] = { DF_ROLE_WORK,
                                                                                                       NULL };
    df_key_pair pair;
    df_err err;
    char line[64];
    assert_int_equal(df_key_pair_new(&pair, &err), DF_OK);
    snprintf(line, sizeof line, "public %s\n", pair.public_key);
    assert_int_equal(df_file_write(in(*state, "coordinator.pub"), line, strlen(line), &err), DF_OK);
    assert_int_equal(df_curve_connect(NULL, *state, workers, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "no work.key in it (there is none of any role)"));
    assert_int_equal(df_key_pair_write(&pair, in(*state, "work.key"), &err), DF_OK);
    assert_int_equal(df_curve_connect(NULL, *state, clients, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text,
                           "no submit.key or watch.key in it (there is work.key); this needs a key of the role "
                           "submit"));
    df_key_pair_forget(&pair);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_dir, close_dir)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_pair_is_read_as_it_was_written),
        TEST(a_key_that_others_can_read_is_refused),
        TEST(bad_files_are_told_by_name),
        TEST(the_role_that_is_needed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
