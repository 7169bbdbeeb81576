/* Who gets what, and when: jobs beside each other, jobs that are paused, resumed and retried. The test owns the clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/coordinator/bench.h"

#define PAUSE DIFFARM__JOB_CONTROL__ACTION__PAUSE
#define RESUME DIFFARM__JOB_CONTROL__ACTION__RESUME
#define RETRY DIFFARM__JOB_CONTROL__ACTION__RETRY

static int open_bench(void **state) {
    *state = bench_open();
    return 0;
}

static int close_bench(void **state) {
    bench_close(*state);
    return 0;
}

static const char *out_2(const bench *b) {
    static char out[4096];
    snprintf(out, sizeof out, "%s-2", b->out);
    return out;
}

static void finish_lease(bench *b, const char *worker, const Diffarm__Lease *lease) {
    for (size_t i = 0; i < lease->n_rows; i++)
        bench_result(b, worker, lease->token, lease->job->job_id, lease->rows[i]->row);
}

static void work_off(bench *b, const char *worker) {
    for (Diffarm__Lease *lease; (lease = bench_ask(b, worker, 16, 1));) finish_lease(b, worker, lease);
}

static void fail_lease(bench *b, const char *worker, const Diffarm__Lease *lease) {
    for (size_t i = 0; i < lease->n_rows; i++)
        bench_failed(b, worker, lease->token, lease->job->job_id, lease->rows[i]->row, DF_EINVAL);
}

static void expect_state(bench *b, const char *job_id, const char *state) {
    assert_string_equal(bench_status(b, job_id)->state, state);
}

/* n leases of a second a row, one worker; how many rows each job got. */
static void lend_in_turn(bench *b, int n, int rows[2]) {
    rows[0] = rows[1] = 0;
    for (int i = 0; i < n; i++) {
        Diffarm__Lease *lease = bench_ask(b, "w1", 4, 1);
        assert_non_null(lease);
        rows[!strcmp(lease->job->job_id, JOB_2)] += (int)lease->n_rows;
        for (size_t k = 0; k < lease->n_rows; k++) {
            b->now_ms += 1000;
            bench_result(b, "w1", lease->token, lease->job->job_id, lease->rows[k]->row);
        }
    }
}

/* shares */

static void a_small_job_is_not_held_up_by_a_long_one(void **state) {
    bench *b = *state;
    int rows[2];
    assert_int_equal(bench_submit(b, JOB_1, b->out, 400, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    lend_in_turn(b, 20, rows);
    assert_int_equal(bench_submit(b, JOB_2, out_2(b), 8, NULL), DF_OK);
    lend_in_turn(b, 5, rows);
    assert_int_equal(rows[1], 8);
    expect_state(b, JOB_2, "done");
}

static void jobs_share_by_priority(void **state) {
    bench *b = *state;
    int rows[2];
    assert_int_equal(bench_submit(b, JOB_1, b->out, 300, NULL), DF_OK);
    b->priority = 2;
    assert_int_equal(bench_submit(b, JOB_2, out_2(b), 300, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    lend_in_turn(b, 50, rows);
    assert_in_range(rows[1], 4 * rows[0] - 12, 4 * rows[0] + 12);
    bench_restart(b); /* kept in the store */
    assert_int_equal(bench_status(b, JOB_2)->priority, 2);
    bench_hello(b, "w1", NULL, NULL);
    lend_in_turn(b, 20, rows);
    assert_in_range(rows[1], 4 * rows[0] - 12, 4 * rows[0] + 12);
}

static void a_mad_priority_is_refused(void **state) {
    bench *b = *state;
    b->priority = 11;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, NULL), DF_EINVAL);
    assert_non_null(strstr(bench_text(b), "priority 11"));
}

/* pause and resume */

static void a_paused_job_finishes_what_is_in_work_only(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 6, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 2, 1);
    assert_int_equal(bench_control(b, JOB_1, PAUSE), DF_OK);
    assert_int_equal(bench_control(b, JOB_1, PAUSE), DF_OK); /* may come twice */
    assert_null(bench_ask(b, "w1", 2, 1));
    finish_lease(b, "w1", lease);
    expect_state(b, JOB_1, "paused");
    assert_int_equal(bench_status(b, JOB_1)->n_done, 2);
    bench_restart(b);
    expect_state(b, JOB_1, "paused");
    bench_hello(b, "w1", NULL, NULL);
    assert_null(bench_ask(b, "w1", 2, 1));
    assert_int_equal(bench_control(b, JOB_1, RESUME), DF_OK); /* the open question is answered now */
    Diffarm__Message *m = bench_heard(b, "w1", DIFFARM__MESSAGE__BODY_LEASE);
    assert_non_null(m);
    finish_lease(b, "w1", m->lease);
    work_off(b, "w1");
    expect_state(b, JOB_1, "done");
    assert_int_equal(bench_control(b, JOB_1, PAUSE), DF_EINVAL);
    assert_int_equal(bench_control(b, "0000000000000000", PAUSE), DF_ENOTFOUND);
}

static void a_paused_job_is_not_hurt_by_a_lost_out(void **state) {
    bench *b = *state;
    char away[4096];
    snprintf(away, sizeof away, "%s.away", b->out);
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 2, 1);
    assert_int_equal(bench_control(b, JOB_1, PAUSE), DF_OK);
    assert_int_equal(rename(b->out, away), 0);
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 0), -1);
    expect_state(b, JOB_1, "paused");
    assert_int_not_equal(bench_status(b, JOB_1)->problem[0], 0);
    assert_int_equal(rename(away, b->out), 0);
    bench_wait(b, b->cfg.stall_retry_ms + 500);
    assert_non_null(bench_heard(b, "w1", DIFFARM__MESSAGE__BODY_RESULT_ACK));
    expect_state(b, JOB_1, "paused");
    assert_string_equal(bench_status(b, JOB_1)->problem, "");
}

/* retry */

static void failed_rows_are_retried_after_the_end(void **state) {
    bench *b = *state;
    char hex[65], straight[65];
    b->cfg.lease_target_ms = 30000;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 4, NULL), DF_OK);
    assert_int_equal(bench_submit(b, JOB_2, out_2(b), 4, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 2, 1);
    assert_string_equal(lease->job->job_id, JOB_1);
    fail_lease(b, "w1", lease);
    work_off(b, "w1");
    expect_state(b, JOB_1, "done");
    assert_int_equal(bench_status(b, JOB_1)->n_failed, 2);
    assert_false(bench_exists(b->out, ".diffarm"));
    assert_int_equal(bench_control(b, JOB_1, RETRY), DF_OK);
    expect_state(b, JOB_1, "running");
    assert_int_equal(bench_status(b, JOB_1)->n_failed, 0);
    assert_true(bench_exists(b->out, "job.json")); /* the old set is whole until the new one comes */
    bench_restart(b);
    expect_state(b, JOB_1, "running");
    bench_hello(b, "w1", NULL, NULL);
    work_off(b, "w1");
    expect_state(b, JOB_1, "done");
    assert_int_equal(bench_status(b, JOB_1)->n_done, 4);
    bench_tree_hash(b->out, "runs.jsonl", hex);
    bench_tree_hash(out_2(b), "runs.jsonl", straight);
    assert_string_equal(hex, straight); /* as if nothing had ever failed */
    assert_int_equal(bench_control(b, JOB_1, RETRY), DF_OK); /* nothing to do */
    expect_state(b, JOB_1, "done");
}

static void retry_leaves_results_of_others_alone(void **state) {
    bench *b = *state;
    df_err err;
    char path[4096];
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    fail_lease(b, "w1", bench_ask(b, "w1", 1, 1));
    expect_state(b, JOB_1, "done");
    snprintf(path, sizeof path, "%s/job.json", b->out);
    assert_int_equal(df_file_write(path, "{\"manifest_sha256\":\"dd\"}", 25, &err), DF_OK);
    assert_int_equal(bench_control(b, JOB_1, RETRY), DF_EEXIST);
    expect_state(b, JOB_1, "done");
    assert_int_equal(df_file_remove_tree(b->out, &err), DF_OK);
    assert_int_equal(bench_control(b, JOB_1, RETRY), DF_ENOTFOUND);
    assert_int_equal(bench_cancel(b, JOB_1), DF_EINVAL);
}

static void retry_of_a_running_job_gives_rows_a_new_life(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 3, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    fail_lease(b, "w1", bench_ask(b, "w1", 1, 1));
    assert_int_equal(bench_status(b, JOB_1)->n_failed, 1);
    assert_int_equal(bench_control(b, JOB_1, RETRY), DF_OK);
    work_off(b, "w1");
    expect_state(b, JOB_1, "done");
    assert_int_equal(bench_status(b, JOB_1)->n_done, 3);
    assert_int_equal(bench_cancel(b, JOB_1), DF_EINVAL);
    assert_int_equal(bench_control(b, JOB_1, RESUME), DF_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_small_job_is_not_held_up_by_a_long_one),
        TEST(jobs_share_by_priority),
        TEST(a_mad_priority_is_refused),
        TEST(a_paused_job_finishes_what_is_in_work_only),
        TEST(a_paused_job_is_not_hurt_by_a_lost_out),
        TEST(failed_rows_are_retried_after_the_end),
        TEST(retry_leaves_results_of_others_alone),
        TEST(retry_of_a_running_job_gives_rows_a_new_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
