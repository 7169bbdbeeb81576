/* Why a job waits, and which pictures failed: what clients are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
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

static const Diffarm__Explanation *explain(bench *b, const char *job_id) {
    Diffarm__ExplainQuery query = DIFFARM__EXPLAIN_QUERY__INIT;
    query.job_id = (char *)job_id;
    bench_say(b, "c", DF_WIRE_MESSAGE(EXPLAIN_QUERY, explain_query, &query), NULL, 0);
    Diffarm__Message *m = bench_heard(b, "c", DIFFARM__MESSAGE__BODY_EXPLANATION);
    assert_non_null(m);
    return m->explanation;
}

static void expect_summary(bench *b, const char *job_id, const char *text) {
    const Diffarm__Explanation *e = explain(b, job_id);
    assert_int_equal(e->code, DF_OK);
    if (!strstr(e->summary, text)) fail_msg("'%s' is not in '%s'", text, e->summary);
}

static void a_job_waits_for_what_is_missing(void **state) {
    bench *b = *state;
    assert_int_equal(explain(b, JOB_1)->code, DF_ENOTFOUND);
    assert_int_equal(bench_begin(b, JOB_1, b->out), DF_OK);
    expect_summary(b, JOB_1, "manifest is being sent");
    assert_int_equal(bench_submit(b, JOB_1, b->out, 6, NULL), DF_OK);
    expect_summary(b, JOB_1, "none is connected");
    bench_hello(b, "w1", MODEL_B, NULL);
    expect_summary(b, JOB_1, "a worker that has its model");
    bench_hello(b, "w2", MODEL_A, NULL);
    expect_summary(b, JOB_1, "about to take it");
    Diffarm__Lease *lease = bench_ask(b, "w2", 3, 1);
    assert_non_null(lease);
    expect_summary(b, JOB_1, "it goes on: 3 pictures in work, 3 not yet lent");
    const Diffarm__Explanation *e = explain(b, JOB_1);
    assert_int_equal(e->n_details, 3);
    assert_string_equal(e->details[0], "pictures: 0 of 6 done, 0 failed, 3 in work, 3 not yet lent");
    assert_non_null(strstr(e->details[1], "has not this model"));
    assert_non_null(strstr(e->details[2], "works on 3 pictures of this job"));
}

static void a_job_waits_behind_another(void **state) {
    bench *b = *state;
    char other[300];
    snprintf(other, sizeof other, "%s/other", b->dir);
    assert_int_equal(bench_submit(b, JOB_1, b->out, 6, NULL), DF_OK);
    bench_hello(b, "w1", MODEL_A, NULL);
    assert_non_null(bench_ask(b, "w1", 6, 1));
    assert_int_equal(bench_submit(b, JOB_2, other, 2, NULL), DF_OK);
    expect_summary(b, JOB_2, "all 1 workers that can do it work on other jobs");
    assert_non_null(strstr(explain(b, JOB_2)->details[1], "of job " JOB_1));
    assert_int_equal(bench_cancel(b, JOB_2), DF_OK);
    expect_summary(b, JOB_2, "it is cancelled");
}

static const Diffarm__FailureList *failures(bench *b, const char *job_id, uint64_t from) {
    Diffarm__FailuresQuery query = DIFFARM__FAILURES_QUERY__INIT;
    query.job_id = (char *)job_id;
    query.from_row = from;
    bench_say(b, "c", DF_WIRE_MESSAGE(FAILURES_QUERY, failures_query, &query), NULL, 0);
    Diffarm__Message *m = bench_heard(b, "c", DIFFARM__MESSAGE__BODY_FAILURE_LIST);
    assert_non_null(m);
    return m->failure_list;
}

static void failures_come_in_pages(void **state) {
    bench *b = *state;
    enum { N = 600, PAGE = 500 };
    assert_int_equal(failures(b, JOB_1, 0)->code, DF_ENOTFOUND);
    assert_int_equal(bench_submit(b, JOB_1, b->out, N, NULL), DF_OK);
    bench_hello(b, "w1", MODEL_A, NULL);
    assert_int_equal(failures(b, JOB_1, 0)->n_failures, 0);
    for (Diffarm__Lease *lease; (lease = bench_ask(b, "w1", 256, 1000));)
        for (size_t i = 0; i < lease->n_rows; i++)
            bench_failed(b, "w1", lease->token, JOB_1, lease->rows[i]->row, DF_EINVAL);
    const Diffarm__FailureList *first = failures(b, JOB_1, 0);
    assert_int_equal(first->n_failures, PAGE);
    assert_true(first->more);
    assert_int_equal(first->failures[PAGE - 1]->row, PAGE - 1);
    assert_string_equal(first->failures[7]->prompt, "prompt 7");
    const Diffarm__FailureList *second = failures(b, JOB_1, PAGE);
    assert_int_equal(second->n_failures, N - PAGE);
    assert_false(second->more);
    assert_int_equal(second->failures[0]->row, PAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_waits_for_what_is_missing, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(a_job_waits_behind_another, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(failures_come_in_pages, open_bench, close_bench),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
