/* Where a file's content is: at its path, in a copy, or nowhere; and how copies come. The test is the coordinator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "worker/places.h"

enum { BYTES = 5000, PIECE = 1024 };

static char dir[] = "/tmp/df-places-XXXXXX";
static df_fetch *fetch;
static uint8_t data[BYTES];
static char sha256[DF_SHA256_HEX_BYTES];
static int64_t now_ms;

static const char *in(const char *name) {
    static char path[4][300];
    static int next;
    snprintf(path[next = (next + 1) % 4], sizeof path[0], "%s/%s", dir, name);
    return path[next];
}

static int make(void **state) {
    (void)state;
    for (int i = 0; i < BYTES; i++) data[i] = (uint8_t)(i * 11 >> 2);
    df_sha256_of(data, BYTES, sha256);
    snprintf(dir, sizeof dir, "/tmp/df-places-XXXXXX");
    return !mkdtemp(dir) || df_fetch_open(&fetch, in("cache"), 2 * BYTES + 100, NULL);
}

static int clear(void **state) {
    (void)state;
    df_fetch_close(&fetch);
    return df_file_remove_tree(dir, NULL) != DF_OK;
}

/* Answers one question, with `text` for content; false: there was none. */
static bool answer(const uint8_t *content, size_t bytes) {
    char name[DF_SHA256_HEX_BYTES];
    uint64_t offset;
    Diffarm__FileChunk c = DIFFARM__FILE_CHUNK__INIT;
    if (!df_fetch_question(fetch, ++now_ms, name, &offset)) return false;
    c.sha256 = name;
    c.offset = offset;
    c.total_bytes = bytes;
    c.data.data = (uint8_t *)content + offset;
    c.data.len = bytes - offset < PIECE ? bytes - offset : PIECE;
    df_fetch_piece(fetch, &c);
    df_fetch_piece(fetch, &c); /* twice */
    return true;
}

static void refuse(df_code code) {
    char name[DF_SHA256_HEX_BYTES];
    uint64_t offset;
    Diffarm__FileChunk c = DIFFARM__FILE_CHUNK__INIT;
    assert_true(df_fetch_question(fetch, ++now_ms, name, &offset));
    c.sha256 = name;
    c.code = code;
    c.text = (char *)"no";
    df_fetch_piece(fetch, &c);
}

static df_code find(df_places *c, const char *path, const char **at, df_err *err) {
    Diffarm__Input input = DIFFARM__INPUT__INIT;
    input.path = (char *)path;
    input.sha256 = sha256;
    return df_places_find(c, &input, at, err);
}

static void expect_content(const char *path) {
    char hex[DF_SHA256_HEX_BYTES];
    assert_int_equal(df_sha256_file(path, hex, NULL), DF_OK);
    assert_string_equal(hex, sha256);
}

static void a_file_at_its_path_is_taken_there(void **state) {
    (void)state;
    const char *at;
    df_err err;
    df_places *c = df_places_new(fetch, NULL);
    assert_int_equal(df_file_write(in("a.png"), data, BYTES, NULL), DF_OK);
    assert_int_equal(find(c, in("a.png"), &at, &err), DF_OK);
    assert_string_equal(at, in("a.png"));
    assert_int_equal(find(c, "/elsewhere", &at, &err), DF_OK); /* the content counts */
    assert_int_equal(df_file_write(in("a.png"), data, 9, NULL), DF_OK);
    assert_int_equal(find(c, in("a.png"), &at, &err), DF_ETIMEOUT);
    df_places_free(&c);
}

static void a_copy_comes_in_pieces(void **state) {
    (void)state;
    const char *at;
    df_err err;
    df_places *c = df_places_new(fetch, NULL);
    assert_int_equal(find(c, in("none.png"), &at, &err), DF_ETIMEOUT);
    assert_int_equal(find(c, in("none.png"), &at, &err), DF_ETIMEOUT);
    for (int i = 0; i < 5; i++) assert_true(answer(data, BYTES));
    assert_false(answer(data, BYTES));
    assert_int_equal(find(c, in("none.png"), &at, &err), DF_OK);
    expect_content(at);
    df_places_free(&c);
    c = df_places_new(fetch, NULL); /* another life finds it again, unless it is damaged */
    assert_int_equal(find(c, in("none.png"), &at, &err), DF_OK);
    df_places_free(&c);
    c = df_places_new(fetch, NULL);
    assert_int_equal(truncate(at = in("cache"), 0), -1);
    char copy[300];
    snprintf(copy, sizeof copy, "%s/%s", in("cache"), sha256);
    assert_int_equal(truncate(copy, 10), 0);
    assert_int_equal(find(c, in("none.png"), &at, &err), DF_ETIMEOUT);
    while (answer(data, BYTES)) {}
    assert_int_equal(find(c, in("none.png"), &at, &err), DF_OK);
    expect_content(at);
    df_places_free(&c);
}

static void outside_of_the_input_folder_a_copy_is_taken(void **state) {
    (void)state;
    const char *at;
    df_err err;
    char inputs[300];
    snprintf(inputs, sizeof inputs, "%s", in("inputs"));
    assert_int_equal(df_file_mkdirs(inputs, NULL), DF_OK);
    df_places *c = df_places_new(fetch, inputs);
    assert_int_equal(df_file_write(in("a.png"), data, BYTES, NULL), DF_OK);
    assert_int_equal(symlink(in("a.png"), in("inputs/link.png")), 0);
    assert_int_equal(find(c, in("a.png"), &at, &err), DF_ETIMEOUT);
    assert_int_equal(find(c, in("inputs/link.png"), &at, &err), DF_ETIMEOUT);
    assert_int_equal(df_file_write(in("inputs/a.png"), data, BYTES, NULL), DF_OK);
    assert_int_equal(find(c, in("inputs/a.png"), &at, &err), DF_OK);
    df_places_free(&c);
}

static void what_cannot_be_had_is_told(void **state) {
    (void)state;
    const char *at;
    df_err err;
    df_places *c = df_places_new(fetch, NULL), *alone = df_places_new(NULL, NULL);
    assert_int_equal(find(alone, in("none.png"), &at, &err), DF_ENOTFOUND);
    assert_int_equal(df_file_write(in("b.png"), "other", 5, NULL), DF_OK);
    assert_int_equal(find(alone, in("b.png"), &at, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "has changed since the job was submitted"));
    assert_int_equal(mkfifo(in("pipe"), 0600), 0);
    assert_int_equal(find(alone, in("pipe"), &at, &err), DF_EINVAL);
    assert_int_equal(find(c, in("none.png"), &at, &err), DF_ETIMEOUT);
    refuse(DF_ENOTFOUND);
    assert_int_equal(find(c, in("none.png"), &at, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "the coordinator has no copy"));
    assert_int_equal(find(c, in("none.png"), &at, &err), DF_ETIMEOUT); /* tried again */
    refuse(DF_EIO);
    assert_int_equal(find(c, in("none.png"), &at, &err), DF_EIO);
    df_places_free(&c);
    df_places_free(&alone);
}

static void a_lying_coordinator_gives_no_copy(void **state) {
    (void)state;
    char path[PATH_MAX];
    df_err err;
    static uint8_t other[BYTES];
    assert_int_equal(df_fetch_file(fetch, sha256, path, &err), DF_ETIMEOUT);
    while (answer(other, BYTES)) {}
    assert_int_equal(df_fetch_file(fetch, sha256, path, &err), DF_EFORMAT);
    assert_int_equal(df_fetch_file(fetch, sha256, path, &err), DF_ETIMEOUT);
    Diffarm__FileChunk c = DIFFARM__FILE_CHUNK__INIT;
    uint64_t offset;
    char name[DF_SHA256_HEX_BYTES];
    assert_true(df_fetch_question(fetch, ++now_ms, name, &offset));
    c.sha256 = name;
    c.total_bytes = UINT64_MAX; /* nothing is allocated for it */
    c.data.data = other;
    c.data.len = 5;
    df_fetch_piece(fetch, &c);
    assert_int_equal(df_fetch_file(fetch, sha256, path, &err), DF_ELIMIT);
    assert_int_equal(df_fetch_file(fetch, sha256, path, &err), DF_ETIMEOUT);
    assert_true(df_fetch_question(fetch, ++now_ms, name, &offset));
    c.total_bytes = 4; /* fewer than come */
    df_fetch_piece(fetch, &c);
    assert_int_equal(df_fetch_file(fetch, sha256, path, &err), DF_EPROTOCOL);
    assert_int_equal(df_fetch_file(fetch, "../../../etc/passwd", path, &err), DF_EINVAL);
}

static void questions_are_repeated_and_given_up(void **state) {
    (void)state;
    char path[PATH_MAX], name[DF_SHA256_HEX_BYTES];
    uint64_t offset;
    df_err err;
    assert_int_equal(df_fetch_file(fetch, sha256, path, &err), DF_ETIMEOUT);
    assert_true(df_fetch_question(fetch, now_ms += 1, name, &offset));
    assert_false(df_fetch_question(fetch, now_ms += 1000, name, &offset));
    df_fetch_ask_again(fetch);
    for (int i = 0; i < 12; i++) assert_true(df_fetch_question(fetch, now_ms += 5000, name, &offset));
    assert_false(df_fetch_question(fetch, now_ms += 5000, name, &offset));
    assert_int_equal(df_fetch_file(fetch, sha256, path, &err), DF_EUNREACHABLE);
}

/* Copies that nobody used of late make room; what else lies in the folder stays. */
static void the_folder_keeps_its_size(void **state) {
    (void)state;
    char path[PATH_MAX], name[80];
    df_err err;
    const struct timespec long_ago[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "cache/%064d", i);
        assert_int_equal(df_file_write(in(name), data, BYTES, NULL), DF_OK);
        if (!i) assert_int_equal(utimensat(AT_FDCWD, in(name), long_ago, 0), 0);
    }
    assert_int_equal(df_file_write(in("cache/notes"), data, BYTES, NULL), DF_OK);
    assert_int_equal(df_fetch_file(fetch, sha256, path, &err), DF_ETIMEOUT);
    while (answer(data, BYTES)) {}
    assert_int_equal(df_fetch_file(fetch, sha256, path, &err), DF_OK);
    snprintf(name, sizeof name, "cache/%064d", 0);
    assert_int_equal(access(in(name), F_OK), -1);
    snprintf(name, sizeof name, "cache/%064d", 1);
    assert_int_equal(access(in(name), F_OK), 0);
    assert_int_equal(access(in("cache/notes"), F_OK), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make, clear)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_file_at_its_path_is_taken_there),
        TEST(a_copy_comes_in_pieces),
        TEST(outside_of_the_input_folder_a_copy_is_taken),
        TEST(what_cannot_be_had_is_told),
        TEST(a_lying_coordinator_gives_no_copy),
        TEST(questions_are_repeated_and_given_up),
        TEST(the_folder_keeps_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
