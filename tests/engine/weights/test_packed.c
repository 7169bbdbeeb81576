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
#include "base/sha256.h"
#include "engine/weights/packed.h"
#include "tests/support/golden.h"

enum { A_BYTES = 128, B_BYTES = 640, MAX_FILE = 1 << 20 };

static unsigned char a[A_BYTES], b[B_BYTES];
static const char key[] = "model 0123\nunet, \"quoted\"";

typedef struct setup {
    const char *dir;
    char path[512];
} setup;

static df_packed *open_in(const char *dir, const char *of) {
    df_packed *p = NULL;
    df_err err = { 0 };
    if (df_packed_open(&p, dir, of, &err)) fail_msg("%s", err.text);
    return p;
}

static void add_both(df_packed *p) {
    assert_int_equal(df_packed_add(p, "conv/x 1", a, sizeof a, NULL), DF_OK);
    assert_int_equal(df_packed_add(p, "linear/x 1", b, sizeof b, NULL), DF_OK);
    assert_int_equal(df_packed_save(p, NULL), DF_OK);
}

/* A folder with one file, of a and b. */
static setup fill(void) {
    char hex[DF_SHA256_HEX_BYTES];
    setup s = { .dir = golden_temp_dir() };
    for (size_t i = 0; i < sizeof a; i++) a[i] = (unsigned char)(i * 7);
    for (size_t i = 0; i < sizeof b; i++) b[i] = (unsigned char)(i * i);
    df_packed *p = open_in(s.dir, key);
    assert_null(df_packed_find(p, "conv/x 1", sizeof a));
    add_both(p);
    df_packed_close(&p);
    df_sha256_of(key, strlen(key), hex);
    snprintf(s.path, sizeof s.path, "%s/%s.safetensors", s.dir, hex);
    return s;
}

static bool holds(df_packed *p, const char *name, const void *want, size_t bytes) {
    const void *got = df_packed_find(p, name, bytes);
    assert_int_equal((size_t)got % 64, 0);
    return got && !memcmp(got, want, bytes);
}

static ino_t file_of(const setup *s) {
    struct stat st;
    assert_int_equal(stat(s->path, &st), 0);
    return st.st_ino;
}

static void what_was_added_is_found(void **state) {
    (void)state;
    setup s = fill();
    ino_t before = file_of(&s);
    df_packed *p = open_in(s.dir, key);
    assert_true(df_packed_has(p, "conv/") && df_packed_has(p, "linear/"));
    assert_false(df_packed_has(p, "con/"));
    assert_true(holds(p, "conv/x 1", a, sizeof a) && holds(p, "linear/x 1", b, sizeof b));
    assert_int_equal(df_packed_save(p, NULL), DF_OK);
    df_packed_close(&p);
    assert_int_equal(file_of(&s), before); /* all was there: nothing is written */
    p = open_in(s.dir, "another key");
    assert_false(df_packed_has(p, "conv/"));
    assert_null(df_packed_find(p, "conv/x 1", sizeof a));
    df_packed_close(&p);
}

/* A shape, a version or a vector width has changed: what is still right is kept, the rest made anew. */
static void what_does_not_fit_is_made_anew(void **state) {
    (void)state;
    setup s = fill();
    df_packed *p = open_in(s.dir, key);
    assert_true(holds(p, "conv/x 1", a, sizeof a));
    assert_null(df_packed_find(p, "linear/x 1", sizeof b - 64));
    assert_null(df_packed_find(p, "linear/x 2", sizeof b));
    assert_int_equal(df_packed_add(p, "linear/x 2", b, sizeof b, NULL), DF_OK);
    assert_int_equal(df_packed_save(p, NULL), DF_OK);
    df_packed_close(&p);
    p = open_in(s.dir, key);
    assert_true(holds(p, "conv/x 1", a, sizeof a) && holds(p, "linear/x 2", b, sizeof b));
    assert_null(df_packed_find(p, "linear/x 1", sizeof b));
    df_packed_close(&p);
}

static void odd_sizes_are_not_kept(void **state) {
    (void)state;
    setup s = fill();
    df_packed *p = open_in(s.dir, "odd");
    assert_int_equal(df_packed_add(p, "conv/x", a, 100, NULL), DF_OK);
    assert_int_equal(df_packed_save(p, NULL), DF_OK);
    df_packed_close(&p);
    p = open_in(s.dir, "odd");
    assert_null(df_packed_find(p, "conv/x", 100));
    df_packed_close(&p);
}

/* Whatever has become of the file: what is found is right, and after one run all is there again. */
static void check_mended(const setup *s) {
    df_packed *p = open_in(s->dir, key);
    if (!holds(p, "conv/x 1", a, sizeof a)) {
        assert_null(df_packed_find(p, "conv/x 1", sizeof a));
        assert_int_equal(df_packed_add(p, "conv/x 1", a, sizeof a, NULL), DF_OK);
    }
    if (!holds(p, "linear/x 1", b, sizeof b)) {
        assert_null(df_packed_find(p, "linear/x 1", sizeof b));
        assert_int_equal(df_packed_add(p, "linear/x 1", b, sizeof b, NULL), DF_OK);
    }
    assert_int_equal(df_packed_save(p, NULL), DF_OK);
    df_packed_close(&p);
    p = open_in(s->dir, key);
    assert_true(holds(p, "conv/x 1", a, sizeof a) && holds(p, "linear/x 1", b, sizeof b));
    df_packed_close(&p);
}

static void damage_is_found_and_mended(void **state) {
    (void)state;
    setup s = fill();
    char *whole = NULL;
    size_t bytes;
    assert_int_equal(df_file_read(s.path, MAX_FILE, &whole, &bytes, NULL), DF_OK);
    for (size_t at = 0; at < bytes; at += 5) {
        whole[at] ^= 4;
        assert_int_equal(df_file_write(s.path, whole, bytes, NULL), DF_OK);
        check_mended(&s);
        whole[at] ^= 4;
    }
    for (size_t n = 0; n < bytes; n += 37) {
        assert_int_equal(df_file_write(s.path, whole, n, NULL), DF_OK);
        check_mended(&s);
    }
    free(whole);
}

/* The name says one key, the file another. */
static void a_file_of_another_key_is_none(void **state) {
    (void)state;
    setup s = fill();
    char hex[DF_SHA256_HEX_BYTES], path[512];
    df_sha256_of("other", 5, hex);
    snprintf(path, sizeof path, "%s/%s.safetensors", s.dir, hex);
    assert_int_equal(rename(s.path, path), 0);
    df_packed *p = open_in(s.dir, "other");
    assert_null(df_packed_find(p, "conv/x 1", sizeof a));
    df_packed_close(&p);
}

static void a_folder_that_cannot_be_is_an_error(void **state) {
    (void)state;
    setup s = fill();
    df_err err = { 0 };
    df_packed *p = open_in(s.path, key); /* a file stands where the folder should */
    assert_int_equal(df_packed_add(p, "conv/x 1", a, sizeof a, NULL), DF_OK);
    assert_int_not_equal(df_packed_save(p, &err), DF_OK);
    assert_non_null(strstr(err.text, s.path));
    df_packed_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found),       cmocka_unit_test(what_does_not_fit_is_made_anew),
        cmocka_unit_test(odd_sizes_are_not_kept),        cmocka_unit_test(damage_is_found_and_mended),
        cmocka_unit_test(a_file_of_another_key_is_none), cmocka_unit_test(a_folder_that_cannot_be_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
