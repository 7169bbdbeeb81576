#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "worker/child.h"
#include "worker/pulse.h"

static void listen_until(df_pulse_ear *e, int64_t n_heard) {
    int64_t until = df_clock_ms() + 20000;
    while (e->n_heard < n_heard && df_clock_ms() < until) df_pulse_ear_listen(e, 20);
    assert_true(e->n_heard >= n_heard);
}

static void a_pulse_is_heard(void **state) {
    df_pulse_ear ear;
    df_pulse *pulse = NULL;
    df_err err;
    (void)state;
    assert_int_equal(df_pulse_ear_open(&ear, &err), DF_OK);
    int64_t start = df_clock_ms();
    assert_int_equal(df_pulse_start(&pulse, ear.write_fd, &err), DF_OK);
    listen_until(&ear, 3);
    df_pulse_stop(&pulse);
    assert_true(df_clock_ms() - start >= 2 * DF_PULSE_PERIOD_MS);
    assert_int_equal(ear.silent_ms, 0);
    df_pulse_ear_listen(&ear, 0);
    df_pulse_ear_reset(&ear);
    df_pulse_ear_listen(&ear, 2 * DF_PULSE_PERIOD_MS);
    assert_int_equal(ear.n_heard, 0); /* it was stopped */
    assert_true(ear.silent_ms >= DF_PULSE_PERIOD_MS);
    df_clock_sleep_ms(3000); /* nobody was silent while nobody listened */
    df_pulse_ear_listen(&ear, 0);
    assert_true(ear.silent_ms < 3000);
    df_pulse_stop(&pulse);
    df_pulse_ear_close(&ear);
}

/* A pulse that nobody has touched for long would rest; one that is touched goes on. Touching none does nothing. */
static void a_pulse_is_touched(void **state) {
    df_pulse_ear ear;
    df_pulse *pulse = NULL;
    (void)state;
    df_pulse_touch(NULL);
    assert_int_equal(df_pulse_ear_open(&ear, NULL), DF_OK);
    assert_int_equal(df_pulse_start(&pulse, ear.write_fd, NULL), DF_OK);
    df_pulse_touch(pulse);
    listen_until(&ear, 1);
    df_pulse_stop(&pulse);
    df_pulse_ear_close(&ear);
}

/* Through a child's output, among text: the text comes out alone. */
static void what_else_is_written_is_handed_on(void **state) {
    const char *const argv[] = { "sh", "-c", "printf 'one\\026two\\026'; printf 'to stderr\\026' >&2", NULL };
    df_pulse_ear ear;
    int ours[2], status;
    char text[64] = "";
    pid_t pid;
    (void)state;
    assert_int_equal(df_pulse_ear_open(&ear, NULL), DF_OK);
    const df_child_cfg child = { .argv = argv, .output_fd = ear.write_fd };
    assert_int_equal(df_child_start(&pid, &child, NULL), DF_OK);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(pipe(ours), 0);
    int kept = dup(STDOUT_FILENO);
    dup2(ours[1], STDOUT_FILENO);
    df_pulse_ear_listen(&ear, 1000);
    dup2(kept, STDOUT_FILENO);
    assert_int_equal(read(ours[0], text, sizeof text), 6);
    assert_string_equal(text, "onetwo");
    assert_int_equal(ear.n_heard, 2);
    close(kept);
    close(ours[0]);
    close(ours[1]);
    df_pulse_ear_close(&ear);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pulse_is_heard),
        cmocka_unit_test(a_pulse_is_touched),
        cmocka_unit_test(what_else_is_written_is_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
