/* Leases of a turn share a transaction: all of them are lent, or none is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "coordinator/store_internal.h"
#include "tests/coordinator/bench.h"

enum { N_WORKERS = DF_LEND_LEASES + 36 }; /* and as many rows */

#define LEASE DIFFARM__MESSAGE__BODY_LEASE

static char names[N_WORKERS][8];

/* Refuses commits in which rows are lent. */
static int refuse_lending(void *farm) {
    const df_farm *f = farm;
    return f->lending.n > 0;
}

static void refuse(bench *b, bool yes) {
    sqlite3_commit_hook(b->farm->store->db.connection, yes ? refuse_lending : NULL, b->farm);
}

static size_t n_lent(const bench *b) {
    size_t n = 0;
    for (int i = 0; i < N_WORKERS; i++) n += bench_count(b, names[i], LEASE);
    return n;
}

static size_t n_pending(const bench *b) {
    const df_row_pick *picks;
    size_t n;
    df_err err;
    assert_int_equal(df_store_pending(b->farm->store, b->farm->jobs.at[0]->key, &picks, &n, &err), DF_OK);
    return n;
}

/* All ask while the job is paused, so that one turn serves them all. */
static bench *begin(void) {
    bench *b = bench_open();
    assert_int_equal(bench_submit(b, JOB_1, b->out, N_WORKERS, NULL), DF_OK);
    assert_int_equal(bench_control(b, JOB_1, DIFFARM__JOB_CONTROL__ACTION__PAUSE), DF_OK);
    for (int i = 0; i < N_WORKERS; i++) {
        snprintf(names[i], sizeof names[i], "w%d", i);
        bench_hello(b, names[i], NULL, NULL);
        assert_null(bench_ask(b, names[i], 0, 1));
    }
    bench_forget(b);
    return b;
}

static void expect_all_lent(bench *b) {
    bool seen[N_WORKERS] = { false };
    assert_int_equal(n_lent(b), N_WORKERS);
    for (int i = 0; i < N_WORKERS; i++) {
        const Diffarm__Lease *lease = bench_heard(b, names[i], LEASE)->lease;
        assert_int_equal(lease->n_rows, 1);
        assert_false(seen[lease->rows[0]->row]);
        seen[lease->rows[0]->row] = true;
        assert_int_equal(bench_result(b, names[i], lease->token, JOB_1, lease->rows[0]->row), 1);
    }
    assert_string_equal(bench_status(b, JOB_1)->state, "done");
}

static void a_turn_serves_all_who_ask(void **state) {
    (void)state;
    bench *b = begin();
    assert_int_equal(bench_control(b, JOB_1, DIFFARM__JOB_CONTROL__ACTION__RESUME), DF_OK);
    assert_null(b->farm->workers.first_asking);
    expect_all_lent(b);
    bench_close(b);
}

static void what_cannot_be_committed_is_not_lent(void **state) {
    (void)state;
    bench *b = begin();
    refuse(b, true);
    assert_int_equal(bench_control(b, JOB_1, DIFFARM__JOB_CONTROL__ACTION__RESUME), DF_OK);
    bench_wait(b, 3000);
    assert_int_equal(n_lent(b), 0);
    assert_int_equal(b->farm->leases.n, 0);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 0);
    assert_int_equal(n_pending(b), N_WORKERS);
    refuse(b, false);
    bench_wait(b, 3000);
    expect_all_lent(b);
    bench_close(b);
}

/* The copy of a slow lease is not lent, and nothing is left of it: it is lent when the store works again. */
static void a_copy_that_cannot_be_committed_leaves_no_trace(void **state) {
    (void)state;
    bench *b = bench_open();
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "slow", NULL, NULL);
    char token[DF_LEASE_TOKEN_BYTES];
    snprintf(token, sizeof token, "%s", bench_ask(b, "slow", 2, 1)->token);
    bench_hello(b, "fast", NULL, NULL);
    assert_null(bench_ask(b, "fast", 2, 100));
    refuse(b, true);
    for (int i = 0; i < 60; i++) {
        bench_beat(b, "slow", token);
        bench_beat(b, "fast", NULL);
        bench_wait(b, 2000);
    }
    assert_int_equal(bench_count(b, "fast", LEASE), 0);
    assert_int_equal(b->farm->leases.n, 1);
    assert_int_equal(b->farm->n_copied, 0);
    refuse(b, false);
    bench_wait(b, 3000);
    assert_int_equal(bench_heard(b, "fast", LEASE)->lease->n_rows, 2);
    assert_int_equal(b->farm->n_copied, 2);
    bench_close(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_serves_all_who_ask),
        cmocka_unit_test(what_cannot_be_committed_is_not_lent),
        cmocka_unit_test(a_copy_that_cannot_be_committed_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
