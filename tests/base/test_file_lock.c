#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file_lock.h"
#include "tests/support/golden.h"

static const char *lock_path(void) {
    static char path[512];
    if (!path[0]) snprintf(path, sizeof path, "%s/lock", golden_temp_dir());
    return path;
}

static void test_one_holds_it(void **state) {
    (void)state;
    df_file_lock a = df_file_lock_take(lock_path(), 0);
    assert_true(a.fd >= 0);
    int64_t start = df_clock_ms();
    df_file_lock b = df_file_lock_take(lock_path(), 60);
    assert_int_equal(b.fd, -1);
    assert_true(df_clock_ms() - start >= 60);
    df_file_lock_drop(&a);
    b = df_file_lock_take(lock_path(), 0);
    assert_true(b.fd >= 0);
    df_file_lock_drop(&b);
    df_file_lock_drop(&b);
}

/* Whoever dies with it leaves it to the next. */
static void test_the_dead_hold_nothing(void **state) {
    (void)state;
    pid_t child = fork();
    if (!child) _exit(df_file_lock_take(lock_path(), 0).fd < 0);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    df_file_lock a = df_file_lock_take(lock_path(), 0);
    assert_true(a.fd >= 0);
    df_file_lock_drop(&a);
}

static void test_a_folder_that_is_not_there(void **state) {
    (void)state;
    assert_int_equal(df_file_lock_take("/nowhere/at/all/lock", 1000).fd, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_holds_it),
        cmocka_unit_test(test_the_dead_hold_nothing),
        cmocka_unit_test(test_a_folder_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
