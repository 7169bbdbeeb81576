/* Pictures to look at: flat ones, those made in f32, those that show what an earlier row shows, and rows that fail as
 * NaN: told in metadata, counted in the job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "tests/coordinator/bench.h"

enum { N_ROWS = 5 };

/* What each row shows: 2 and 4 show what 0 shows; nothing is known of 3. */
static const uint64_t pixels[N_ROWS] = { 11, 12, 11, 0, 11 };

static int set_up(void **state) {
    *state = bench_open();
    return 0;
}

static int tear_down(void **state) {
    bench_close(*state);
    return 0;
}

static void commit(bench *b, const char *token, const char *job_id, uint64_t row, const char *flag) {
    uint8_t png[BENCH_PNG_BYTES];
    char sha256[DF_SHA256_HEX_BYTES];
    Diffarm__Result result = DIFFARM__RESULT__INIT;
    bench_png(png, row, 64, 64);
    df_sha256_of(png, sizeof png, sha256);
    result.token = (char *)token;
    result.job_id = (char *)job_id;
    result.row = row;
    result.png_sha256 = sha256;
    result.scheduler = (char *)"ddim";
    result.pixels_hash = pixels[row];
    result.flags = (char **)&flag;
    result.n_flags = flag != NULL;
    bench_say(b, "w1", DF_WIRE_MESSAGE(RESULT, result, &result), png, sizeof png);
}

static void run_job(bench *b, const char *job_id, const char *out, const uint64_t *order) {
    assert_int_equal(bench_submit(b, job_id, out, N_ROWS, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    char *token = strdup(bench_ask(b, "w1", N_ROWS, 10)->token);
    for (int i = 0; i < N_ROWS; i++) commit(b, token, job_id, order[i], order[i] == 1 ? "flat" : NULL);
    free(token);
    for (int i = 0; i < 100 && strcmp(bench_status(b, job_id)->state, "done") != 0; i++) bench_wait(b, 100);
    assert_string_equal(bench_status(b, job_id)->state, "done");
}

static void expect_duplicates(const char *metadata) {
    const char *line = metadata;
    for (uint64_t row = 0; row < N_ROWS; row++, line = strchr(line, '\n') + 1) {
        const char *flag = strstr(line, "\"duplicate_of\":0"), *end = strchr(line, '\n');
        bool is_told = flag && flag < end;
        assert_int_equal(is_told, row == 2 || row == 4);
        if (is_told) assert_non_null(strstr(line, "\"flags\":[\"duplicate\"]"));
    }
}

static void equal_pictures_are_told_whoever_comes_first(void **state) {
    static const uint64_t orders[][N_ROWS] = { { 0, 1, 2, 3, 4 }, { 4, 3, 2, 1, 0 }, { 2, 4, 1, 0, 3 } };
    static const char *const jobs[] = { JOB_1, JOB_2, "3333333333333333" };
    bench *b = *state;
    char *first = NULL;
    for (int k = 0; k < 3; k++) {
        char out[300];
        snprintf(out, sizeof out, "%s-%d", b->out, k);
        run_job(b, jobs[k], out, orders[k]);
        char *metadata = bench_read(out, "metadata.jsonl");
        expect_duplicates(metadata);
        if (k) assert_string_equal(metadata, first);
        const Diffarm__Flagged *n = bench_status(b, jobs[k])->flagged;
        assert_int_equal(n->n_duplicate, 2);
        assert_int_equal(n->n_flat, 1);
        assert_int_equal(n->n_made_in_f32, 0);
        if (k)
            free(metadata);
        else
            first = metadata;
    }
    free(first);
}

static void the_counts_outlive_the_coordinator(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, N_ROWS, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    char *token = strdup(bench_ask(b, "w1", N_ROWS, 10)->token);
    commit(b, token, JOB_1, 4, "made_in_f32");
    bench_restart(b);
    bench_hello(b, "w1", NULL, token);
    commit(b, token, JOB_1, 0, "flat"); /* the earlier row, the later picture */
    bench_restart(b);
    const Diffarm__Flagged *n = bench_status(b, JOB_1)->flagged;
    assert_int_equal(n->n_duplicate, 1);
    assert_int_equal(n->n_flat, 1);
    assert_int_equal(n->n_made_in_f32, 1);
    free(token);
}

static void rows_that_fail_as_nan_are_counted_until_they_are_retried(void **state) {
    bench *b = *state;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 1, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(bench_status(b, JOB_1)->flagged->n_nan, 0);
        bench_failed(b, "w1", bench_ask(b, "w1", 1, 10)->token, JOB_1, 0, DF_ENUMERIC);
    }
    assert_int_equal(bench_status(b, JOB_1)->n_failed, 1);
    bench_restart(b);
    assert_int_equal(bench_status(b, JOB_1)->flagged->n_nan, 1);
    bench_wait(b, 1000);
    assert_int_equal(bench_control(b, JOB_1, DIFFARM__JOB_CONTROL__ACTION__RETRY), DF_OK);
    assert_int_equal(bench_status(b, JOB_1)->flagged->n_nan, 0);
    bench_restart(b);
    assert_int_equal(bench_status(b, JOB_1)->flagged->n_nan, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(equal_pictures_are_told_whoever_comes_first),
        TEST(the_counts_outlive_the_coordinator),
        TEST(rows_that_fail_as_nan_are_counted_until_they_are_retried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
