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

/* workers */

/* Until it gets nothing more, at most n leases; how many rows it has failed. */
static int fail_all(bench *b, const char *worker, int n) {
    int n_failed = 0;
    for (Diffarm__Lease *lease; n-- && (lease = bench_ask(b, worker, 1, 1)); n_failed++)
        bench_failed(b, worker, lease->token, JOB_1, lease->rows[0]->row, DF_EBACKEND);
    return n_failed;
}

static Diffarm__WorkerStatus *worker_status(bench *b, const char *id) {
    Diffarm__WorkersQuery query = DIFFARM__WORKERS_QUERY__INIT;
    bench_say(b, "client", DF_WIRE_MESSAGE(WORKERS_QUERY, workers_query, &query), NULL, 0);
    Diffarm__Message *m = bench_heard(b, "client", DIFFARM__MESSAGE__BODY_WORKER_LIST);
    for (size_t i = 0; i < m->worker_list->n_workers; i++)
        if (!strcmp(m->worker_list->workers[i]->worker_id, id)) return m->worker_list->workers[i];
    fail_msg("no worker %s", id);
    return NULL;
}

static df_code readmit(bench *b, const char *worker) {
    Diffarm__WorkerReadmit question = DIFFARM__WORKER_READMIT__INIT;
    question.worker = (char *)worker;
    bench_say(b, "client", DF_WIRE_MESSAGE(WORKER_READMIT, worker_readmit, &question), NULL, 0);
    return (df_code)bench_heard(b, "client", DIFFARM__MESSAGE__BODY_REPLY)->reply->code;
}

static void wait_with_beats(bench *b, int64_t ms) {
    for (int64_t end = b->now_ms + ms; b->now_ms < end;) {
        bench_wait(b, 2000);
        bench_beat(b, "w1", NULL);
        bench_beat(b, "w2", NULL);
    }
}

static void a_worker_that_fails_often_is_put_out_and_tried_again(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 100, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    bench_hello(b, "w2", NULL, NULL);
    assert_int_equal(fail_all(b, "w1", 20), 5);
    assert_string_equal(worker_status(b, "w1")->state, "put_out");
    assert_non_null(strstr(worker_status(b, "w1")->reason, "it went wrong"));
    bench_hello(b, "w1", NULL, NULL); /* coming again does not help */
    assert_null(bench_ask(b, "w1", 1, 1));
    wait_with_beats(b, 62000);
    assert_int_equal(fail_all(b, "w1", 20), 1); /* one row on trial */
    wait_with_beats(b, 62000);
    assert_null(bench_ask(b, "w1", 1, 1)); /* twice as long now */
    wait_with_beats(b, 62000);
    Diffarm__Lease *lease = bench_ask(b, "w1", 8, 1);
    assert_int_equal(lease->n_rows, 1);
    finish_lease(b, "w1", lease);
    assert_true(bench_ask(b, "w1", 8, 1)->n_rows > 1); /* well again */
    assert_string_equal(worker_status(b, "w1")->reason, "");
}

static void a_worker_is_readmitted_by_hand(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 20, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    bench_hello(b, "w2", NULL, NULL);
    assert_int_equal(fail_all(b, "w1", 20), 5);
    assert_int_equal(readmit(b, "nobody"), DF_ENOTFOUND);
    assert_int_equal(readmit(b, "w1"), DF_OK);
    assert_int_equal(readmit(b, "w1"), DF_OK);
    assert_non_null(bench_ask(b, "w1", 1, 1));
}

/* The store is told a few times a second. */
static void restart_in_a_second(bench *b) {
    bench_wait(b, 1000);
    bench_restart(b);
}

static void a_restart_does_not_let_them_in_again(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 100, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    bench_hello(b, "w2", NULL, NULL);
    assert_int_equal(fail_all(b, "w1", 20), 5);
    restart_in_a_second(b);
    bench_hello(b, "w1", NULL, NULL);
    bench_hello(b, "w2", NULL, NULL);
    assert_string_equal(worker_status(b, "w1")->state, "put_out");
    assert_non_null(strstr(worker_status(b, "w1")->reason, "it went wrong"));
    assert_null(bench_ask(b, "w1", 1, 1));
    assert_non_null(bench_ask(b, "w2", 1, 1));
    wait_with_beats(b, 62000);
    assert_int_equal(fail_all(b, "w1", 20), 1); /* on trial */
    restart_in_a_second(b);
    bench_hello(b, "w1", NULL, NULL);
    bench_hello(b, "w2", NULL, NULL);
    wait_with_beats(b, 62000);
    assert_null(bench_ask(b, "w1", 1, 1)); /* two minutes are known too */
    wait_with_beats(b, 62000);
    finish_lease(b, "w1", bench_ask(b, "w1", 8, 1));
    restart_in_a_second(b);
    bench_hello(b, "w1", NULL, NULL);
    assert_true(bench_ask(b, "w1", 8, 1)->n_rows > 1); /* the picture cleared it for good */
}

static bool is_listed(bench *b, const char *id) {
    Diffarm__WorkersQuery query = DIFFARM__WORKERS_QUERY__INIT;
    bench_say(b, "client", DF_WIRE_MESSAGE(WORKERS_QUERY, workers_query, &query), NULL, 0);
    Diffarm__Message *m = bench_heard(b, "client", DIFFARM__MESSAGE__BODY_WORKER_LIST);
    for (size_t i = 0; i < m->worker_list->n_workers; i++)
        if (!strcmp(m->worker_list->workers[i]->worker_id, id)) return true;
    return false;
}

static void those_that_are_readmitted_or_gone_are_forgotten_for_good(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 100, NULL), DF_OK);
    bench_hello(b, "w2", NULL, NULL);
    bench_hello(b, "w1", NULL, NULL);
    bench_hello(b, "w3", NULL, NULL);
    assert_int_equal(fail_all(b, "w1", 20), 5);
    assert_int_equal(fail_all(b, "w3", 20), 5);
    restart_in_a_second(b);
    assert_true(is_listed(b, "w1") && is_listed(b, "w3")); /* before they are heard */
    assert_int_equal(readmit(b, "w1"), DF_OK);
    restart_in_a_second(b);
    assert_true(!is_listed(b, "w1") && is_listed(b, "w3"));
    bench_hello(b, "w1", NULL, NULL);
    assert_non_null(bench_ask(b, "w1", 1, 1));
    bench_wait(b, 180000); /* the one that never came back */
    restart_in_a_second(b);
    assert_false(is_listed(b, "w3"));
}

static void nobody_is_put_out_for_bad_rows(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 16, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    assert_int_equal(fail_all(b, "w1", 40), 32); /* alone: each row twice, then the job is through */
    expect_state(b, JOB_1, "done");
    assert_string_equal(worker_status(b, "w1")->state, "idle");
}

static void a_worker_near_its_end_gets_what_it_can_finish(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 300, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    b->seconds_left = 20;
    assert_null(bench_ask(b, "w1", 0, 0)); /* it does not know how fast it is */
    Diffarm__Lease *lease = bench_ask(b, "w1", 0, 1);
    assert_int_equal(lease->n_rows, 16); /* a fifth in reserve */
    b->seconds_left = 30;
    assert_int_equal(bench_ask(b, "w1", 0, 1)->n_rows, 8); /* beside those it holds */
    assert_null(bench_ask(b, "w1", 0, 1));
    b->seconds_left = 0;
    assert_int_equal(bench_ask(b, "w1", 0, 1)->n_rows, 30);
    bench_hello(b, "w2", NULL, NULL);
    b->seconds_left = 3600;
    assert_int_equal(bench_ask(b, "w2", 0, 0)->n_rows, 1); /* to learn its speed */
}

enum { ROW_WORK = 64 * 64 * 4 };

static void ten_times_the_steps_from_20_on(Diffarm__Row *row) {
    if (row->row >= 20) row->steps *= 10;
}

static void a_lease_is_measured_by_its_work(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 310, ten_times_the_steps_from_20_on), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    b->work_per_second = ROW_WORK / 2.0;
    assert_int_equal(bench_ask(b, "w1", 0, 0.5)->n_rows, 15); /* 30 s of two each */
    const Diffarm__Lease *lease = bench_ask(b, "w1", 0, 0.5);
    assert_int_equal(lease->n_rows, 6); /* 5 of those, and one that takes 20 s */
    assert_int_equal(lease->rows[5]->row, 20);
    assert_int_equal(bench_ask(b, "w1", 0, 0.5)->n_rows, 1);
    b->work_per_second = 10 * ROW_WORK;
    assert_int_equal(bench_ask(b, "w1", 0, 0.5)->n_rows, 30); /* whatever it says of pictures */
    b->seconds_left = 150; /* less a fifth and the 110 that it holds: 10 */
    assert_int_equal(bench_ask(b, "w1", 0, 0.5)->n_rows, 10);
}

/* A tenth of the steps of the first 100 rows is run. */
static void begin_with_a_picture(Diffarm__Row *row) {
    static Diffarm__Input image = { .base = PROTOBUF_C_MESSAGE_INIT(&diffarm__input__descriptor),
                                    .path = (char *)"/data/a.png",
                                    .sha256 = (char *)MODEL_B };
    row->task = (char *)"img2img";
    row->image = &image;
    row->strength = row->row < 100 ? 0.1 : 1;
}

static void steps_that_are_left_out_are_no_work(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 310, begin_with_a_picture), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    b->work_per_second = ROW_WORK / 2.0;
    assert_int_equal(bench_ask(b, "w1", 0, 0.5)->n_rows, 105); /* 20 s for the first 100, then two seconds each */
    assert_int_equal(bench_ask(b, "w1", 0, 0.5)->n_rows, 15);
}

/* So does the lease of a copy. */
static void a_copy_is_measured_by_the_steps_that_are_run(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 100, begin_with_a_picture), DF_OK);
    bench_hello(b, "slow", NULL, NULL);
    char *token = strdup(bench_ask(b, "slow", 0, 100)->token);
    bench_hello(b, "fast", NULL, NULL);
    b->work_per_second = ROW_WORK / 5.0; /* 60 of these in 30 s */
    bench_ask(b, "fast", 0, 0.5);
    for (int i = 0; i < 60 && !bench_count(b, "fast", DIFFARM__MESSAGE__BODY_LEASE); i++) {
        bench_beat(b, "slow", token);
        bench_beat(b, "fast", NULL);
        bench_wait(b, 2000);
    }
    assert_int_equal(bench_heard(b, "fast", DIFFARM__MESSAGE__BODY_LEASE)->lease->n_rows, 60);
    free(token);
}

static void one_row_is_lent_however_long_it_takes(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 3, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    b->work_per_second = ROW_WORK / 1000.0;
    b->seconds_left = 1000; /* but not beyond the end */
    assert_null(bench_ask(b, "w1", 0, 1));
    b->seconds_left = 0;
    assert_int_equal(bench_ask(b, "w1", 0, 1)->n_rows, 1);
}

/* A row that two workers died with is lent alone, but not to one that has no time for it. */
static void a_suspect_row_waits_for_a_worker_with_time(void **state) {
    static const char *const names[] = { "w1", "w2" };
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, NULL), DF_OK);
    for (int i = 0; i < 2; i++) {
        bench_hello(b, names[i], NULL, NULL);
        assert_non_null(bench_ask(b, names[i], 1, 1));
        bench_wait(b, 20000); /* it is not heard again */
    }
    bench_hello(b, "w3", NULL, NULL);
    b->seconds_left = 5;
    assert_null(bench_ask(b, "w3", 0, 0));
    b->seconds_left = 3600;
    assert_non_null(bench_ask(b, "w3", 0, 0));
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
        TEST(a_worker_that_fails_often_is_put_out_and_tried_again),
        TEST(a_worker_is_readmitted_by_hand),
        TEST(a_restart_does_not_let_them_in_again),
        TEST(those_that_are_readmitted_or_gone_are_forgotten_for_good),
        TEST(nobody_is_put_out_for_bad_rows),
        TEST(a_worker_near_its_end_gets_what_it_can_finish),
        TEST(a_lease_is_measured_by_its_work),
        TEST(steps_that_are_left_out_are_no_work),
        TEST(a_copy_is_measured_by_the_steps_that_are_run),
        TEST(a_suspect_row_waits_for_a_worker_with_time),
        TEST(one_row_is_lent_however_long_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
