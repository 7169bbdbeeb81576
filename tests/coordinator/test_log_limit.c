/* Lines that peers can cause: so many a minute, and the others are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/log_limit.h"
#include "tests/coordinator/bench.h"

enum { N_FLOOD = 5000 };

static int allowed(df_log_limit *limit, int n, int64_t now_ms) {
    int allows = 0;
    for (int i = 0; i < n; i++) allows += df_log_limit_allows(limit, now_ms);
    return allows;
}

static void a_minute_has_so_many_lines(void **state) {
    (void)state;
    df_log_limit limit = { 0 };
    int64_t now_ms = 1000000;
    assert_int_equal(allowed(&limit, 10, now_ms), 10);
    assert_int_equal(allowed(&limit, 100, now_ms + 59000), DF_LOG_LIMIT_LINES - 10);
    assert_int_equal(df_log_limit_withheld(&limit, now_ms + 59999), 0); /* the minute is not over */
    assert_int_equal(df_log_limit_withheld(&limit, now_ms + 60000), 110 - DF_LOG_LIMIT_LINES);
    assert_int_equal(df_log_limit_withheld(&limit, now_ms + 60000), 0); /* told once */
    assert_int_equal(allowed(&limit, 100, now_ms + 60000), DF_LOG_LIMIT_LINES);
}

static void what_is_not_told_yet_is_kept(void **state) {
    (void)state;
    df_log_limit limit = { 0 };
    allowed(&limit, DF_LOG_LIMIT_LINES + 5, 1000000);
    allowed(&limit, DF_LOG_LIMIT_LINES + 7, 1070000); /* nobody asked in between */
    assert_int_equal(df_log_limit_withheld(&limit, 1140000), 12);
}

static size_t count(const char *text, const char *what) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) n++;
    return n;
}

/* Messages that are none, from one peer, and what a worker sends under no lease: the log stays small. */
static void a_flood_of_refusals_does_not_fill_the_log(void **state) {
    (void)state;
    char *text = NULL;
    size_t bytes = 0;
    bench *b = bench_open();
    FILE *to = open_memstream(&text, &bytes);
    df_log log = df_log_to(to, DF_LOG_INFO, "test");
    const df_wire_in in = { .version = 1, .identity_bytes = 2, .identity = "w1" };
    df_err why;
    df_err_set(&why, DF_EPROTOCOL, "nonsense");
    b->farm->cfg.log = &log;
    assert_int_equal(bench_submit(b, JOB_1, b->out, 4, NULL), DF_OK);
    bench_hello(b, "w1", NULL, NULL);
    for (int i = 0; i < N_FLOOD; i++) df_farm_refuse(b->farm, &in, &why);
    for (int i = 0; i < 200; i++) bench_result(b, "w1", "no-such-lease", JOB_1, 1);
    assert_int_equal(b->farm->n_bad_messages, N_FLOOD); /* counted all the same, and answered */
    assert_int_equal(bench_count(b, "w1", DIFFARM__MESSAGE__BODY_REFUSED), N_FLOOD);
    bench_wait(b, 61000);
    fflush(to);
    assert_int_equal(count(text, "event=refused"), DF_LOG_LIMIT_LINES);
    assert_int_equal(count(text, "event=late_result"), DF_LOG_LIMIT_LINES);
    assert_non_null(strstr(text, "event=withheld kind=refused n=4940"));
    assert_non_null(strstr(text, "event=withheld kind=late_result n=140"));
    df_farm_refuse(b->farm, &in, &why); /* another minute */
    fflush(to);
    assert_int_equal(count(text, "event=refused"), DF_LOG_LIMIT_LINES + 1);
    b->farm->cfg.log = NULL;
    bench_close(b);
    fclose(to);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minute_has_so_many_lines),
        cmocka_unit_test(what_is_not_told_yet_is_kept),
        cmocka_unit_test(a_flood_of_refusals_does_not_fill_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
