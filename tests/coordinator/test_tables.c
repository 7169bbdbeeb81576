/* The state tables of job, lease and worker, walked without a socket: every edge that is there, none that is not, and
 * what must hold of all walks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "coordinator/job.h"
#include "coordinator/lease.h"
#include "coordinator/worker_table.h"

enum { NONE = -1 };

/* One line a state, one column an event; NONE: not an edge. Copied from docs/protocol.md. */
static const int jobs[DF_JOB_N_STATES][DF_JOB_N_EVENTS] = {
    /* uploaded, sink_failed, sink_works, rows_finished, lists_written, cancel, pause, resume, retry */
    [DF_JOB_RECEIVING] = { DF_JOB_RUNNING, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE },
    [DF_JOB_RUNNING] = { NONE, DF_JOB_STALLED, NONE, DF_JOB_FINISHING, NONE, DF_JOB_CANCELLED, DF_JOB_PAUSED,
                         DF_JOB_RUNNING, DF_JOB_RUNNING },
    [DF_JOB_STALLED] = { NONE, DF_JOB_STALLED, DF_JOB_RUNNING, NONE, NONE, DF_JOB_CANCELLED, DF_JOB_PAUSED,
                         DF_JOB_STALLED, DF_JOB_STALLED },
    [DF_JOB_FINISHING] = { NONE, DF_JOB_STALLED, NONE, NONE, DF_JOB_DONE, DF_JOB_CANCELLED, NONE, NONE,
                           DF_JOB_RUNNING },
    [DF_JOB_DONE] = { NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, DF_JOB_RUNNING },
    [DF_JOB_CANCELLED] = { NONE, NONE, NONE, NONE, NONE, DF_JOB_CANCELLED, NONE, NONE, NONE },
    [DF_JOB_PAUSED] = { NONE, DF_JOB_PAUSED, DF_JOB_PAUSED, NONE, NONE, DF_JOB_CANCELLED, DF_JOB_PAUSED, DF_JOB_RUNNING,
                        DF_JOB_PAUSED },
};

static const int leases[DF_LEASE_N_STATES][DF_LEASE_N_EVENTS] = {
    /*                      named            worker_silent  unnamed        given_up       rows_finished */
    [DF_LEASE_GRANTED] = { DF_LEASE_ACTIVE, DF_LEASE_LOST, DF_LEASE_VOID, DF_LEASE_VOID, DF_LEASE_FINISHED },
    [DF_LEASE_ACTIVE] = { DF_LEASE_ACTIVE, DF_LEASE_LOST, DF_LEASE_VOID, DF_LEASE_VOID, DF_LEASE_FINISHED },
    [DF_LEASE_ORPHANED] = { DF_LEASE_ACTIVE, NONE, DF_LEASE_VOID, DF_LEASE_VOID, DF_LEASE_FINISHED },
    [DF_LEASE_LOST] = { NONE, NONE, NONE, NONE, NONE },
    [DF_LEASE_VOID] = { NONE, NONE, NONE, NONE, NONE },
    [DF_LEASE_FINISHED] = { NONE, NONE, NONE, NONE, NONE },
};

static const int lease_rows[DF_LEASE_ROW_N_STATES][DF_LEASE_ROW_N_EVENTS] = {
    /* result, committed, unkept, overtaken, promoted */
    [DF_LEASE_ROW_OPEN] = { DF_LEASE_ROW_ARRIVED, NONE, NONE, DF_LEASE_ROW_CLOSED, NONE },
    [DF_LEASE_ROW_COPY] = { DF_LEASE_ROW_ARRIVED, NONE, NONE, DF_LEASE_ROW_CLOSED, DF_LEASE_ROW_OPEN },
    [DF_LEASE_ROW_ARRIVED] = { NONE, DF_LEASE_ROW_CLOSED, DF_LEASE_ROW_OPEN, NONE, NONE },
    [DF_LEASE_ROW_CLOSED] = { NONE, NONE, NONE, NONE, NONE },
};

static const int workers[DF_WORKER_N_STATES][DF_WORKER_N_EVENTS] = {
    /* hello, heard, drain, silence, forget, goodbye, put_out, readmit */
    [DF_WORKER_READY] = { DF_WORKER_READY, DF_WORKER_READY, DF_WORKER_DRAINING, DF_WORKER_SILENT, NONE, DF_WORKER_GONE,
                          DF_WORKER_PUT_OUT, DF_WORKER_READY },
    [DF_WORKER_DRAINING] = { DF_WORKER_READY, DF_WORKER_DRAINING, DF_WORKER_DRAINING, DF_WORKER_SILENT, NONE,
                             DF_WORKER_GONE, NONE, NONE },
    [DF_WORKER_SILENT] = { DF_WORKER_READY, DF_WORKER_READY, NONE, NONE, DF_WORKER_GONE, DF_WORKER_GONE, NONE, NONE },
    [DF_WORKER_GONE] = { DF_WORKER_READY, NONE, NONE, NONE, NONE, NONE, NONE, NONE },
    [DF_WORKER_PUT_OUT] = { DF_WORKER_PUT_OUT, DF_WORKER_PUT_OUT, DF_WORKER_DRAINING, NONE, DF_WORKER_GONE,
                            DF_WORKER_GONE, NONE, DF_WORKER_READY },
};

static void every_edge_is_as_documented(void **state) {
    (void)state;
    for (int s = 0; s < DF_JOB_N_STATES; s++)
        for (int e = 0; e < DF_JOB_N_EVENTS; e++) {
            df_job job = { .state = (df_job_state)s };
            assert_int_equal(df_job_apply(&job, (df_job_event)e), jobs[s][e] != NONE);
            assert_int_equal(job.state, jobs[s][e] == NONE ? s : jobs[s][e]);
        }
    for (int s = 0; s < DF_LEASE_N_STATES; s++)
        for (int e = 0; e < DF_LEASE_N_EVENTS; e++) {
            df_lease lease = { .state = (df_lease_state)s };
            assert_int_equal(df_lease_apply(&lease, (df_lease_event)e), leases[s][e] != NONE);
            assert_int_equal(lease.state, leases[s][e] == NONE ? s : leases[s][e]);
        }
    for (int s = 0; s < DF_LEASE_ROW_N_STATES; s++)
        for (int e = 0; e < DF_LEASE_ROW_N_EVENTS; e++) {
            df_lease_row row = { .state = (df_lease_row_state)s };
            df_lease lease = { .rows = &row, .n_rows = 1 };
            lease.n_open = s == DF_LEASE_ROW_OPEN;
            lease.n_closed = s == DF_LEASE_ROW_CLOSED;
            assert_int_equal(df_lease_row_apply(&lease, &row, (df_lease_row_event)e), lease_rows[s][e] != NONE);
            assert_int_equal(row.state, lease_rows[s][e] == NONE ? s : lease_rows[s][e]);
            assert_int_equal(lease.n_open, row.state == DF_LEASE_ROW_OPEN);
            assert_int_equal(lease.n_closed, row.state == DF_LEASE_ROW_CLOSED);
        }
    for (int s = 0; s < DF_WORKER_N_STATES; s++)
        for (int e = 0; e < DF_WORKER_N_EVENTS; e++) {
            df_worker worker = { .state = (df_worker_state)s };
            assert_int_equal(df_worker_apply(&worker, (df_worker_event)e), workers[s][e] != NONE);
            assert_int_equal(worker.state, workers[s][e] == NONE ? s : workers[s][e]);
        }
}

/* Marks all states that can be reached from one, over the given table. */
static void reach(const int *table, int n_events, int from, bool *seen) {
    if (seen[from]) return;
    seen[from] = true;
    for (int e = 0; e < n_events; e++)
        if (table[from * n_events + e] != NONE) reach(table, n_events, table[from * n_events + e], seen);
}

static void every_state_is_reached_and_none_is_a_trap(void **state) {
    (void)state;
    bool all[8] = { false };
    reach(&jobs[0][0], DF_JOB_N_EVENTS, DF_JOB_RECEIVING, all);
    for (int s = 0; s < DF_JOB_N_STATES; s++) assert_true(all[s]);
    for (int s = 0; s < DF_JOB_N_STATES; s++) { /* every job that is not ended can still end both ways */
        if (s == DF_JOB_DONE || s == DF_JOB_CANCELLED) continue;
        bool seen[8] = { false };
        reach(&jobs[0][0], DF_JOB_N_EVENTS, s, seen);
        assert_true(seen[DF_JOB_DONE] && seen[DF_JOB_CANCELLED]);
    }
    for (int s = 0; s <= DF_LEASE_ORPHANED; s++) { /* every live lease can finish, and can be taken away */
        assert_int_equal(leases[s][DF_LEASE_EV_ROWS_FINISHED], DF_LEASE_FINISHED);
        assert_int_equal(leases[s][DF_LEASE_EV_UNNAMED], DF_LEASE_VOID);
    }
    for (int s = 0; s < DF_WORKER_PUT_OUT; s++) /* a Hello brings a worker back, unless it was put out */
        assert_int_equal(workers[s][DF_WORKER_EV_HELLO], DF_WORKER_READY);
}

static void rows_of_a_lease_are_counted(void **state) {
    (void)state;
    df_lease_table table = { 0 };
    df_lease *lease = df_lease_table_add(&table, "t-1", "w", 3);
    for (uint64_t i = 0; i < 3; i++) lease->rows[i].row = 10 * i;
    assert_null(df_lease_find_row(lease, 5));
    df_lease_row_apply(lease, df_lease_find_row(lease, 10), DF_LEASE_ROW_EV_RESULT);
    assert_int_equal(lease->n_open, 2);
    df_lease_row_apply(lease, df_lease_find_row(lease, 10), DF_LEASE_ROW_EV_UNKEPT);
    assert_int_equal(lease->n_open, 3);
    df_lease_row_apply(lease, df_lease_find_row(lease, 10), DF_LEASE_ROW_EV_RESULT);
    for (int twice = 0; twice < 2; twice++)
        df_lease_row_apply(lease, df_lease_find_row(lease, 10), DF_LEASE_ROW_EV_COMMITTED);
    assert_int_equal(lease->n_open, 2);
    assert_int_equal(lease->n_closed, 1);
    assert_ptr_equal(df_lease_table_find(&table, "t-1"), lease);
    df_lease_table_remove(&table, lease);
    assert_null(df_lease_table_find(&table, "t-1"));
    df_lease_table_free(&table);
}

static void leases_are_found_by_worker_and_by_their_end(void **state) {
    (void)state;
    df_lease_table table = { 0 };
    df_lease *a = df_lease_table_add(&table, "t-1", "w1", 1), *b = df_lease_table_add(&table, "t-2", "w1", 1);
    df_lease *c = df_lease_table_add(&table, "t-3", "w2", 1), *d = df_lease_table_add(&table, "t-4", "w1", 1);
    assert_ptr_equal(df_lease_table_of(&table, "w1"), d);
    assert_ptr_equal(d->next_of_worker, b);
    assert_ptr_equal(b->next_of_worker, a);
    assert_null(a->next_of_worker);
    assert_null(df_lease_table_of(&table, "w3"));
    assert_true(df_lease_apply(b, DF_LEASE_EV_GIVEN_UP) && df_lease_apply(c, DF_LEASE_EV_ROWS_FINISHED));
    assert_false(df_lease_apply(b, DF_LEASE_EV_GIVEN_UP)); /* it is listed once */
    assert_ptr_equal(table.first_ended, b);
    df_lease_table_remove(&table, c); /* out of turn */
    df_lease_table_remove(&table, b);
    assert_null(table.first_ended);
    assert_null(df_lease_table_of(&table, "w2"));
    assert_ptr_equal(d->next_of_worker, a);
    assert_int_equal(table.n, 2);
    for (size_t i = 0; i < table.n; i++) assert_int_equal(table.at[i]->place, i);
    df_lease_table_remove(&table, d);
    assert_ptr_equal(df_lease_table_of(&table, "w1"), a);
    assert_true(df_lease_apply(a, DF_LEASE_EV_NAMED));
    assert_null(table.first_ended);
    df_lease_table_free(&table);
}

static df_worker *greet(df_worker_table *table, const char *id) {
    Diffarm__Hello hello = DIFFARM__HELLO__INIT;
    hello.worker_id = (char *)id;
    return df_worker_table_hello(table, &hello, id, strlen(id));
}

static void who_asks_stands_in_line(void **state) {
    (void)state;
    df_worker_table table = { 0 };
    df_worker *a = greet(&table, "a"), *b = greet(&table, "b"), *c = greet(&table, "c");
    df_worker_table_ask(&table, a);
    df_worker_table_ask(&table, b);
    df_worker_table_ask(&table, c);
    df_worker_table_ask(&table, a); /* again: behind the others */
    assert_ptr_equal(table.first_asking, b);
    assert_ptr_equal(b->asks_after, c);
    assert_ptr_equal(c->asks_after, a);
    assert_ptr_equal(table.last_asking, a);
    for (int twice = 0; twice < 2; twice++) df_worker_table_stop_asking(&table, c);
    assert_ptr_equal(b->asks_after, a);
    uint64_t changes = table.n_changes;
    df_worker_table_remove_at(&table, 1);
    assert_ptr_equal(table.first_asking, a);
    assert_null(a->asks_before);
    assert_true(table.n_changes > changes);
    greet(&table, "a"); /* a Hello ends its question */
    assert_null(table.first_asking);
    assert_null(table.last_asking);
    changes = table.n_changes;
    df_worker_table_apply(&table, a, DF_WORKER_EV_HEARD);
    assert_int_equal(table.n_changes, changes); /* it could do what it can do before */
    df_worker_table_apply(&table, a, DF_WORKER_EV_DRAIN);
    assert_true(table.n_changes > changes);
    df_worker_table_free(&table);
}

static void a_worker_is_found_by_its_newest_connection(void **state) {
    (void)state;
    df_worker_table table = { 0 };
    Diffarm__Hello hello = DIFFARM__HELLO__INIT;
    hello.worker_id = (char *)"w1";
    df_worker *worker = df_worker_table_hello(&table, &hello, "conn-1", 6);
    assert_ptr_equal(df_worker_table_hello(&table, &hello, "conn-2", 6), worker);
    assert_null(df_worker_table_of(&table, "conn-1", 6));
    assert_ptr_equal(df_worker_table_of(&table, "conn-2", 6), worker);
    hello.worker_id = (char *)"w2"; /* another process behind the same connection name */
    df_worker *other = df_worker_table_hello(&table, &hello, "conn-2", 6);
    assert_ptr_equal(df_worker_table_of(&table, "conn-2", 6), other);
    assert_int_equal(worker->identity_bytes, 0);
    df_worker_table_remove_at(&table, 0);
    assert_null(df_worker_table_find(&table, "w1"));
    assert_ptr_equal(df_worker_table_of(&table, "conn-2", 6), other);
    df_worker_table_free(&table);
}

static void a_worker_gets_what_it_can_do(void **state) {
    (void)state;
    static const struct {
        const char *dtypes, *dtype;
        bool can;
    } cases[] = {
        { "f32", "f32", true },       { "f32", "bf16", false },   { "f32 bf16", "bf16", true },
        { "bf16  f32", "f32", true }, { "f32 bf16", "f", false }, { "f32 bf16", "bf16x", false },
        { "", "bf16", true },
    };
    df_worker_table table = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Diffarm__ModelOffer offer = DIFFARM__MODEL_OFFER__INIT, *offers[] = { &offer };
        Diffarm__Hello hello = DIFFARM__HELLO__INIT;
        offer.sha256 = (char *)"aa";
        hello.worker_id = (char *)"w1";
        hello.n_models = 1;
        hello.models = offers;
        hello.dtype = (char *)cases[i].dtypes;
        df_worker *worker = df_worker_table_hello(&table, &hello, "conn", 4);
        df_job_spec spec = { .model_sha256 = "aa", .dtype = cases[i].dtype, .backend = "" };
        assert_int_equal(df_worker_can(worker, &spec), cases[i].can);
        spec.model_sha256 = "bb";
        assert_false(df_worker_can(worker, &spec));
    }
    df_worker_table_free(&table);
}

/* Pictures of one backend are not those of another: a job's come from one, unless it says that it is no matter. */
static void a_job_stays_on_its_backend(void **state) {
    (void)state;
    static const struct {
        const char *of_worker, *of_job;
        bool can;
    } cases[] = {
        { "cpu", "", true },          { "cuda", "", false },    { "reference", "", false },
        { "cuda", "cuda", true },     { "cpu", "cuda", false }, { "cuda", "any", true },
        { "reference", "any", true }, { "cpu", "?", false },    { "", "cuda", true }, /* it does not say */
    };
    df_worker_table table = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Diffarm__Hello hello = DIFFARM__HELLO__INIT;
        const df_job_spec spec = { .model_sha256 = "aa", .dtype = "f32", .backend = cases[i].of_job };
        hello.worker_id = (char *)"w1";
        hello.any_model = true;
        hello.backend = (char *)cases[i].of_worker;
        const df_worker *worker = df_worker_table_hello(&table, &hello, "conn", 4);
        assert_int_equal(df_worker_can(worker, &spec), cases[i].can);
    }
    df_worker_table_free(&table);
    assert_int_equal(df_job_backend_of("cpu"), df_job_backend_of(""));
    assert_int_equal(df_job_backend_of("abacus"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_edge_is_as_documented),
        cmocka_unit_test(every_state_is_reached_and_none_is_a_trap),
        cmocka_unit_test(leases_are_found_by_worker_and_by_their_end),
        cmocka_unit_test(who_asks_stands_in_line),
        cmocka_unit_test(rows_of_a_lease_are_counted),
        cmocka_unit_test(a_worker_is_found_by_its_newest_connection),
        cmocka_unit_test(a_worker_gets_what_it_can_do),
        cmocka_unit_test(a_job_stays_on_its_backend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
