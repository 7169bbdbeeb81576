/* Files of rows through the farm: who may send and take them, and how long they stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "coordinator/role.h"
#include "proto/keys.h"
#include "tests/coordinator/bench.h"

static const char text[] = "a picture, a mask or a LoRA";
static char sha256[DF_SHA256_HEX_BYTES];

static int open_bench(void **state) {
    df_sha256_of(text, sizeof text, sha256);
    *state = bench_open();
    return 0;
}

static int close_bench(void **state) {
    bench_close(*state);
    return 0;
}

static df_code put(bench *b, const char *job_id, uint64_t *have) {
    Diffarm__FilePut put = DIFFARM__FILE_PUT__INIT;
    put.job_id = (char *)job_id;
    put.sha256 = sha256;
    put.total_bytes = sizeof text;
    put.data.data = (uint8_t *)text;
    put.data.len = sizeof text;
    put.request_id = 5;
    bench_say(b, "c", DF_WIRE_MESSAGE(FILE_PUT, file_put, &put), NULL, 0);
    const Diffarm__Message *m = bench_heard(b, "c", DIFFARM__MESSAGE__BODY_FILE_STATE);
    assert_non_null(m);
    assert_int_equal(m->file_state->request_id, 5);
    *have = m->file_state->have_bytes;
    return (df_code)m->file_state->code;
}

static df_code get(bench *b, const char *worker) {
    Diffarm__FileGet get = DIFFARM__FILE_GET__INIT;
    get.sha256 = sha256;
    bench_say(b, worker, DF_WIRE_MESSAGE(FILE_GET, file_get, &get), NULL, 0);
    const Diffarm__Message *m = bench_heard(b, worker, DIFFARM__MESSAGE__BODY_FILE_CHUNK);
    assert_non_null(m);
    if (m->file_chunk->code) return (df_code)m->file_chunk->code;
    assert_int_equal(m->file_chunk->total_bytes, sizeof text);
    assert_memory_equal(m->file_chunk->data.data, text, sizeof text);
    return DF_OK;
}

/* A job of one row with the file. */
static void submit(bench *b, const char *job_id, const char *out) {
    uint64_t have;
    Diffarm__Row row, *rows[] = { &row };
    bench_row(&row, 0);
    assert_int_equal(bench_begin(b, job_id, out), DF_OK);
    assert_int_equal(put(b, job_id, &have), DF_OK);
    assert_int_equal(have, sizeof text);
    assert_int_equal(bench_rows(b, job_id, 0, rows, 1), DF_OK);
    assert_int_equal(bench_end(b, job_id, 1), DF_OK);
}

static void work_off(bench *b) {
    for (Diffarm__Lease *l; (l = bench_ask(b, "w", 4, 1));)
        assert_int_equal(bench_result(b, "w", l->token, l->job->job_id, l->rows[0]->row), 1);
    bench_wait(b, 500);
}

static void it_stays_as_long_as_a_job_needs_it(void **state) {
    bench *b = *state;
    char other[300];
    uint64_t have;
    snprintf(other, sizeof other, "%s/other", b->dir);
    assert_int_equal(put(b, JOB_1, &have), DF_ENOTFOUND); /* no such job */
    submit(b, JOB_1, b->out);
    submit(b, JOB_2, other);
    bench_hello(b, "w", MODEL_A, NULL);
    assert_int_equal(get(b, "w"), DF_OK);
    assert_int_equal(bench_cancel(b, JOB_1), DF_OK);
    bench_wait(b, 500);
    assert_int_equal(get(b, "w"), DF_OK);
    bench_restart(b);
    bench_hello(b, "w", MODEL_A, NULL);
    assert_int_equal(get(b, "w"), DF_OK);
    work_off(b);
    assert_string_equal(bench_status(b, JOB_2)->state, "done");
    assert_int_equal(get(b, "w"), DF_ENOTFOUND);
}

static void a_job_with_failed_rows_keeps_it(void **state) {
    bench *b = *state;
    submit(b, JOB_1, b->out);
    bench_hello(b, "w", MODEL_A, NULL);
    Diffarm__Lease *l = bench_ask(b, "w", 4, 1);
    bench_failed(b, "w", l->token, JOB_1, 0, DF_EINVAL);
    bench_wait(b, 500);
    assert_string_equal(bench_status(b, JOB_1)->state, "done");
    assert_int_equal(get(b, "w"), DF_OK);
    assert_int_equal(bench_control(b, JOB_1, DIFFARM__JOB_CONTROL__ACTION__RETRY), DF_OK);
    work_off(b);
    assert_string_equal(bench_status(b, JOB_1)->state, "done");
    assert_int_equal(get(b, "w"), DF_ENOTFOUND);
}

static void an_upload_that_is_forgotten_takes_it_along(void **state) {
    bench *b = *state;
    uint64_t have;
    assert_int_equal(bench_begin(b, JOB_1, b->out), DF_OK);
    assert_int_equal(put(b, JOB_1, &have), DF_OK);
    assert_int_equal(bench_cancel(b, JOB_1), DF_OK);
    bench_hello(b, "w", MODEL_A, NULL);
    assert_int_equal(get(b, "w"), DF_ENOTFOUND);
    assert_int_equal(bench_begin(b, JOB_1, b->out), DF_OK);
    assert_int_equal(put(b, JOB_1, &have), DF_OK);
    bench_restart(b);
    bench_hello(b, "w", MODEL_A, NULL);
    assert_int_equal(get(b, "w"), DF_ENOTFOUND);
}

static void roles_are_kept_apart(void **state) {
    (void)state;
    Diffarm__FilePut put = DIFFARM__FILE_PUT__INIT;
    Diffarm__FileGet get = DIFFARM__FILE_GET__INIT;
    const Diffarm__Message puts = DF_WIRE_MESSAGE(FILE_PUT, file_put, &put);
    const Diffarm__Message gets = DF_WIRE_MESSAGE(FILE_GET, file_get, &get);
    assert_true(df_role_may(DF_ROLE_SUBMIT, &puts) && df_role_may(DF_ROLE_WORK, &gets));
    assert_false(df_role_may(DF_ROLE_WORK, &puts) || df_role_may(DF_ROLE_WATCH, &puts));
    assert_false(df_role_may(DF_ROLE_SUBMIT, &gets) || df_role_may(DF_ROLE_WATCH, &gets));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_bench, close_bench)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_stays_as_long_as_a_job_needs_it),
        TEST(a_job_with_failed_rows_keeps_it),
        TEST(an_upload_that_is_forgotten_takes_it_along),
        cmocka_unit_test(roles_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
