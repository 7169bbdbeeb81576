#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/schedule.h"

static bool as_told(const void *ctx, int i) {
    return ((const bool *)ctx)[i];
}

static void the_oldest_that_is_ready_runs(void **state) {
    (void)state;
    const df_turn turns[] = { { true, 7, 0, 1, 2 }, { true, 5, 1, 0, 1 }, { true, 6, 2, 0, 1 }, { false, 1, 0, 0, 2 } };
    assert_int_equal(df_turn_next(turns, 4, as_told, (const bool[]) { true, true, true, true }), 1);
    assert_int_equal(df_turn_next(turns, 4, as_told, (const bool[]) { true, false, true, true }), 2);
    assert_int_equal(df_turn_next(turns, 4, as_told, (const bool[]) { true, false, false, true }), 0);
    assert_int_equal(df_turn_next(turns, 4, as_told, (const bool[4]) { false }), -1);
}

static void what_has_run_all_its_segments_waits_for_its_messages_only(void **state) {
    (void)state;
    const df_turn turns[] = { { true, 1, 0, 2, 2 }, { true, 2, 0, 0, 2 } };
    assert_int_equal(df_turn_next(turns, 2, as_told, (const bool[]) { true, true }), 1);
}

/* The younger command's message on an edge would arrive where the older one's is expected. */
static void a_command_never_overtakes_one_of_its_program(void **state) {
    (void)state;
    const bool late[] = { false, true };
    const df_turn same[] = { { true, 1, 3, 0, 2 }, { true, 2, 3, 0, 2 } };
    const df_turn behind[] = { { true, 1, 3, 1, 2 }, { true, 2, 3, 0, 2 } };
    const df_turn others[] = { { true, 1, 3, 0, 2 }, { true, 2, 4, 0, 2 } };
    assert_int_equal(df_turn_next(same, 2, as_told, late), -1);
    assert_int_equal(df_turn_next(behind, 2, as_told, late), 1);
    assert_int_equal(df_turn_next(others, 2, as_told, late), 1);
}

static void pictures_spread_over_the_slots_that_help(void **state) {
    (void)state;
    assert_int_equal(df_batch_share(8, 1, 1, 1, 8), 8);
    assert_int_equal(df_batch_share(8, 2, 1, 4, 8), 3); /* one for each stage, one on its way */
    assert_int_equal(df_batch_share(8, 2, 2, 4, 8), 4); /* two halves of one stage each */
    assert_int_equal(df_batch_share(9, 4, 2, 4, 8), 3);
    assert_int_equal(df_batch_share(8, 4, 1, 2, 8), 4);
    assert_int_equal(df_batch_share(100, 2, 1, 4, 8), 8);
    assert_int_equal(df_batch_share(0, 2, 1, 4, 8), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_that_is_ready_runs),
        cmocka_unit_test(what_has_run_all_its_segments_waits_for_its_messages_only),
        cmocka_unit_test(a_command_never_overtakes_one_of_its_program),
        cmocka_unit_test(pictures_spread_over_the_slots_that_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
