/* What OUT and traces tell of a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "client/bench/scale/outcome.h"
#include "tests/client/scratch.h"

#define LINE(worker, seconds, at)                                                                                      \
    "{\"row\":0,\"state\":\"done\",\"worker\":\"" worker "\",\"seconds\":" seconds                                     \
    ",\"finished\":\"2026-11-27T23:59:" at "Z\"}\n"
#define FAILED "{\"row\":1,\"state\":\"failed\",\"worker\":\"a\",\"seconds\":0,\"finished\":\"\"}\n"

static df_code outcome(df_outcome *o, const char *text, int workers, df_err *err) {
    return df_outcome_read(o, scratch_write("runs.jsonl", text, strlen(text)), workers, err);
}

static void near(double got, double want) {
    if (!(fabs(got - want) <= 1e-6)) fail_msg("%.9g is not %.9g", got, want);
}

/* a works from 50 to 58 s, b from 52 to 60: each 8 of the 10 s. From 52 to 58 s each makes one and a half pictures. */
static void times_come_from_the_list(void **state) {
    (void)state;
    df_outcome o;
    df_err err = { 0 };
    const char text[] =
        LINE("b", "4", "56.000") LINE("a", "4", "54.000") FAILED LINE("a", "4", "58.000") LINE("b", "4.0", "60.000");
    if (outcome(&o, text, 2, &err)) fail_msg("%s", err.text);
    assert_int_equal(o.n_done, 4);
    assert_int_equal(o.n_failed, 1);
    assert_int_equal(o.n_workers, 2);
    near(o.seconds, 10);
    near(o.active, 0.8);
    near(o.steady_rate, 0.5);
    if (outcome(&o, text, 4, &err)) fail_msg("%s", err.text); /* two made nothing */
    near(o.active, 0.4);
    near(o.steady_rate, 0);
}

static void it_goes_over_midnight(void **state) {
    (void)state;
    df_outcome o;
    df_err err = { 0 };
    const char text[] = LINE(
        "a", "1",
        "59.500") "{\"state\":\"done\",\"worker\":\"a\",\"seconds\":1,\"finished\":\"2026-11-28T00:00:00.250Z\"}\n";
    if (outcome(&o, text, 1, &err)) fail_msg("%s", err.text);
    near(o.seconds, 1.75);
    near(o.active, 1);
}

static void bad_lists_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = { { "", "holds no picture" },
                { FAILED, "holds no picture" },
                { "{\n", "runs.jsonl:1: no picture" },
                { LINE("a", "1", "50.000") "[]\n", "runs.jsonl:2: no picture" },
                { LINE("a", "-1", "50.000"), ":1: no picture" },
                { LINE("a", "\"1\"", "50.000"), ":1: no picture" },
                { LINE("a", "1", "50"), ":1: no picture" },
                { LINE("a", "1", "50.000Z and more"), ":1: no picture" },
                { LINE("a", "0", "50.000"), "took no time" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        df_outcome o;
        df_err err = { 0 };
        assert_int_equal(outcome(&o, bad[i].text, 1, &err), DF_EFORMAT);
        if (!strstr(err.text, bad[i].says)) fail_msg("'%s' does not say '%s'", err.text, bad[i].says);
    }
    df_outcome o;
    assert_int_equal(df_outcome_read(&o, scratch_path("nowhere"), 1, NULL), DF_ENOTFOUND);
}

#define HEAD(of, ranks) "{\"displayTimeUnit\":\"ms\",\n\"diffarm\":{\"shares_of\":\"" of "\",\"ranks\":[" ranks "]}"
#define EVENTS ",\n\"traceEvents\":[\n{\"ph\":\"X\"" /* never read to its end */
#define RANK                                                                                                           \
    "{\"rank\":0,\"compute\":0.5,\"sample\":0.1,\"send\":0.05,\"receive\":0.05,\"load\":0.1,\"wait\":0.1,\"other\":0." \
    "1}"
#define BUSY "{\"rank\":1,\"compute\":1,\"other\":0}"

static df_code add(df_trace_sum *sum, const char *text) {
    return df_trace_sum_add(sum, scratch_write("trace.json", text, strlen(text)), NULL);
}

static void shares_are_of_ranks_times_seconds(void **state) {
    (void)state;
    df_trace_sum sum = { .n_ranks = 0 };
    df_scale_run run;
    const df_outcome o = { .seconds = 10, .active = 0.8, .steady_rate = 3 };
    assert_int_equal(add(&sum, HEAD("steady state", RANK "," BUSY) EVENTS), DF_OK);
    assert_int_equal(add(&sum, HEAD("all", RANK) EVENTS), DF_OK); /* has computed nothing */
    assert_int_equal(sum.n_ranks, 2);
    df_outcome_run(&o, &sum, &run);
    assert_true(run.traced);
    near(run.share[DF_SCALE_COMPUTE], 0.8 * 0.75);
    near(run.share[DF_SCALE_SAMPLE], 0.8 * 0.05);
    near(run.share[DF_SCALE_SEND], 0.8 * 0.05);
    near(run.share[DF_SCALE_WAIT], 0.8 * 0.05);
    near(run.share[DF_SCALE_OTHER], 0.8 * 0.1);
    near(run.share[DF_SCALE_IDLE], 0.2);
    double all = 0;
    for (int k = 0; k < DF_SCALE_SHARES; k++) all += run.share[k];
    near(all, 1);
}

static void a_trace_without_summary_adds_nothing(void **state) {
    (void)state;
    df_trace_sum sum = { .n_ranks = 0 };
    assert_int_equal(add(&sum, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[]}\n"), DF_ENOTFOUND);
    assert_int_equal(add(&sum, ""), DF_ENOTFOUND);
    assert_int_equal(add(&sum, HEAD("steady state", RANK)), DF_ENOTFOUND);
    assert_int_equal(df_trace_sum_add(&sum, scratch_path("nowhere"), NULL), DF_ENOTFOUND);
    assert_int_equal(sum.n_ranks, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_come_from_the_list),
        cmocka_unit_test(it_goes_over_midnight),
        cmocka_unit_test(bad_lists_are_refused),
        cmocka_unit_test(shares_are_of_ranks_times_seconds),
        cmocka_unit_test(a_trace_without_summary_adds_nothing),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
