/* The slowest tail: rows that a slow worker still has are lent once more; the picture that comes first is kept. The
 * test owns the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/coordinator/bench.h"

enum { N_ROWS = 4, LONG_MS = 120000 };

/* A job that "slow" has all rows of, far over its time, and which "fast" has been lent a copy of. */
typedef struct tail {
    bench *b;
    char *slow, *fast; /* tokens */
} tail;

static void beat_for(bench *b, const char *slow, const char *fast, int64_t ms) {
    for (int64_t gone = 0; gone < ms; gone += 2000) {
        if (slow) bench_beat(b, "slow", slow);
        bench_beat(b, "fast", fast);
        bench_wait(b, 2000);
    }
}

static tail begin(bench *b) {
    tail t = { .b = b };
    assert_int_equal(bench_submit(b, JOB_1, b->out, N_ROWS, NULL), DF_OK);
    bench_hello(b, "slow", NULL, NULL);
    t.slow = strdup(bench_ask(b, "slow", N_ROWS, 1)->token);
    bench_hello(b, "fast", NULL, NULL);
    assert_null(bench_ask(b, "fast", N_ROWS, 100)); /* nothing is left, and "slow" is in its time */
    for (int i = 0; i < LONG_MS / 2000 && !bench_count(b, "fast", DIFFARM__MESSAGE__BODY_LEASE); i++)
        beat_for(b, t.slow, NULL, 2000);
    Diffarm__Message *m = bench_heard(b, "fast", DIFFARM__MESSAGE__BODY_LEASE);
    assert_non_null(m);
    assert_int_equal(m->lease->n_rows, N_ROWS);
    t.fast = strdup(m->lease->token);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, N_ROWS); /* they count once */
    return t;
}

static void end(tail *t) {
    free(t->slow);
    free(t->fast);
}

static int set_up(void **state) {
    *state = bench_open();
    return 0;
}

static int tear_down(void **state) {
    bench_close(*state);
    return 0;
}

static void expect_done(bench *b, uint64_t n_done, uint64_t n_failed) {
    bench_wait(b, 1000);
    const Diffarm__JobStatus *s = bench_status(b, JOB_1);
    assert_string_equal(s->state, "done");
    assert_int_equal(s->n_done, n_done);
    assert_int_equal(s->n_failed, n_failed);
    assert_int_equal(s->n_leased, 0);
    assert_int_equal(s->n_conflicts, 0);
}

static void the_first_picture_is_kept(void **state) {
    bench *b = *state;
    tail t = begin(b);
    assert_int_equal(bench_result(b, "slow", t.slow, JOB_1, 0), 1);
    assert_int_equal(bench_result(b, "fast", t.fast, JOB_1, 0), 1); /* the same bytes: it may be forgotten as well */
    assert_int_equal(bench_status(b, JOB_1)->n_done, 1);
    assert_int_equal(bench_status(b, JOB_1)->n_duplicates, 1);
    bench_forget(b);
    for (uint64_t row = 1; row < N_ROWS; row++) assert_int_equal(bench_result(b, "fast", t.fast, JOB_1, row), 1);
    expect_done(b, N_ROWS, 0);
    const Diffarm__Message *m = bench_heard(b, "slow", DIFFARM__MESSAGE__BODY_LEASE_REVOKED);
    assert_non_null(m); /* it need not go on */
    assert_string_equal(m->lease_revoked->token, t.slow);
    end(&t);
}

static void a_copy_takes_over_from_a_worker_that_dies(void **state) {
    bench *b = *state;
    tail t = begin(b);
    beat_for(b, NULL, t.fast, 20000);
    const Diffarm__JobStatus *s = bench_status(b, JOB_1);
    assert_int_equal(s->n_leased, N_ROWS);
    assert_int_equal(s->n_retried, N_ROWS);
    bench_restart(b); /* the store knows it too */
    bench_hello(b, "fast", NULL, t.fast);
    assert_int_equal(bench_count(b, "fast", DIFFARM__MESSAGE__BODY_LEASE_REVOKED), 0);
    for (uint64_t row = 0; row < N_ROWS; row++) assert_int_equal(bench_result(b, "fast", t.fast, JOB_1, row), 1);
    expect_done(b, N_ROWS, 0);
    end(&t);
}

static void rows_whose_workers_both_die_are_lent_again(void **state) {
    bench *b = *state;
    tail t = begin(b);
    bench_beat(b, "slow", t.slow);
    bench_beat(b, "fast", t.fast);
    bench_wait(b, LONG_MS); /* both are silent from here on: their leases end in one turn */
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 0);
    bench_hello(b, "third", NULL, NULL);
    for (const Diffarm__Lease *l; (l = bench_ask(b, "third", N_ROWS, 100));)
        for (size_t i = 0; i < l->n_rows; i++)
            assert_int_equal(bench_result(b, "third", l->token, JOB_1, l->rows[i]->row), 1);
    expect_done(b, N_ROWS, 0);
    end(&t);
}

static void what_a_copy_fails_at_is_not_held_against_the_row(void **state) {
    bench *b = *state;
    tail t = begin(b);
    bench_failed(b, "fast", t.fast, JOB_1, 0, DF_EINVAL);
    assert_int_equal(bench_status(b, JOB_1)->n_failed, 0);
    assert_int_equal(bench_status(b, JOB_1)->n_retried, 0);
    for (uint64_t row = 0; row < N_ROWS; row++) assert_int_equal(bench_result(b, "slow", t.slow, JOB_1, row), 1);
    expect_done(b, N_ROWS, 0);
    end(&t);
}

static void a_copy_outlives_the_failure_of_the_other(void **state) {
    bench *b = *state;
    tail t = begin(b);
    bench_failed(b, "slow", t.slow, JOB_1, 0, DF_EIO); /* may be tried again: it is being */
    bench_failed(b, "slow", t.slow, JOB_1, 1, DF_EINVAL); /* will never be possible */
    assert_int_equal(bench_status(b, JOB_1)->n_failed, 1);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, N_ROWS - 1);
    assert_int_equal(bench_result(b, "fast", t.fast, JOB_1, 0), 1);
    assert_int_equal(bench_result(b, "fast", t.fast, JOB_1, 1), 0); /* too late, it is failed */
    for (uint64_t row = 2; row < N_ROWS; row++) assert_int_equal(bench_result(b, "fast", t.fast, JOB_1, row), 1);
    expect_done(b, N_ROWS - 1, 1);
    end(&t);
}

static void copies_are_forgotten_by_a_restart(void **state) {
    bench *b = *state;
    tail t = begin(b);
    bench_restart(b);
    bench_hello(b, "slow", NULL, t.slow);
    bench_hello(b, "fast", NULL, t.fast);
    assert_int_equal(bench_count(b, "slow", DIFFARM__MESSAGE__BODY_LEASE_REVOKED), 0);
    assert_int_equal(bench_count(b, "fast", DIFFARM__MESSAGE__BODY_LEASE_REVOKED), 1);
    for (uint64_t row = 0; row < N_ROWS; row++) assert_int_equal(bench_result(b, "slow", t.slow, JOB_1, row), 1);
    expect_done(b, N_ROWS, 0);
    end(&t);
}

static void rows_are_copied_once_and_never_to_their_holder(void **state) {
    bench *b = *state;
    tail t = begin(b);
    bench_hello(b, "third", NULL, NULL);
    assert_null(bench_ask(b, "third", N_ROWS, 100));
    assert_null(bench_ask(b, "slow", N_ROWS, 100));
    beat_for(b, t.slow, t.fast, 4000);
    assert_int_equal(bench_count(b, "third", DIFFARM__MESSAGE__BODY_LEASE), 0);
    assert_int_equal(bench_count(b, "slow", DIFFARM__MESSAGE__BODY_LEASE), 0);
    end(&t);
}

static void a_job_in_its_time_or_with_rows_left_is_not_copied(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, N_ROWS, NULL), DF_OK);
    bench_hello(b, "slow", NULL, NULL);
    bench_hello(b, "fast", NULL, NULL);
    char *slow = strdup(bench_ask(b, "slow", 2, 1)->token);
    beat_for(b, slow, NULL, LONG_MS);
    for (uint64_t row = 2; row < N_ROWS; row++) { /* what is left goes first */
        const Diffarm__Lease *lease = bench_ask(b, "fast", 1, 100);
        assert_int_equal(lease->rows[0]->row, row);
        char *fast = strdup(lease->token);
        assert_int_equal(bench_result(b, "fast", fast, JOB_1, row), 1);
        free(fast);
    }
    assert_int_equal(bench_control(b, JOB_1, DIFFARM__JOB_CONTROL__ACTION__PAUSE), DF_OK);
    assert_null(bench_ask(b, "fast", 2, 100));
    assert_int_equal(bench_control(b, JOB_1, DIFFARM__JOB_CONTROL__ACTION__RESUME), DF_OK);
    assert_int_equal(bench_ask(b, "fast", 2, 100)->n_rows, 2);
    free(slow);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_first_picture_is_kept),
        TEST(a_copy_takes_over_from_a_worker_that_dies),
        TEST(rows_whose_workers_both_die_are_lent_again),
        TEST(what_a_copy_fails_at_is_not_held_against_the_row),
        TEST(a_copy_outlives_the_failure_of_the_other),
        TEST(copies_are_forgotten_by_a_restart),
        TEST(rows_are_copied_once_and_never_to_their_holder),
        TEST(a_job_in_its_time_or_with_rows_left_is_not_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
