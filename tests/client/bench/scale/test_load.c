/* What others take of the machine: our own work, and our children's, is not among it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/bench/scale/load.h"

static void work_for(int64_t ms) {
    int64_t until = df_clock_ms() + ms;
    while (df_clock_ms() < until) continue;
}

/* A tick is 10 ms: half a second of work is known to some percent, whatever else the machine does. */
static void own_work_is_counted_as_own(void **state) {
    (void)state;
    df_load before = df_load_now();
    pid_t pid = fork();
    if (!pid) {
        work_for(250);
        _exit(0);
    }
    work_for(250);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    df_load after = df_load_now();
    double own = after.own_seconds - before.own_seconds, others = df_load_others(&before);
    assert_true(own > 0.02 && own < 0.6);
    assert_true(others >= 0 && others <= 1);
    assert_true(after.busy_seconds - before.busy_seconds > own - 0.1);
}

static void what_is_not_known_is_negative(void **state) {
    (void)state;
    const df_load unknown = { .busy_seconds = -1, .at_seconds = 0 };
    assert_true(df_load_others(&unknown) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_work_is_counted_as_own),
        cmocka_unit_test(what_is_not_known_is_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
