/* Ids of jobs among what a submission has printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/slurm/wait.h"

static void ids_are_found_among_other_lines(void **state) {
    (void)state;
    static const struct {
        const char *printed, *ids;
    } cases[] = { { "", "" },
                  { "12\n", "12" },
                  { "12;cluster\n13", "12,13" },
                  { "diffarm: a word\n7\n\n3 of 4 pictures\n2026-11-27\n8\n", "7,8" },
                  { " 9\n", "" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char ids[64];
        df_slurm_ids(cases[i].printed, ids, sizeof ids);
        assert_string_equal(ids, cases[i].ids);
    }
}

static void what_has_no_room_is_left_out_whole(void **state) {
    (void)state;
    char ids[8];
    df_slurm_ids("123\n456\n789\n", ids, sizeof ids);
    assert_string_equal(ids, "123,456");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_found_among_other_lines),
        cmocka_unit_test(what_has_no_room_is_left_out_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
