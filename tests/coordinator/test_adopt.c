/* The shared sink: pictures that workers write beside OUT, and what the coordinator makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "proto/beside.h"
#include "tests/coordinator/bench.h"

enum { SIDE = 64 };

static int open_bench(void **state) {
    bench *b = bench_open();
    b->shared_sink = true;
    *state = b;
    return 0;
}

static int close_bench(void **state) {
    bench_close(*state);
    return 0;
}

/* What a worker does. */
static void put(const bench *b, const char *token, const char *job_id, uint64_t row) {
    uint8_t png[BENCH_PNG_BYTES];
    bench_png(png, row, SIDE, SIDE);
    assert_int_equal(df_beside_write(b->out, job_id, token, row, png, sizeof png, NULL), DF_OK);
}

/* Word of a file; 1 committed, 0 dropped, -1 no ack. */
static int tell(bench *b, const char *worker, const char *token, const char *job_id, uint64_t row) {
    uint8_t png[BENCH_PNG_BYTES];
    char sha256[DF_SHA256_HEX_BYTES];
    Diffarm__Result result = DIFFARM__RESULT__INIT;
    bench_png(png, row, SIDE, SIDE);
    df_sha256_of(png, sizeof png, sha256);
    result.token = (char *)token;
    result.job_id = (char *)job_id;
    result.row = row;
    result.png_sha256 = sha256;
    result.scheduler = (char *)"ddim";
    result.seconds = 0.25;
    result.beside_bytes = sizeof png;
    bench_say(b, worker, DF_WIRE_MESSAGE(RESULT, result, &result), NULL, 0);
    Diffarm__Message *m = bench_heard(b, worker, DIFFARM__MESSAGE__BODY_RESULT_ACK);
    return m ? m->result_ack->committed : -1;
}

static int put_and_tell(bench *b, const char *worker, const char *token, const char *job_id, uint64_t row) {
    put(b, token, job_id, row);
    return tell(b, worker, token, job_id, row);
}

static bool is_wanted(bench *b, const char *worker, const char *token, uint64_t row) {
    Diffarm__Message *m = bench_heard(b, worker, DIFFARM__MESSAGE__BODY_PICTURE_WANTED);
    return m && !strcmp(m->picture_wanted->token, token) && m->picture_wanted->row == row;
}

static bool lies_beside(const bench *b, const char *token, uint64_t row) {
    char name[DF_BESIDE_NAME_BYTES], path[200];
    df_beside_name(name, token, row);
    snprintf(path, sizeof path, ".diffarm/beside/%s", name);
    return bench_exists(b->out, path);
}

/* A lease of n rows of a new job. The token is copied: it outlives the message. */
static void lend(bench *b, uint64_t n_rows, char token[DF_LEASE_TOKEN_BYTES]) {
    assert_int_equal(bench_submit(b, JOB_1, b->out, n_rows, NULL), DF_OK);
    bench_hello(b, "w1", MODEL_A, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", (uint32_t)n_rows, 1);
    assert_non_null(lease);
    assert_true(lease->job->shared_sink);
    assert_int_equal(lease->n_rows, n_rows);
    snprintf(token, DF_LEASE_TOKEN_BYTES, "%s", lease->token);
}

static void expect_done(bench *b, uint64_t n_done, uint64_t n_failed) {
    Diffarm__JobStatus *s = bench_status(b, JOB_1);
    assert_string_equal(s->state, "done");
    assert_int_equal(s->n_done, n_done);
    assert_int_equal(s->n_failed, n_failed);
    assert_false(bench_exists(b->out, ".diffarm"));
}

/* the straight way */

static void hash_of_job(const char *format, bool shared, char *hex) {
    char token[DF_LEASE_TOKEN_BYTES];
    bench *b = bench_open();
    b->format = format;
    b->shared_sink = true;
    lend(b, 12, token);
    for (uint64_t row = 0; row < 12; row++)
        assert_int_equal(shared ? put_and_tell(b, "w1", token, JOB_1, row) : bench_result(b, "w1", token, JOB_1, row),
                         1);
    bench_wait(b, 100);
    expect_done(b, 12, 0);
    bench_tree_hash(b->out, "runs.jsonl", hex);
    bench_close(b);
}

static void out_is_the_same_by_both_ways(void **state) {
    (void)state;
    static const char *const formats[] = { "png", "tar" };
    for (int i = 0; i < 2; i++) {
        char by_file[DF_SHA256_HEX_BYTES], by_message[DF_SHA256_HEX_BYTES];
        hash_of_job(formats[i], true, by_file);
        hash_of_job(formats[i], false, by_message);
        assert_string_equal(by_file, by_message);
    }
}

static void named_rows_come_to_their_names(void **state) {
    bench *b = *state;
    char token[DF_LEASE_TOKEN_BYTES];
    lend(b, 2, token);
    assert_int_equal(put_and_tell(b, "w1", token, JOB_1, 1), 1);
    assert_true(bench_exists(b->out, "images/000000/00000001.png"));
    assert_false(lies_beside(b, token, 1));
}

/* what goes wrong */

static void a_file_that_is_not_there_is_asked_for(void **state) {
    bench *b = *state;
    char token[DF_LEASE_TOKEN_BYTES];
    lend(b, 1, token);
    assert_int_equal(tell(b, "w1", token, JOB_1, 0), -1);
    assert_true(is_wanted(b, "w1", token, 0));
    assert_int_equal(bench_status(b, JOB_1)->n_retried, 0); /* nobody is to blame */
    assert_int_equal(bench_result(b, "w1", token, JOB_1, 0), 1);
    expect_done(b, 1, 0);
}

static void another_file_is_a_failed_attempt(void **state) {
    bench *b = *state;
    char token[DF_LEASE_TOKEN_BYTES], path[300], name[DF_BESIDE_NAME_BYTES];
    uint8_t png[BENCH_PNG_BYTES], longer[BENCH_PNG_BYTES + 1] = { 0 };
    lend(b, 4, token);
    bench_png(png, 77, SIDE, SIDE); /* whole, but another */
    assert_int_equal(df_beside_write(b->out, JOB_1, token, 0, png, sizeof png, NULL), DF_OK);
    assert_int_equal(tell(b, "w1", token, JOB_1, 0), 0);
    png[40] ^= 1;
    assert_int_equal(df_beside_write(b->out, JOB_1, token, 1, png, sizeof png, NULL), DF_OK);
    assert_int_equal(tell(b, "w1", token, JOB_1, 1), 0);
    assert_int_equal(df_beside_write(b->out, JOB_1, token, 2, longer, sizeof longer, NULL), DF_OK);
    assert_int_equal(tell(b, "w1", token, JOB_1, 2), 0);
    df_beside_name(name, token, 3);
    snprintf(path, sizeof path, "%s/.diffarm/beside/%s", b->out, name);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    assert_int_equal(tell(b, "w1", token, JOB_1, 3), 0);
    assert_int_equal(bench_status(b, JOB_1)->n_retried, 4);
    assert_false(bench_exists(b->out, "images"));
}

static void a_link_in_the_way_fails_its_row_alone(void **state) {
    bench *b = *state;
    char token[DF_LEASE_TOKEN_BYTES], path[300];
    lend(b, 1, token);
    snprintf(path, sizeof path, "%s/images", b->out);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_int_equal(put_and_tell(b, "w1", token, JOB_1, 0), 0);
    expect_done(b, 0, 1);
}

static void what_a_job_by_message_has_beside_it_does_not_count(void **state) {
    bench *b = *state;
    char token[DF_LEASE_TOKEN_BYTES];
    b->shared_sink = false;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, NULL), DF_OK);
    bench_hello(b, "w1", MODEL_A, NULL);
    snprintf(token, sizeof token, "%s", bench_ask(b, "w1", 1, 1)->token);
    assert_int_equal(put_and_tell(b, "w1", token, JOB_1, 0), 0);
    assert_int_equal(bench_status(b, JOB_1)->n_retried, 1);
}

static void a_stalled_job_takes_the_file_later(void **state) {
    bench *b = *state;
    char token[DF_LEASE_TOKEN_BYTES], away[300];
    lend(b, 1, token);
    put(b, token, JOB_1, 0);
    snprintf(away, sizeof away, "%s.away", b->out);
    assert_int_equal(rename(b->out, away), 0);
    assert_int_equal(tell(b, "w1", token, JOB_1, 0), -1);
    assert_string_equal(bench_status(b, JOB_1)->state, "stalled");
    assert_int_equal(rename(away, b->out), 0);
    bench_wait(b, b->cfg.stall_retry_ms + 1000);
    expect_done(b, 1, 0);
}

/* late, doubled, left behind */

static void a_late_result_is_compared_and_its_file_goes(void **state) {
    bench *b = *state;
    char first[DF_LEASE_TOKEN_BYTES], second[DF_LEASE_TOKEN_BYTES];
    lend(b, 2, first);
    put(b, first, JOB_1, 0);
    bench_wait(b, b->cfg.lease_timeout_ms + 1000);
    assert_false(lies_beside(b, first, 0)); /* its lease is lost */
    bench_hello(b, "w2", MODEL_A, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w2", 1, 1);
    snprintf(second, sizeof second, "%s", lease->token);
    uint64_t row = lease->rows[0]->row;
    put(b, second, JOB_1, row);
    bench_hello(b, "w1", MODEL_A, NULL);
    assert_int_equal(tell(b, "w1", second, JOB_1, row), 0); /* under another's token */
    assert_true(lies_beside(b, second, row));
    assert_int_equal(tell(b, "w2", second, JOB_1, row), 1);
    assert_int_equal(put_and_tell(b, "w1", first, JOB_1, row), 1); /* the same bytes as are committed */
    assert_false(lies_beside(b, first, row));
    assert_int_equal(put_and_tell(b, "w2", second, JOB_1, row), 1); /* twice */
    assert_false(lies_beside(b, second, row));
    assert_int_equal(bench_status(b, JOB_1)->n_duplicates, 3);
    assert_int_equal(bench_status(b, JOB_1)->n_conflicts, 0);
}

static void a_restart_keeps_files_of_live_leases_alone(void **state) {
    bench *b = *state;
    char token[DF_LEASE_TOKEN_BYTES];
    lend(b, 2, token);
    put(b, token, JOB_1, 0);
    put(b, "1-0123456789abcdef-99", JOB_1, 1);
    bench_restart(b);
    assert_true(lies_beside(b, token, 0));
    assert_false(lies_beside(b, "1-0123456789abcdef-99", 1));
    bench_hello(b, "w1", MODEL_A, token);
    assert_int_equal(tell(b, "w1", token, JOB_1, 0), 1);
    assert_int_equal(put_and_tell(b, "w1", token, JOB_1, 1), 1);
    expect_done(b, 2, 0);
}

static void a_picture_sent_after_all_leaves_no_file(void **state) {
    bench *b = *state;
    char token[DF_LEASE_TOKEN_BYTES];
    lend(b, 2, token);
    put(b, token, JOB_1, 0);
    assert_int_equal(bench_result(b, "w1", token, JOB_1, 0), 1);
    assert_false(lies_beside(b, token, 0));
}

static void cancelling_leaves_nothing(void **state) {
    bench *b = *state;
    char token[DF_LEASE_TOKEN_BYTES];
    lend(b, 2, token);
    assert_int_equal(put_and_tell(b, "w1", token, JOB_1, 0), 1);
    put(b, token, JOB_1, 1);
    assert_int_equal(bench_cancel(b, JOB_1), DF_OK);
    bench_wait(b, 1000);
    assert_false(bench_exists(b->out, ".diffarm"));
    assert_true(bench_exists(b->out, "images/000000/00000000.png"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_bench, close_bench)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_is_the_same_by_both_ways),
        TEST(named_rows_come_to_their_names),
        TEST(a_file_that_is_not_there_is_asked_for),
        TEST(another_file_is_a_failed_attempt),
        TEST(a_link_in_the_way_fails_its_row_alone),
        TEST(what_a_job_by_message_has_beside_it_does_not_count),
        TEST(a_stalled_job_takes_the_file_later),
        TEST(a_late_result_is_compared_and_its_file_goes),
        TEST(a_restart_keeps_files_of_live_leases_alone),
        TEST(a_picture_sent_after_all_leaves_no_file),
        TEST(cancelling_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
