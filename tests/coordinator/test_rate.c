#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/rate.h"

static void a_steady_stream_is_measured(void **state) {
    (void)state;
    df_rate rate = { 0 };
    assert_true(df_rate_per_second(&rate, 5000) == 0);
    int64_t now = 123456;
    for (int i = 0; i < 400; i++, now += 500) df_rate_add(&rate, now);
    double r = df_rate_per_second(&rate, now);
    assert_true(r > 1.9 && r < 2.1);
    assert_int_equal(rate.total, 400);
}

static void the_first_seconds_give_no_wild_figure(void **state) {
    (void)state;
    df_rate rate = { 0 };
    for (int i = 0; i < 3; i++) df_rate_add(&rate, 1000000);
    assert_true(df_rate_per_second(&rate, 1000000) == 3);
    assert_true(df_rate_per_second(&rate, 1006000) == 0.5);
}

static void quiet_is_forgotten(void **state) {
    (void)state;
    df_rate rate = { 0 };
    for (int i = 0; i < 60; i++) df_rate_add(&rate, 1000 * i);
    assert_true(df_rate_per_second(&rate, 89000) < 0.6); /* half of the minute was quiet */
    assert_true(df_rate_per_second(&rate, 200000) == 0);
    df_rate_add(&rate, 300000);
    assert_true(df_rate_per_second(&rate, 310000) == 0.1); /* counted from the new beginning */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_steady_stream_is_measured),
        cmocka_unit_test(the_first_seconds_give_no_wild_figure),
        cmocka_unit_test(quiet_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
