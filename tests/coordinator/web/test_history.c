/* Samples of a job's progress: bounded, equally spaced, of the whole time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/web/history.h"

static void a_sample_a_second_at_first(void **state) {
    (void)state;
    df_history h = { 0 };
    for (int64_t ms = 0; ms <= 10000; ms += 250) df_history_add(&h, 5000 + ms, (double)ms);
    assert_int_equal(h.n, 11);
    for (size_t i = 0; i < h.n; i++) assert_true(h.at[i] == 1000.0 * (double)i);
}

static void a_long_job_keeps_its_beginning(void **state) {
    (void)state;
    df_history h = { 0 };
    for (int64_t s = 0; s < 100000; s++) df_history_add(&h, s * 1000, (double)s);
    assert_true(h.n > DF_HISTORY_POINTS / 2 && h.n <= DF_HISTORY_POINTS);
    for (size_t i = 0; i < h.n; i++) assert_true(h.at[i] == (double)((int64_t)i * h.step_ms / 1000));
    assert_true((int64_t)h.n * h.step_ms >= 100000000);
}

static void a_gap_is_filled(void **state) {
    (void)state;
    df_history h = { 0 };
    df_history_add(&h, 0, 1);
    df_history_add(&h, 3600000, 2); /* the machine slept an hour */
    assert_true(h.n <= DF_HISTORY_POINTS);
    assert_true(h.at[0] == 1 && h.at[1] == 2 && h.at[h.n - 1] == 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_a_second_at_first),
        cmocka_unit_test(a_long_job_keeps_its_beginning),
        cmocka_unit_test(a_gap_is_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
