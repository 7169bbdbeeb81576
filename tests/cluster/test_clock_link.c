#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "cluster/clock_link.h"

static void *answer(void *comm) {
    df_comm *c = comm;
    df_clock_link_answer(c, 0, NULL);
    c->ops->close(&c);
    return NULL;
}

/* Threads of one machine read one clock. */
static void test_one_clock_is_not_ahead(void **state) {
    (void)state;
    df_comm *comm[2];
    pthread_t thread;
    df_clock_link link;
    df_err err;
    assert_int_equal(df_comm_threads_open(comm, 2, &err), DF_OK);
    assert_int_equal(pthread_create(&thread, NULL, answer, comm[1]), 0);
    assert_int_equal(df_clock_link_measure(&link, comm[0], 1, &err), DF_OK);
    assert_true(link.round_trip_ns > 0);
    assert_true(llabs(link.ahead_ns) <= link.round_trip_ns / 2 + 1);
    pthread_join(thread, NULL);
    comm[0]->ops->close(&comm[0]);
}

/* Theirs is 5 us ahead at 1 ms and gains 1 us in each further ms. */
static void test_a_drifting_clock(void **state) {
    (void)state;
    const df_clock_link first = { .at_ns = 1000000, .ahead_ns = 5000 }, last = { .at_ns = 11000000, .ahead_ns = 15000 };
    assert_true(llabs(df_clock_link_ours(&first, &last, 1005000) - 1000000) <= 10);
    assert_true(llabs(df_clock_link_ours(&first, &last, 6010000) - 6000000) <= 10);
    assert_true(llabs(df_clock_link_ours(&first, &last, 11015000) - 11000000) <= 10);
    assert_int_equal(df_clock_link_ours(&first, &first, 1005000), 1000000); /* measured once */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_clock_is_not_ahead),
        cmocka_unit_test(test_a_drifting_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
