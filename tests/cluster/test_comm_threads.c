#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/channels.h"
#include "tests/cluster/comm_exercise.h"

enum { MOST = 4 };

typedef struct rank_run {
    df_comm *comm;
    int failed;
} rank_run;

static void *run_rank(void *arg) {
    rank_run *r = arg;
    r->failed = comm_exercise(r->comm, DF_CHANNEL_DATA);
    r->comm->ops->close(&r->comm);
    return NULL;
}

static void exercise_of(int size) {
    df_comm *comm[MOST];
    rank_run run[MOST];
    pthread_t thread[MOST];
    df_err err;
    assert_int_equal(df_comm_threads_open(comm, size, &err), DF_OK);
    for (int i = 0; i < size; i++) {
        run[i] = (rank_run) { .comm = comm[i] };
        assert_int_equal(comm[i]->rank, i);
        assert_int_equal(comm[i]->size, size);
        assert_int_equal(pthread_create(&thread[i], NULL, run_rank, &run[i]), 0);
    }
    for (int i = 0; i < size; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(run[i].failed, 0);
        assert_null(run[i].comm);
    }
}

static void test_exercise(void **state) {
    (void)state;
    for (int size = 1; size <= MOST; size++) exercise_of(size);
}

/* The rest needs no second thread: both handles are driven from here. */
static void open_two(df_comm **c) {
    df_err err;
    assert_int_equal(df_comm_threads_open(c, 2, &err), DF_OK);
}

static void test_rendezvous(void **state) {
    (void)state;
    df_comm *c[2];
    df_comm_request *send = NULL, *recv = NULL;
    df_err err;
    bool done = true;
    char from[] = "word", to[sizeof from] = "";
    open_two(c);
    assert_int_equal(c[0]->ops->send(c[0], 1, 5, from, sizeof from, &send, &err), DF_OK);
    assert_int_equal(c[0]->ops->test(c[0], &send, &done, &err), DF_OK);
    assert_false(done); /* nothing is buffered: the send waits for its receive */
    assert_non_null(send);
    assert_int_equal(c[1]->ops->recv(c[1], 0, 5, to, sizeof to, &recv, &err), DF_OK);
    assert_int_equal(c[1]->ops->test(c[1], &recv, &done, &err), DF_OK);
    assert_true(done);
    assert_null(recv);
    assert_string_equal(to, "word");
    assert_int_equal(c[0]->ops->test(c[0], &send, &done, &err), DF_OK);
    assert_true(done);
    for (int i = 0; i < 2; i++) c[i]->ops->close(&c[i]);
}

static void test_size_mismatch_is_told_to_both(void **state) {
    (void)state;
    df_comm *c[2];
    df_comm_request *send = NULL, *recv = NULL;
    df_err err;
    bool done;
    char from[8] = "1234567", to[4] = "abc";
    open_two(c);
    assert_int_equal(c[0]->ops->send(c[0], 1, 5, from, sizeof from, &send, &err), DF_OK);
    assert_int_equal(c[1]->ops->recv(c[1], 0, 5, to, sizeof to, &recv, &err), DF_OK);
    assert_int_equal(c[1]->ops->test(c[1], &recv, &done, &err), DF_EPROTOCOL);
    assert_non_null(strstr(err.text, "channel 5: 4 bytes here, 8 at rank 0"));
    assert_int_equal(c[0]->ops->test(c[0], &send, &done, &err), DF_EPROTOCOL);
    assert_string_equal(to, "abc");
    for (int i = 0; i < 2; i++) c[i]->ops->close(&c[i]);
}

static void test_gone_rank_is_told(void **state) {
    (void)state;
    df_comm *c[2];
    df_comm_request *recv = NULL, *send = NULL;
    df_err err;
    bool done;
    char byte = 0;
    open_two(c);
    assert_int_equal(c[0]->ops->recv(c[0], 1, 0, &byte, 1, &recv, &err), DF_OK);
    assert_int_equal(c[0]->ops->test(c[0], &recv, &done, &err), DF_OK);
    assert_false(done);
    c[1]->ops->close(&c[1]);
    assert_int_equal(c[0]->ops->test(c[0], &recv, &done, &err), DF_EUNREACHABLE);
    assert_string_equal(err.text, "rank 0: rank 1 is gone");
    assert_null(recv);
    assert_int_equal(c[0]->ops->send(c[0], 1, 0, &byte, 1, &send, &err), DF_OK);
    assert_int_equal(c[0]->ops->test(c[0], &send, &done, &err), DF_EUNREACHABLE);
    c[0]->ops->close(&c[0]);
}

static void test_cancelled_receive_takes_nothing(void **state) {
    (void)state;
    df_comm *c[2];
    df_comm_request *first = NULL, *second = NULL, *send = NULL;
    df_err err;
    bool done;
    char a = 'a', b = 'b', from = 'x';
    open_two(c);
    assert_int_equal(c[1]->ops->recv(c[1], 0, 0, &a, 1, &first, &err), DF_OK);
    assert_int_equal(c[1]->ops->recv(c[1], 0, 0, &b, 1, &second, &err), DF_OK);
    c[1]->ops->cancel(c[1], &first);
    assert_null(first);
    assert_int_equal(c[0]->ops->send(c[0], 1, 0, &from, 1, &send, &err), DF_OK);
    assert_int_equal(c[1]->ops->test(c[1], &second, &done, &err), DF_OK);
    assert_true(done);
    assert_int_equal(a, 'a');
    assert_int_equal(b, 'x');
    for (int i = 0; i < 2; i++) c[i]->ops->close(&c[i]);
}

static void test_idle_has_a_deadline(void **state) {
    (void)state;
    df_comm *c[2];
    open_two(c);
    int64_t start = df_clock_ms();
    c[0]->ops->idle(c[0], 20000);
    int64_t took = df_clock_ms() - start;
    assert_true(took >= 19);
    assert_true(took < 5000);
    for (int i = 0; i < 2; i++) c[i]->ops->close(&c[i]);
}

static void test_sizes_refused(void **state) {
    (void)state;
    df_comm *c[1];
    df_err err;
    assert_int_equal(df_comm_threads_open(c, 0, &err), DF_EINVAL);
    assert_int_equal(df_comm_threads_open(c, -3, &err), DF_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exercise),
        cmocka_unit_test(test_rendezvous),
        cmocka_unit_test(test_size_mismatch_is_told_to_both),
        cmocka_unit_test(test_gone_rank_is_told),
        cmocka_unit_test(test_cancelled_receive_takes_nothing),
        cmocka_unit_test(test_idle_has_a_deadline),
        cmocka_unit_test(test_sizes_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
