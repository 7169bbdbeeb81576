/* The farm without a socket: the test owns the wire and the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "coordinator/chain.h"
#include "tests/coordinator/bench.h"

enum { TIMEOUT_MS = 10000 };

static int open_bench(void **state) {
    *state = bench_open();
    return 0;
}

static int close_bench(void **state) {
    bench_close(*state);
    return 0;
}

static void finish_lease(bench *b, const char *worker, const Diffarm__Lease *lease) {
    for (size_t i = 0; i < lease->n_rows; i++)
        assert_int_equal(bench_result(b, worker, lease->token, lease->job->job_id, lease->rows[i]->row), 1);
}

/* One worker does all there is. */
static void work_off(bench *b, const char *worker) {
    for (Diffarm__Lease *lease; (lease = bench_ask(b, worker, 16, 1));) finish_lease(b, worker, lease);
}

static void expect_state(bench *b, const char *job_id, const char *state, uint64_t n_done, uint64_t n_failed) {
    Diffarm__JobStatus *s = bench_status(b, job_id);
    assert_non_null(s);
    assert_string_equal(s->state, state);
    assert_int_equal(s->n_done, n_done);
    assert_int_equal(s->n_failed, n_failed);
}

/* the straight way */

static void a_job_becomes_files_and_lists(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 20, NULL), DF_OK);
    expect_state(b, JOB_1, "running", 0, 0);
    bench_hello(b, "w1", MODEL_A, NULL);
    work_off(b, "w1");
    expect_state(b, JOB_1, "done", 20, 0);
    assert_true(bench_exists(b->out, "images/000000/00000019.png"));
    assert_false(bench_exists(b->out, ".diffarm"));
    char *metadata = bench_read(b->out, "metadata.jsonl"), *job = bench_read(b->out, "job.json");
    char *failures = bench_read(b->out, "failures.jsonl"), *runs = bench_read(b->out, "runs.jsonl");
    char *end = strchr(metadata, '\n');
    *end = '\0';
    assert_memory_equal(metadata,
                        "{\"file_name\":\"images/000000/00000000.png\",\"row\":0,\"prompt\":\"prompt 0\","
                        "\"negative\":\"\",\"seed\":1000,\"size\":\"64x64\",\"steps\":4,\"guidance\":7.5,"
                        "\"scheduler\":\"ddim\",\"task\":\"txt2img\",\"model\":\"a\",\"model_sha256\":\"" MODEL_A
                        "\",\"dtype\":\"f32\",\"flags\":[],\"sha256\":\"",
                        strlen(metadata) - 66);
    assert_string_equal(failures, "");
    assert_non_null(strstr(runs, "\"worker\":\"w1\""));
    char root[DF_SHA256_HEX_BYTES], expected[1024];
    *end = '\n';
    df_chain_begin(root);
    for (char *line = metadata, *next; *line; line = next) {
        next = strchr(line, '\n') + 1;
        assert_true(df_chain_add(root, line, (size_t)(next - line)));
    }
    snprintf(expected, sizeof expected,
             "{\"title\":\"test.jsonl\",\"model\":\"a\",\"model_sha256\":\"" MODEL_A
             "\",\"dtype\":\"f32\",\"noise\":\"torch-cpu\",\"format\":\"png\",\"n_rows\":20,"
             "\"n_done\":20,\"n_failed\":0,\"manifest_sha256\":\"cccccccccccccccccccccccccccccccccccccc"
             "cccccccccccccccccccccccccc\",\"metadata_root\":\"%s\",\"software\":\"diffarm 0.1.0\"}\n",
             root);
    assert_string_equal(job, expected);
    free(metadata), free(job), free(failures), free(runs);
}

/* submit */

static void submit_may_come_twice(void **state) {
    bench *b = *state;
    Diffarm__Row row, *rows[] = { &row };
    bench_row(&row, 0);
    assert_int_equal(bench_begin(b, JOB_1, b->out), DF_OK);
    assert_int_equal(bench_begin(b, JOB_1, b->out), DF_OK);
    assert_int_equal(bench_rows(b, JOB_1, 0, rows, 1), DF_OK);
    assert_int_equal(bench_rows(b, JOB_1, 0, rows, 1), DF_OK);
    assert_int_equal(bench_end(b, JOB_1, 1), DF_OK);
    assert_int_equal(bench_end(b, JOB_1, 1), DF_OK);
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, NULL), DF_OK); /* the whole of it again */
    assert_int_equal(bench_status(b, JOB_1)->n_rows, 1);
    assert_int_equal(bench_begin(b, JOB_1, "/tmp/other"), DF_EEXIST);
}

static void bad_submits_are_refused(void **state) {
    bench *b = *state;
    Diffarm__Row row, *rows[] = { &row };
    bench_row(&row, 1);
    assert_int_equal(bench_begin(b, "../../etc", b->out), DF_EINVAL);
    assert_int_equal(bench_begin(b, JOB_1, "relative"), DF_EINVAL);
    assert_int_equal(bench_rows(b, JOB_1, 0, rows, 1), DF_ENOTFOUND);
    assert_int_equal(bench_end(b, JOB_1, 0), DF_ENOTFOUND);
    assert_int_equal(bench_begin(b, JOB_1, b->out), DF_OK);
    assert_int_equal(bench_rows(b, JOB_1, 1, rows, 1), DF_ENOTFOUND); /* a batch is missing: begin again */
    assert_int_equal(bench_end(b, JOB_1, 1), DF_ENOTFOUND);
    assert_int_equal(bench_end(b, JOB_1, 0), DF_EINVAL); /* no rows at all */
    assert_int_equal(bench_rows(b, JOB_1, 0, rows, 1), DF_EINVAL); /* row 1 where 0 is due */
    assert_int_equal(bench_rows(b, JOB_1, 0, rows, 1), DF_ENOTFOUND); /* such an upload is forgotten */
    assert_false(bench_exists(b->out, "."));
}

static void change_name_twice(Diffarm__Row *row) {
    row->name = (char *)"same";
}

static void change_name_out(Diffarm__Row *row) {
    row->name = (char *)"../escape";
}

static void names_are_checked(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, change_name_twice), DF_EINVAL);
    assert_non_null(strstr(bench_text(b), "line 2: name \"same\" is used twice"));
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, change_name_out), DF_EINVAL);
    assert_non_null(strstr(bench_text(b), "line 1: name \"../escape\""));
}

static void foreign_out_is_refused(void **state) {
    bench *b = *state;
    char file[4096];
    df_err err;
    assert_int_equal(df_file_mkdirs(b->out, &err), DF_OK);
    snprintf(file, sizeof file, "%s/thesis.txt", b->out);
    assert_int_equal(df_file_write(file, "x", 1, &err), DF_OK);
    assert_int_equal(bench_begin(b, JOB_1, b->out), DF_EEXIST);
    assert_non_null(strstr(bench_text(b), "thesis.txt"));
    unlink(file);
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, NULL), DF_OK);
    assert_int_equal(bench_begin(b, JOB_2, b->out), DF_EEXIST); /* job 1 is writing there */
    assert_non_null(strstr(bench_text(b), JOB_1));
    bench_hello(b, "w1", NULL, NULL);
    work_off(b, "w1");
    assert_int_equal(bench_begin(b, JOB_2, b->out), DF_EEXIST); /* its results are there */
}

static void half_an_upload_is_forgotten(void **state) {
    bench *b = *state;
    Diffarm__Row row, *rows[] = { &row };
    bench_row(&row, 0);
    assert_int_equal(bench_begin(b, JOB_1, b->out), DF_OK);
    assert_int_equal(bench_rows(b, JOB_1, 0, rows, 1), DF_OK);
    bench_restart(b);
    assert_null(bench_status(b, JOB_1));
    assert_int_equal(bench_end(b, JOB_1, 1), DF_ENOTFOUND);
    assert_int_equal(bench_begin(b, JOB_1, b->out), DF_OK);
    bench_wait(b, b->cfg.upload_timeout_ms + 1000);
    assert_null(bench_status(b, JOB_1));
}

static void unknown_formats_are_refused(void **state) {
    bench *b = *state;
    Diffarm__JobSpec spec;
    Diffarm__SubmitBegin begin = DIFFARM__SUBMIT_BEGIN__INIT;
    bench_spec(&spec, JOB_1, b->out);
    spec.format = (char *)"gif";
    begin.job = &spec;
    bench_say(b, "client", DF_WIRE_MESSAGE(SUBMIT_BEGIN, submit_begin, &begin), NULL, 0);
    assert_int_equal(bench_heard(b, "client", DIFFARM__MESSAGE__BODY_REPLY)->reply->code, DF_EUNSUPPORTED);
}

/* leases */

static void leases_fit_speed_and_share(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 300, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    assert_int_equal(bench_ask(b, "w1", 0, 0)->n_rows, 8); /* speed unknown: a small one */
    assert_int_equal(bench_ask(b, "w1", 0, 1)->n_rows, 30); /* 30 s at 1 a second */
    assert_int_equal(bench_ask(b, "w1", 0, 0.01)->n_rows, 1);
    assert_int_equal(bench_ask(b, "w1", 5, 100)->n_rows, 5); /* no more than it takes */
    assert_int_equal(bench_ask(b, "w1", 0, 100)->n_rows, 256);
    bench_restart(b);
    bench_wait(b, TIMEOUT_MS + 500); /* the leases have no worker any more */
    bench_hello(b, "w2", NULL, NULL);
    bench_hello(b, "w3", NULL, NULL);
    assert_int_equal(bench_ask(b, "w2", 0, 100)->n_rows, 150); /* what is left is split evenly */
    assert_int_equal(bench_ask(b, "w3", 0, 100)->n_rows, 75);
}

static void change_every_second(Diffarm__Row *row) {
    if (row->row % 2) row->width = 128;
    if (row->row % 4 == 2) row->steps = 50;
}

static void a_lease_holds_rows_alike_in_manifest_order(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 40, change_every_second), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 10, 100);
    assert_int_equal(lease->n_rows, 10);
    for (size_t i = 0; i < 10; i++) assert_int_equal(lease->rows[i]->row, 4 * i); /* 64 wide, 4 steps */
    lease = bench_ask(b, "w1", 10, 100);
    for (size_t i = 0; i < 10; i++) assert_int_equal(lease->rows[i]->row, 2 * i + 1); /* 128 wide */
}

static void only_offered_models_are_lent(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 4, NULL), DF_OK);
    bench_hello(b, "w1", MODEL_B, NULL);
    assert_null(bench_ask(b, "w1", 4, 1));
    bench_hello(b, "w2", MODEL_A, NULL);
    assert_non_null(bench_ask(b, "w2", 4, 1));
}

static void a_waiting_worker_is_served_when_work_comes(void **state) {
    bench *b = *state;
    bench_hello(b, "w1", NULL, NULL);
    assert_null(bench_ask(b, "w1", 4, 1));
    assert_int_equal(bench_submit(b, JOB_1, b->out, 4, NULL), DF_OK);
    assert_int_equal(bench_count(b, "w1", DIFFARM__MESSAGE__BODY_LEASE), 1);
}

static void rows_of_a_silent_worker_go_to_another(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 6, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lost = bench_ask(b, "w1", 6, 1);
    assert_int_equal(lost->n_rows, 6);
    assert_int_equal(bench_result(b, "w1", lost->token, JOB_1, 0), 1);
    assert_int_equal(bench_result(b, "w1", lost->token, JOB_1, 3), 1);
    bench_hello(b, "w2", NULL, NULL);
    assert_null(bench_ask(b, "w2", 6, 1));
    for (int i = 0; i < 6; i++) bench_wait(b, 2000), bench_beat(b, "w2", NULL);
    Diffarm__Message *m = bench_heard(b, "w2", DIFFARM__MESSAGE__BODY_LEASE);
    assert_non_null(m);
    assert_int_equal(m->lease->n_rows, 4); /* done ones stay done */
    /* The old worker comes back: its result is late, its lease is not its own any more. */
    assert_int_equal(bench_result(b, "w1", lost->token, JOB_1, 1), 0);
    bench_beat(b, "w1", lost->token);
    assert_non_null(bench_heard(b, "w1", DIFFARM__MESSAGE__BODY_LEASE_REVOKED));
    finish_lease(b, "w2", m->lease);
    assert_int_equal(bench_result(b, "w1", lost->token, JOB_1, 1), 1); /* the same bytes: committed, by another */
    expect_state(b, JOB_1, "done", 6, 0);
    assert_int_equal(bench_status(b, JOB_1)->n_duplicates, 2);
    assert_int_equal(bench_status(b, JOB_1)->n_conflicts, 0);
    assert_int_equal(bench_status(b, JOB_1)->n_retried, 4);
}

static void a_beating_worker_keeps_its_lease(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 2, 1);
    for (int i = 0; i < 30; i++) bench_wait(b, 2000), bench_beat(b, "w1", lease->token);
    finish_lease(b, "w1", lease);
    expect_state(b, JOB_1, "done", 2, 0);
}

static void a_lease_its_worker_never_names_goes_back_without_blame(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    for (int round = 0; round < 5; round++) { /* often enough to be failed, if it counted */
        assert_non_null(bench_ask(b, "w1", 2, 1)); /* lost on the way */
        for (int i = 0; i < 7; i++) bench_wait(b, 2000), bench_beat(b, "w1", NULL);
        assert_int_equal(bench_status(b, JOB_1)->n_leased, 0);
    }
    work_off(b, "w1");
    expect_state(b, JOB_1, "done", 2, 0);
}

static void an_undeliverable_lease_goes_back_at_once(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    b->unreachable = "w1";
    assert_null(bench_ask(b, "w1", 2, 1));
    bench_wait(b, 500);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 0);
}

static void goodbye_and_return_give_rows_back(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 6, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 6, 1);
    Diffarm__LeaseReturned returned = DIFFARM__LEASE_RETURNED__INIT;
    uint64_t rows[] = { 4, 5 };
    returned.token = lease->token;
    returned.rows = rows, returned.n_rows = 2;
    bench_say(b, "w1", DF_WIRE_MESSAGE(LEASE_RETURNED, lease_returned, &returned), NULL, 0);
    bench_wait(b, 500);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 4);
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 0), 1);
    Diffarm__Goodbye bye = DIFFARM__GOODBYE__INIT;
    bench_say(b, "w1", DF_WIRE_MESSAGE(GOODBYE, goodbye, &bye), NULL, 0);
    bench_wait(b, 500);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 0);
    assert_int_equal(bench_status(b, JOB_1)->n_done, 1);
    bench_hello(b, "w2", NULL, NULL);
    work_off(b, "w2");
    expect_state(b, JOB_1, "done", 6, 0);
}

static void a_hello_that_does_not_name_a_lease_gives_it_up(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    assert_non_null(bench_ask(b, "w1", 2, 1)); /* the connection breaks, the Lease with it */
    bench_hello(b, "w1", NULL, NULL);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 0);
}

static void a_token_is_good_for_its_own_worker_only(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    bench_hello(b, "w2", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 1, 1);
    assert_int_equal(bench_result(b, "w2", lease->token, JOB_1, lease->rows[0]->row), 0);
    assert_int_equal(bench_status(b, JOB_1)->n_done, 0);
    bench_beat(b, "w2", lease->token);
    assert_non_null(bench_heard(b, "w2", DIFFARM__MESSAGE__BODY_LEASE_REVOKED));
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, lease->rows[0]->row), 1);
}

/* The worker's last word came after it last named the lease: that is a death, not a lease it does not have. */
static void a_death_after_another_word_counts_as_one(void **state) {
    bench *b = *state;
    df_stored_row row;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 4, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 2, 1);
    bench_beat(b, "w1", lease->token);
    bench_wait(b, 1500);
    bench_ask(b, "w1", 2, 1);
    bench_wait(b, TIMEOUT_MS + 2000);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 0);
    df_arena *arena = df_arena_new();
    assert_int_equal(df_store_read_row(b->farm->store, 1, 0, arena, &row, NULL), DF_OK);
    assert_int_equal(row.lost, 1);
    df_arena_free(&arena);
}

/* A result waits for OUT, its worker has gone, and then the coordinator dies: the row must not stay leased to nobody.
 */
static void a_crash_with_results_in_wait_leaves_no_row_behind(void **state) {
    bench *b = *state;
    char away[4096];
    snprintf(away, sizeof away, "%s.away", b->out);
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 2, 1);
    assert_int_equal(rename(b->out, away), 0);
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 0), -1);
    Diffarm__Goodbye bye = DIFFARM__GOODBYE__INIT;
    bench_say(b, "w1", DF_WIRE_MESSAGE(GOODBYE, goodbye, &bye), NULL, 0);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 1); /* the one that waits */
    assert_int_equal(rename(away, b->out), 0);
    bench_restart(b);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 0);
    bench_hello(b, "w2", NULL, NULL);
    work_off(b, "w2");
    expect_state(b, JOB_1, "done", 2, 0);
}

static void a_draining_worker_gets_nothing_new(void **state) {
    bench *b = *state;
    bench_hello(b, "w1", NULL, NULL);
    assert_null(bench_ask(b, "w1", 4, 1));
    Diffarm__Heartbeat beat = DIFFARM__HEARTBEAT__INIT;
    beat.draining = 1;
    bench_say(b, "w1", DF_WIRE_MESSAGE(HEARTBEAT, heartbeat, &beat), NULL, 0);
    assert_int_equal(bench_submit(b, JOB_1, b->out, 4, NULL), DF_OK);
    assert_int_equal(bench_count(b, "w1", DIFFARM__MESSAGE__BODY_LEASE), 0);
    assert_null(bench_ask(b, "w1", 4, 1));
}

static void our_own_stand_still_blames_nobody(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 2, 1);
    b->now_ms += 10 * TIMEOUT_MS; /* one long turn, as after SIGSTOP: the heartbeats were not read */
    df_farm_turn(b->farm, b->now_ms);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 2);
    finish_lease(b, "w1", lease);
}

/* failures */

static void a_failed_row_is_tried_by_another_worker(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    bench_hello(b, "w2", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 1, 1);
    assert_int_equal(bench_failed(b, "w1", lease->token, JOB_1, 0, DF_EBACKEND), 0);
    assert_null(bench_ask(b, "w1", 1, 1)); /* not the one that failed */
    lease = bench_ask(b, "w2", 1, 1);
    assert_non_null(lease);
    assert_int_equal(bench_failed(b, "w2", lease->token, JOB_1, 0, DF_EBACKEND), 0);
    expect_state(b, JOB_1, "done", 0, 1);
    Diffarm__JobStatus *s = bench_status(b, JOB_1);
    assert_int_equal(s->n_failures, 1);
    assert_int_equal(s->failures[0]->attempts, 2);
    assert_string_equal(s->failures[0]->error, "it went wrong");
    char *failures = bench_read(b->out, "failures.jsonl");
    assert_string_equal(failures, "{\"row\":0,\"line\":1,\"name\":\"\",\"prompt\":\"prompt 0\",\"seed\":1000,"
                                  "\"error\":\"it went wrong\"}\n");
    free(failures);
}

static void a_lone_worker_tries_again_itself(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 1, 1);
    bench_failed(b, "w1", lease->token, JOB_1, 0, DF_EBACKEND);
    lease = bench_ask(b, "w1", 1, 1);
    assert_non_null(lease);
    finish_lease(b, "w1", lease);
    expect_state(b, JOB_1, "done", 1, 0);
}

static void bad_input_fails_at_once(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 1, 1);
    bench_failed(b, "w1", lease->token, JOB_1, 0, DF_EUNSUPPORTED);
    expect_state(b, JOB_1, "done", 0, 1);
}

/* Row 5 kills its worker. It alone is failed, after three deaths; its neighbours are not. */
static void a_row_that_kills_workers_is_set_aside(void **state) {
    bench *b = *state;
    char worker[16];
    assert_int_equal(bench_submit(b, JOB_1, b->out, 40, NULL), DF_OK);
    int n_died = 0;
    for (int n = 0; n < 20 && strcmp(bench_status(b, JOB_1)->state, "done") != 0; n++) {
        snprintf(worker, sizeof worker, "w%d", n);
        bench_hello(b, worker, NULL, NULL);
        for (Diffarm__Lease *lease; (lease = bench_ask(b, worker, 0, 100));) {
            bool poisoned = false;
            for (size_t i = 0; i < lease->n_rows && !poisoned; i++) {
                poisoned = lease->rows[i]->row == 5;
                if (!poisoned) bench_result(b, worker, lease->token, JOB_1, lease->rows[i]->row);
            }
            if (!poisoned) continue;
            n_died++;
            bench_wait(b, TIMEOUT_MS + 500);
            break;
        }
    }
    assert_int_equal(n_died, 3);
    expect_state(b, JOB_1, "done", 39, 1);
    assert_string_equal(bench_status(b, JOB_1)->failures[0]->error, "worker died 3 times on this row");
}

static void damaged_results_are_not_written(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 1, 1);
    Diffarm__Result result = DIFFARM__RESULT__INIT;
    result.token = lease->token;
    result.job_id = (char *)JOB_1;
    result.png_sha256 = (char *)MODEL_A; /* not the hash of what follows */
    uint8_t png[BENCH_PNG_BYTES];
    bench_png(png, 0, 64, 64);
    bench_say(b, "w1", DF_WIRE_MESSAGE(RESULT, result, &result), png, sizeof png);
    assert_false(bench_heard(b, "w1", DIFFARM__MESSAGE__BODY_RESULT_ACK)->result_ack->committed);
    assert_false(bench_exists(b->out, "images"));
    lease = bench_ask(b, "w1", 1, 1);
    result.token = lease->token;
    bench_png(png, 0, 64, 32); /* wrong size */
    bench_say(b, "w1", DF_WIRE_MESSAGE(RESULT, result, &result), png, sizeof png);
    expect_state(b, JOB_1, "done", 0, 1);
    assert_non_null(strstr(bench_status(b, JOB_1)->failures[0]->error, "64x32"));
}

static void other_bytes_for_a_committed_row_raise_an_alarm(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 1, 1);
    finish_lease(b, "w1", lease);
    Diffarm__Result result = DIFFARM__RESULT__INIT;
    result.token = lease->token;
    result.job_id = (char *)JOB_1;
    result.png_sha256 = (char *)MODEL_A;
    bench_say(b, "w1", DF_WIRE_MESSAGE(RESULT, result, &result), "xx", 2);
    assert_int_equal(bench_status(b, JOB_1)->n_conflicts, 1);
    bench_restart(b); /* the count is kept */
    assert_int_equal(bench_status(b, JOB_1)->n_conflicts, 1);
    assert_int_equal(bench_status(b, JOB_1)->n_done, 1);
}

/* restarts */

static void a_worker_keeps_its_lease_over_a_restart(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 4, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    char *token = strdup(bench_ask(b, "w1", 4, 1)->token);
    assert_int_equal(bench_result(b, "w1", token, JOB_1, 0), 1);
    bench_restart(b);
    bench_beat(b, "w1", token); /* it does not know yet */
    assert_non_null(bench_heard(b, "w1", DIFFARM__MESSAGE__BODY_SAY_HELLO));
    bench_hello(b, "w1", NULL, token);
    for (uint64_t row = 0; row < 4; row++) assert_int_equal(bench_result(b, "w1", token, JOB_1, row), 1);
    expect_state(b, JOB_1, "done", 4, 0);
    assert_int_equal(bench_status(b, JOB_1)->n_duplicates, 1); /* row 0, whose ack could have been lost */
    free(token);
}

static void tokens_of_two_starts_differ(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    char *token = strdup(bench_ask(b, "w1", 1, 1)->token);
    bench_restart(b);
    bench_hello(b, "w2", NULL, NULL);
    assert_string_not_equal(bench_ask(b, "w2", 1, 1)->token, token);
    free(token);
}

static void orphans_go_back_after_the_time_of_grace(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 4, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    assert_non_null(bench_ask(b, "w1", 4, 1));
    bench_restart(b);
    bench_wait(b, TIMEOUT_MS - 500);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 4);
    bench_wait(b, 1000);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 0);
}

static void results_and_restarts_in_any_order_give_the_same_out(void **state) {
    bench *b = *state;
    char undisturbed[65], disturbed[65];
    assert_int_equal(bench_submit(b, JOB_1, b->out, 30, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    work_off(b, "w1");
    expect_state(b, JOB_1, "done", 30, 0);
    bench_tree_hash(b->out, "runs.jsonl", undisturbed);
    assert_int_equal(df_file_remove_tree(b->out, NULL), DF_OK);

    assert_int_equal(bench_submit(b, JOB_2, b->out, 30, NULL), DF_OK);
    for (int i = 0; i < 15; i++) { /* every lease is cut off by a restart */
        char worker[16];
        snprintf(worker, sizeof worker, "x%d", i);
        bench_hello(b, worker, NULL, NULL);
        Diffarm__Lease *lease = bench_ask(b, worker, 4, 1);
        for (size_t k = lease ? lease->n_rows : 0; k-- > lease->n_rows / 2;)
            bench_result(b, worker, lease->token, JOB_2, lease->rows[k]->row);
        bench_restart(b);
        bench_wait(b, TIMEOUT_MS + 500);
    }
    bench_hello(b, "w9", NULL, NULL);
    work_off(b, "w9");
    expect_state(b, JOB_2, "done", 30, 0);
    bench_tree_hash(b->out, "runs.jsonl", disturbed);
    assert_string_equal(undisturbed, disturbed);
}

/* cancel, stall */

static void cancel_revokes_and_keeps_pictures(void **state) {
    bench *b = *state;
    assert_int_equal(bench_cancel(b, JOB_1), DF_ENOTFOUND);
    assert_int_equal(bench_submit(b, JOB_1, b->out, 6, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 6, 1);
    char *token = strdup(lease->token);
    assert_int_equal(bench_result(b, "w1", token, JOB_1, 2), 1);
    assert_int_equal(bench_cancel(b, JOB_1), DF_OK);
    assert_int_equal(bench_cancel(b, JOB_1), DF_OK);
    assert_non_null(bench_heard(b, "w1", DIFFARM__MESSAGE__BODY_LEASE_REVOKED));
    assert_int_equal(bench_result(b, "w1", token, JOB_1, 3), 0);
    expect_state(b, JOB_1, "cancelled", 1, 0);
    assert_int_equal(bench_status(b, JOB_1)->n_leased, 0);
    assert_true(bench_exists(b->out, "images/000000/00000002.png"));
    assert_false(bench_exists(b->out, "job.json"));
    assert_false(bench_exists(b->out, ".diffarm"));
    assert_null(bench_ask(b, "w1", 6, 1));
    bench_restart(b);
    expect_state(b, JOB_1, "cancelled", 1, 0);
    free(token);
}

static void a_done_job_cannot_be_cancelled(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    work_off(b, "w1");
    assert_int_equal(bench_cancel(b, JOB_1), DF_EINVAL);
}

/* OUT goes away (a disk that is not mounted any more) and comes back. */
static void a_job_stalls_and_goes_on(void **state) {
    bench *b = *state;
    char away[4096];
    snprintf(away, sizeof away, "%s.away", b->out);
    assert_int_equal(bench_submit(b, JOB_1, b->out, 4, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 2, 1);
    assert_int_equal(rename(b->out, away), 0);
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 0), -1); /* no promise that cannot be kept */
    Diffarm__JobStatus *s = bench_status(b, JOB_1);
    assert_string_equal(s->state, "stalled");
    assert_non_null(strstr(s->problem, b->out));
    assert_null(bench_ask(b, "w1", 2, 1)); /* nothing more is lent */
    assert_false(bench_exists(b->out, ".")); /* and OUT is not made anew: it may be a mount point */
    for (int i = 0; i < 20; i++) bench_wait(b, 2000), bench_beat(b, "w1", lease->token);
    assert_string_equal(bench_status(b, JOB_1)->state, "stalled");
    assert_int_equal(rename(away, b->out), 0);
    bench_wait(b, b->cfg.stall_retry_ms + 500);
    assert_int_equal(bench_heard(b, "w1", DIFFARM__MESSAGE__BODY_RESULT_ACK)->result_ack->committed, 1);
    s = bench_status(b, JOB_1);
    assert_string_equal(s->state, "running");
    assert_string_equal(s->problem, "");
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 1), 1);
    Diffarm__Message *m = bench_heard(b, "w1", DIFFARM__MESSAGE__BODY_LEASE); /* the question was still open */
    finish_lease(b, "w1", m->lease);
    work_off(b, "w1");
    expect_state(b, JOB_1, "done", 4, 0);
}

static void change_name_link(Diffarm__Row *row) {
    if (row->row == 0) row->name = (char *)"link/evil";
}

static void a_link_inside_out_does_not_lead_out(void **state) {
    bench *b = *state;
    char link[4096], target[4096];
    df_err err;
    snprintf(target, sizeof target, "%s/outside", b->dir);
    snprintf(link, sizeof link, "%s/link", b->out);
    assert_int_equal(df_file_mkdirs(target, &err), DF_OK);
    assert_int_equal(bench_submit(b, JOB_1, b->out, 2, change_name_link), DF_OK);
    assert_int_equal(symlink(target, link), 0);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 2, 1);
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 0), 0);
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 1), 1);
    expect_state(b, JOB_1, "done", 1, 1);
    assert_false(bench_exists(target, "evil.png"));
}

/* Jobs of any length: rows are read in windows, lists are written in slices. */
static void memory_does_not_grow_with_the_job(void **state) {
    bench *b = *state;
    enum { BATCH = 500, N = 120 * BATCH };
    b->cfg.cache_kib = 2 << 10; /* far less than the rows take */
    bench_restart(b);
    static Diffarm__Row rows[BATCH];
    Diffarm__Row *at[BATCH];
    df_err err;
    assert_int_equal(bench_begin(b, JOB_1, b->out), DF_OK);
    size_t before = 0;
    for (uint64_t batch = 0; batch < N / BATCH; batch++) {
        for (uint64_t i = 0; i < BATCH; i++) bench_row(at[i] = &rows[i], batch * BATCH + i);
        assert_int_equal(bench_rows(b, JOB_1, batch, at, BATCH), DF_OK);
        bench_forget(b);
        if (batch == 4) before = mallinfo2().uordblks;
    }
    assert_int_equal(bench_end(b, JOB_1, N), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    assert_non_null(bench_ask(b, "w1", 0, 1000));
    df_store_begin(b->farm->store, false, &err);
    const df_row_result result = {
        .png_sha256 = MODEL_A, .flags = "flat\nprompt_cut", .scheduler = "ddim", .worker = "w"
    };
    for (uint64_t i = 0; i < N; i++)
        assert_int_equal(df_store_row_done(b->farm->store, b->farm->jobs.at[0]->key, i, &result, &err), DF_OK);
    assert_int_equal(df_store_commit(b->farm->store, &err), DF_OK);
    bench_restart(b);
    int n_turns = 0;
    for (; strcmp(bench_status(b, JOB_1)->state, "done") != 0; n_turns++) df_farm_turn(b->farm, b->now_ms);
    assert_true(n_turns >= 3); /* other jobs had their turn in between */
    bench_forget(b);
    assert_true(mallinfo2().uordblks < before + (4 << 20)); /* SQLite's caches, of a fixed size */
    char *metadata = bench_read(b->out, "metadata.jsonl"), *last = strstr(metadata, "00059999.png");
    assert_non_null(last);
    assert_non_null(strstr(last, "\"flags\":[\"flat\",\"prompt_cut\"]"));
    size_t n_lines = 0;
    for (const char *c = metadata; *c; c++) n_lines += *c == '\n';
    assert_int_equal(n_lines, N);
    free(metadata);
}

/* looking */

static void numbers_are_shown(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 20, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 10, 1);
    assert_int_equal(lease->n_rows, 10);
    for (uint64_t row = 0; row < 5; row++) {
        bench_wait(b, 1000);
        bench_result(b, "w1", lease->token, JOB_1, row);
    }
    Diffarm__Heartbeat beat = DIFFARM__HEARTBEAT__INIT;
    beat.tokens = &lease->token, beat.n_tokens = 1, beat.steps_done = 1.5;
    bench_say(b, "w1", DF_WIRE_MESSAGE(HEARTBEAT, heartbeat, &beat), NULL, 0);
    Diffarm__JobStatus *s = bench_status(b, JOB_1);
    assert_int_equal(s->n_leased, 5);
    assert_int_equal(s->n_workers, 1);
    assert_true(s->steps_done == 1.5);
    assert_true(s->images_per_second > 0.9 && s->images_per_second < 1.4);
    assert_true(s->eta_seconds > 9 && s->eta_seconds < 15);
    Diffarm__WorkersQuery query = DIFFARM__WORKERS_QUERY__INIT;
    bench_say(b, "client", DF_WIRE_MESSAGE(WORKERS_QUERY, workers_query, &query), NULL, 0);
    Diffarm__WorkerList *list = bench_heard(b, "client", DIFFARM__MESSAGE__BODY_WORKER_LIST)->worker_list;
    assert_int_equal(list->n_workers, 1);
    assert_string_equal(list->workers[0]->state, "working");
    assert_int_equal(list->workers[0]->n_done, 5);
    assert_int_equal(list->workers[0]->rows_leased, 5);
    assert_null(bench_status(b, JOB_2));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_job_becomes_files_and_lists),
        TEST(submit_may_come_twice),
        TEST(bad_submits_are_refused),
        TEST(names_are_checked),
        TEST(foreign_out_is_refused),
        TEST(half_an_upload_is_forgotten),
        TEST(unknown_formats_are_refused),
        TEST(leases_fit_speed_and_share),
        TEST(a_lease_holds_rows_alike_in_manifest_order),
        TEST(only_offered_models_are_lent),
        TEST(a_waiting_worker_is_served_when_work_comes),
        TEST(rows_of_a_silent_worker_go_to_another),
        TEST(a_beating_worker_keeps_its_lease),
        TEST(a_lease_its_worker_never_names_goes_back_without_blame),
        TEST(an_undeliverable_lease_goes_back_at_once),
        TEST(goodbye_and_return_give_rows_back),
        TEST(a_hello_that_does_not_name_a_lease_gives_it_up),
        TEST(a_token_is_good_for_its_own_worker_only),
        TEST(a_death_after_another_word_counts_as_one),
        TEST(a_crash_with_results_in_wait_leaves_no_row_behind),
        TEST(a_draining_worker_gets_nothing_new),
        TEST(our_own_stand_still_blames_nobody),
        TEST(a_failed_row_is_tried_by_another_worker),
        TEST(a_lone_worker_tries_again_itself),
        TEST(bad_input_fails_at_once),
        TEST(a_row_that_kills_workers_is_set_aside),
        TEST(damaged_results_are_not_written),
        TEST(other_bytes_for_a_committed_row_raise_an_alarm),
        TEST(a_worker_keeps_its_lease_over_a_restart),
        TEST(tokens_of_two_starts_differ),
        TEST(orphans_go_back_after_the_time_of_grace),
        TEST(results_and_restarts_in_any_order_give_the_same_out),
        TEST(cancel_revokes_and_keeps_pictures),
        TEST(a_done_job_cannot_be_cancelled),
        TEST(a_job_stalls_and_goes_on),
        TEST(a_link_inside_out_does_not_lead_out),
        TEST(memory_does_not_grow_with_the_job),
        TEST(numbers_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
