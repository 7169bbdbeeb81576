/* Programs that end well, fail, crash, hang, say too much, or are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "worker/trial.h"

enum { AMPLE = 60 };

static df_trial run(const char *script, int limit_seconds) {
    df_trial p;
    const char *argv[] = { "sh", "-c", script, NULL };
    df_trial_run(&p, argv, NULL, false, limit_seconds);
    return p;
}

static void output_and_errors_are_kept(void **state) {
    (void)state;
    char line[64];
    df_trial p = run("echo; echo '--- first'; echo second >&2", AMPLE);
    assert_true(df_trial_succeeded(&p));
    assert_string_equal(df_trial_line(&p, line, sizeof line), "first");
    assert_non_null(strstr(p.text, "second"));
}

static void failures_say_how(void **state) {
    (void)state;
    char why[128];
    df_trial p = run("echo no licence >&2; exit 3", AMPLE);
    assert_false(df_trial_succeeded(&p));
    assert_string_equal(df_trial_why(&p, why, sizeof why), "exit code 3: no licence");
    p = run("kill -SEGV $$", AMPLE);
    assert_false(df_trial_succeeded(&p));
    assert_true(WIFSIGNALED(p.status) && WTERMSIG(p.status) == SIGSEGV);
}

static void what_is_not_there_is_told(void **state) {
    (void)state;
    char why[128];
    df_trial p;
    const char *argv[] = { "no-such-program-anywhere", NULL };
    df_trial_run(&p, argv, NULL, false, AMPLE);
    assert_false(p.started);
    assert_false(df_trial_succeeded(&p));
    assert_non_null(strstr(df_trial_why(&p, why, sizeof why), "no-such-program-anywhere"));
}

/* Whether it heeds the first signal or not; and what it leaves behind holds its output open. */
static void what_hangs_is_ended(void **state) {
    (void)state;
    static const char *const scripts[] = { "echo begun; exec sleep 600",
                                           "trap '' TERM; echo begun; sleep 600; sleep 600" };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        char why[128];
        df_trial p = run(scripts[i], 1);
        assert_true(p.started && p.late);
        assert_false(df_trial_succeeded(&p));
        assert_string_equal(df_trial_why(&p, why, sizeof why), "it did not end in its time: begun");
    }
}

static void a_grandchild_is_not_waited_for(void **state) {
    (void)state;
    df_trial p = run("sleep 30 & echo done", AMPLE);
    assert_true(df_trial_succeeded(&p));
    assert_string_equal(p.text, "done\n");
}

static void too_much_is_cut(void **state) {
    (void)state;
    df_trial p = run("head -c 1000000 /dev/zero | tr '\\0' x", AMPLE);
    assert_true(df_trial_succeeded(&p));
    assert_int_equal(strlen(p.text), sizeof p.text - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_errors_are_kept),     cmocka_unit_test(failures_say_how),
        cmocka_unit_test(what_is_not_there_is_told),      cmocka_unit_test(what_hangs_is_ended),
        cmocka_unit_test(a_grandchild_is_not_waited_for), cmocka_unit_test(too_much_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
