/* A crew does each piece once, and its owner sees all that was done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "coordinator/crew.h"

enum { N_PIECES = 1000, N_ROUNDS = 200 };

static void do_one(void *ctx, size_t i) { /* not atomic: a piece is one thread's alone */
    int *done = ctx;
    done[i]++;
}

static void each_piece_is_done_once(void **state) {
    static int done[N_PIECES];
    df_err err;
    (void)state;
    for (int n_helpers = 0; n_helpers <= 3; n_helpers++) {
        df_crew *crew = NULL;
        assert_int_equal(df_crew_open(&crew, n_helpers, &err), DF_OK);
        memset(done, 0, sizeof done);
        for (int round = 1; round <= N_ROUNDS; round++) {
            size_t n = (size_t)round * 7 % N_PIECES;
            memset(done, 0, sizeof done);
            df_crew_share(crew, do_one, done, n);
            for (size_t i = 0; i < N_PIECES; i++) assert_int_equal(done[i], i < n);
        }
        df_crew_close(&crew);
        assert_null(crew);
    }
}

static void nobody_is_a_crew_as_well(void **state) {
    int done[3] = { 0 };
    (void)state;
    df_crew_share(NULL, do_one, done, 3);
    assert_true(done[0] == 1 && done[1] == 1 && done[2] == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_piece_is_done_once),
        cmocka_unit_test(nobody_is_a_crew_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
