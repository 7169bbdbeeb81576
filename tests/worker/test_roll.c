#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "worker/roll.h"

/* What is left of the text when the roll has taken its part. */
static void take_all(df_roll *r, const char *data, size_t n, char *rest) {
    for (size_t i = 0; i < n; i++)
        if (!df_roll_take(r, data[i])) *rest++ = data[i];
    *rest = '\0';
}

static size_t written(int fd, char *data, size_t bytes) {
    ssize_t n = read(fd, data, bytes);
    assert_true(n > 0);
    return (size_t)n;
}

static void test_who_never_left_is_missing(void **state) {
    (void)state;
    char data[2048], rest[2048];
    df_roll r = { 0 };
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    for (int i = 0; i < 13; i++) df_roll_come(fd[1], i);
    df_roll_tell(fd[1], 12, "stage 12 of unet 16x16, step 4");
    assert_int_equal(write(fd[1], "a line\n", 7), 7);
    for (int i = 0; i < 13; i++)
        if (i != 3 && i != 12) df_roll_leave(fd[1], i);
    df_roll_tell(fd[1], 3, "idle");
    take_all(&r, data, written(fd[0], data, sizeof data), rest);
    assert_string_equal(rest, "a line\n");
    assert_int_equal(df_roll_missing(&r, 0), 3);
    assert_int_equal(df_roll_missing(&r, 4), 12);
    assert_int_equal(df_roll_missing(&r, 13), -1);
    assert_string_equal(r.rank[12].where, "stage 12 of unet 16x16, step 4");
    assert_string_equal(r.rank[3].where, "idle");
    assert_string_equal(r.rank[0].where, "");
    close(fd[0]);
    close(fd[1]);
}

/* Who never came is not missed: the ranks of a program that nobody asked to answer. */
static void test_nobody_came(void **state) {
    (void)state;
    const df_roll r = { 0 };
    assert_int_equal(df_roll_missing(&r, 0), -1);
}

static void test_a_long_text_is_cut(void **state) {
    (void)state;
    char where[1000], data[2048], rest[2048];
    df_roll r = { 0 };
    int fd[2];
    memset(where, 'x', sizeof where);
    where[sizeof where - 1] = '\0';
    assert_int_equal(pipe(fd), 0);
    df_roll_tell(fd[1], 0, where);
    take_all(&r, data, written(fd[0], data, sizeof data), rest);
    assert_string_equal(rest, "");
    assert_int_equal(strlen(r.rank[0].where), DF_ROLL_WHERE_BYTES - 1);
    close(fd[0]);
    close(fd[1]);
}

/* Cut, too long, of no rank: dropped, and what follows is heard. */
static void test_nonsense_is_dropped(void **state) {
    (void)state;
    static const char *const bad[] = { "\x01\x04",   "\x01+\x04",  "\x01+64\x04", "\x01+-1\x04",
                                       "\x01?3\x04", "\x01=3\x04", "\x01=3x\x04", "\x01+\x01-\x04" };
    char rest[2048], endless[2000];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        df_roll r = { 0 };
        take_all(&r, bad[i], strlen(bad[i]), rest);
        assert_string_equal(rest, "");
        assert_int_equal(df_roll_missing(&r, 0), -1);
        take_all(&r, "text\x01+5\x04", 8, rest);
        assert_string_equal(rest, "text");
        assert_int_equal(df_roll_missing(&r, 0), 5);
    }
    df_roll r = { 0 };
    memset(endless, 'x', sizeof endless);
    endless[0] = '\x01';
    take_all(&r, endless, sizeof endless, rest);
    assert_true(strlen(rest) > 1000); /* it was no entry */
    take_all(&r, "\x01+5\x04", 4, rest);
    assert_int_equal(df_roll_missing(&r, 0), 5);
}

/* srun hands on whole lines: an entry ends one, and that is no line of the text around it. */
static void test_entries_are_lines(void **state) {
    (void)state;
    char data[64], rest[64];
    df_roll r = { 0 };
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    df_roll_come(fd[1], 11);
    size_t n = written(fd[0], data, sizeof data);
    assert_int_equal(data[n - 1], '\n');
    df_roll_tell(fd[1], 11, "idle");
    n = written(fd[0], data, sizeof data);
    assert_int_equal(data[n - 1], '\n');
    take_all(&r, "text \x01+5\x04\nand more\n\n", 20, rest);
    assert_string_equal(rest, "text and more\n\n");
    close(fd[0]);
    close(fd[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_never_left_is_missing), cmocka_unit_test(test_nobody_came),
        cmocka_unit_test(test_a_long_text_is_cut),        cmocka_unit_test(test_nonsense_is_dropped),
        cmocka_unit_test(test_entries_are_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
