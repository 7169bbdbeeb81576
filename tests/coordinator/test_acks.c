/* Answers to results: together, lease by lease, where the worker understands that. And jobs that keep no pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/coordinator/bench.h"

static int open_bench(void **state) {
    *state = bench_open();
    return 0;
}

static int close_bench(void **state) {
    bench_close(*state);
    return 0;
}

static void hello(bench *b, const char *worker, bool groups_acks) {
    Diffarm__Hello out = DIFFARM__HELLO__INIT;
    out.role = DIFFARM__HELLO__ROLE__WORKER;
    out.worker_id = out.name = (char *)worker;
    out.any_model = 1;
    out.groups_acks = groups_acks;
    bench_say(b, worker, DF_WIRE_MESSAGE(HELLO, hello, &out), NULL, 0);
}

/* Results of two leases wait until OUT is there again, and are committed in one turn. */
static void commit_at_once(bench *b, const char *worker, Diffarm__Lease *leases[2]) {
    char away[4096];
    snprintf(away, sizeof away, "%s.away", b->out);
    assert_int_equal(bench_submit(b, JOB_1, b->out, 6, NULL), DF_OK);
    for (int i = 0; i < 2; i++) leases[i] = bench_ask(b, worker, 3, 1);
    assert_int_equal(rename(b->out, away), 0);
    for (size_t k = 0; k < 3; k++)
        for (int i = 0; i < 2; i++)
            assert_int_equal(bench_result(b, worker, leases[i]->token, JOB_1, leases[i]->rows[k]->row), -1);
    assert_int_equal(rename(away, b->out), 0);
    for (int i = 0; i < 4; i++) {
        bench_wait(b, b->cfg.stall_retry_ms / 2);
        bench_beat(b, worker, leases[0]->token);
        bench_beat(b, worker, leases[1]->token);
    }
}

static void a_lease_is_answered_in_one_message(void **state) {
    bench *b = *state;
    Diffarm__Lease *leases[2];
    hello(b, "w1", true);
    commit_at_once(b, "w1", leases);
    assert_int_equal(bench_count(b, "w1", DIFFARM__MESSAGE__BODY_RESULT_ACK), 2);
    bool acked[6] = { false };
    for (int i = 0; i < 2; i++) {
        const Diffarm__ResultAck *ack = bench_heard(b, "w1", DIFFARM__MESSAGE__BODY_RESULT_ACK)->result_ack;
        assert_true(ack->committed);
        assert_int_equal(ack->n_more_rows, 2);
        acked[ack->row] = acked[ack->more_rows[0]] = acked[ack->more_rows[1]] = true;
    }
    for (int i = 0; i < 6; i++) assert_true(acked[i]);
}

static void who_does_not_say_so_gets_one_for_each_row(void **state) {
    bench *b = *state;
    Diffarm__Lease *leases[2];
    hello(b, "w1", false);
    commit_at_once(b, "w1", leases);
    assert_int_equal(bench_count(b, "w1", DIFFARM__MESSAGE__BODY_RESULT_ACK), 6);
    assert_int_equal(bench_heard(b, "w1", DIFFARM__MESSAGE__BODY_RESULT_ACK)->result_ack->n_more_rows, 0);
}

/* Format "none": the hash is committed, and nothing is written but the lists. */
static int tell_hash(bench *b, const char *worker, const char *token, uint64_t row, const char *sha256) {
    Diffarm__Result out = DIFFARM__RESULT__INIT;
    out.token = (char *)token;
    out.job_id = (char *)JOB_1;
    out.row = row;
    out.png_sha256 = (char *)sha256;
    bench_say(b, worker, DF_WIRE_MESSAGE(RESULT, result, &out), NULL, 0);
    Diffarm__Message *m = bench_heard(b, worker, DIFFARM__MESSAGE__BODY_RESULT_ACK);
    return m ? m->result_ack->committed : -1;
}

static void a_job_may_keep_no_pictures(void **state) {
    bench *b = *state;
    b->format = "none";
    assert_int_equal(bench_submit(b, JOB_1, b->out, 3, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    Diffarm__Lease *lease = bench_ask(b, "w1", 8, 1);
    assert_int_equal(lease->n_rows, 3);
    assert_int_equal(tell_hash(b, "w1", lease->token, 0, MODEL_A), 1);
    assert_int_equal(tell_hash(b, "w1", lease->token, 1, "no hash"), 0); /* an attempt */
    assert_int_equal(bench_result(b, "w1", lease->token, JOB_1, 2), 1); /* a picture is let go */
    lease = bench_ask(b, "w1", 8, 1);
    assert_int_equal(tell_hash(b, "w1", lease->token, 1, MODEL_B), 1);
    assert_string_equal(bench_status(b, JOB_1)->state, "done");
    assert_false(bench_exists(b->out, "images"));
    char *metadata = bench_read(b->out, "metadata.jsonl");
    assert_non_null(strstr(metadata, "\"sha256\":\"" MODEL_B "\""));
    assert_null(strstr(metadata, "file_name"));
    free(metadata);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_lease_is_answered_in_one_message),
        TEST(who_does_not_say_so_gets_one_for_each_row),
        TEST(a_job_may_keep_no_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
