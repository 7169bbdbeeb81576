#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cluster/trace.h"

static df_trace *open_trace(int64_t capacity) {
    df_trace *t = NULL;
    df_err err;
    if (df_trace_open(&t, capacity, &err)) fail_msg("%s", err.text);
    return t;
}

static void add(df_trace *t, df_span_kind kind, int64_t start_ns, int64_t end_ns, int64_t command) {
    df_trace_add(t, &(df_span) { .kind = (int32_t)kind, .start_ns = start_ns, .end_ns = end_ns, .command = command });
}

static void test_the_ring_keeps_the_latest(void **state) {
    (void)state;
    df_trace *t = open_trace(4);
    for (int64_t i = 1; i <= 3; i++) add(t, DF_SPAN_COMPUTE, 10 * i, 10 * i + 5, i);
    assert_int_equal(df_trace_kept(t), 3);
    assert_int_equal(df_trace_dropped(t), 0);
    assert_int_equal(df_trace_at(t, 0)->command, 1);
    for (int64_t i = 4; i <= 10; i++) add(t, DF_SPAN_COMPUTE, 10 * i, 10 * i + 5, i);
    assert_int_equal(df_trace_kept(t), 4);
    assert_int_equal(df_trace_dropped(t), 6);
    for (int64_t i = 0; i < 4; i++) assert_int_equal(df_trace_at(t, i)->command, 7 + i);
    df_trace_close(&t);
    assert_null(t);
}

/* A span that others lie in is cut to what follows them; a message is not. */
static void test_spans_of_the_thread_do_not_overlap(void **state) {
    (void)state;
    df_trace *t = open_trace(0);
    add(t, DF_SPAN_LOAD, 120, 150, 1);
    add(t, DF_SPAN_RECEIVE, 100, 160, 2);
    add(t, DF_SPAN_OUTGOING, 90, 170, 3);
    add(t, DF_SPAN_COMPUTE, 160, 180, 4);
    assert_int_equal(df_trace_at(t, 1)->start_ns, 150);
    assert_int_equal(df_trace_at(t, 1)->end_ns, 160);
    assert_int_equal(df_trace_at(t, 2)->start_ns, 90);
    assert_int_equal(df_trace_at(t, 3)->start_ns, 160);
    df_trace_close(&t);
}

/* It begins with the first word of it and ends where the thread's next span begins. */
static void test_a_wait_is_one_span(void **state) {
    (void)state;
    df_trace *t = open_trace(0);
    int64_t before = df_clock_ns();
    df_trace_wait(t);
    int64_t after = df_clock_ns(), work = after + 1000000;
    df_trace_wait(t);
    add(t, DF_SPAN_INCOMING, before, after, 0); /* ends no wait */
    add(t, DF_SPAN_COMPUTE, work, work + 5, 1);
    add(t, DF_SPAN_COMPUTE, work + 5, work + 9, 2);
    assert_int_equal(df_trace_kept(t), 4);
    const df_span *wait = df_trace_at(t, 1);
    assert_int_equal(wait->kind, DF_SPAN_WAIT);
    assert_true(wait->start_ns >= before && wait->start_ns <= after);
    assert_int_equal(wait->end_ns, work);
    df_trace_close(&t);
}

static void test_no_trace_is_no_error(void **state) {
    (void)state;
    df_trace *none = NULL;
    df_trace_wait(none);
    add(none, DF_SPAN_COMPUTE, 1, 2, 1);
    df_trace_close(&none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_ring_keeps_the_latest),
        cmocka_unit_test(test_spans_of_the_thread_do_not_overlap),
        cmocka_unit_test(test_a_wait_is_one_span),
        cmocka_unit_test(test_no_trace_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
