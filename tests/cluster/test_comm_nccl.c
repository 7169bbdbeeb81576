/* The NCCL transport on the doubles of NCCL and of the runtime: every rank is a thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/channels.h"
#include "cluster/comm_nccl.h"
#include "tests/cluster/comm_exercise.h"
#include "tests/cluster/device_exercise.h"
#include "tests/cluster/nccl_double.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"

enum { MOST = 4, SOON_MS = 5000 };

static const df_comm_nccl_cfg usual = { .nccl = &nccl_double, .cuda = &gpu_double, .check_ms = 5 };

static int reset(void **state) {
    (void)state;
    nccl_double_reset();
    gpu_double_reset(1);
    return 0;
}

static int no_faults(void **state) {
    (void)state;
    if (*gpu_double_fault()) print_error("%s\n", gpu_double_fault());
    if (nccl_double_n_open()) print_error("%d communicators are left\n", nccl_double_n_open());
    return *gpu_double_fault() || nccl_double_n_open() ? -1 : 0;
}

static void open_all(df_comm **c, int size, const df_comm_nccl_cfg *cfg) {
    df_err err;
    if (df_comm_threads_open(c, size, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < size; i++)
        if (df_comm_nccl_open(&c[i], cfg, &err)) fail_msg("%s", err.text);
}

static int exercise_data(df_comm *c) {
    return comm_exercise(c, DF_CHANNEL_DATA);
}

static int exercise_control(df_comm *c) {
    return comm_exercise(c, DF_CHANNEL_COMMAND);
}

static void test_exercise(void **state) {
    (void)state;
    df_comm *c[MOST];
    for (int size = 1; size <= MOST; size++) {
        open_all(c, size, &usual);
        assert_string_equal(c[0]->ops->name, "nccl");
        assert_int_equal(run_ranks(c, size, exercise_data), 0);
        assert_int_equal(nccl_double_n_moved() > 0, size > 1);
        nccl_double_reset();
        gpu_double_reset((unsigned)size);
    }
}

static void test_control_goes_beside(void **state) {
    (void)state;
    df_comm *c[2];
    open_all(c, 2, &usual);
    assert_int_equal(run_ranks(c, 2, exercise_control), 0);
    assert_int_equal(nccl_double_n_moved(), 0);
}

static void test_compute_and_messages_are_ordered(void **state) {
    (void)state;
    df_comm *c[MOST];
    for (unsigned seed = 0; seed < 12; seed++) {
        int size = 2 + (int)seed % 3;
        nccl_double_reset();
        gpu_double_reset(seed);
        open_all(c, size, &usual);
        assert_int_equal(run_ranks(c, size, device_exercise), 0);
        assert_string_equal(gpu_double_fault(), "");
    }
}

/* Failures: rank 0 is this thread, and the other as well where it does nothing. */

typedef struct talk {
    df_comm *c[2];
    df_comm_request *sent, *received;
    char from[64], to[64];
} talk;

/* `hasty` is the first to lose its patience. */
static void begin(talk *t, int hasty, const df_comm_nccl_cfg *cfg) {
    df_err err;
    *t = (talk) { .from = "word" };
    if (df_comm_threads_open(t->c, 2, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < 2; i++)
        if (df_comm_nccl_open(&t->c[i], i == hasty ? cfg : &usual, &err)) fail_msg("%s", err.text);
    assert_int_equal(t->c[1]->ops->recv(t->c[1], 0, DF_CHANNEL_DATA, t->to, sizeof t->to, &t->received, &err), DF_OK);
    assert_int_equal(t->c[0]->ops->send(t->c[0], 1, DF_CHANNEL_DATA, t->from, sizeof t->from, &t->sent, &err), DF_OK);
}

/* Both ranks go on until one of them, `rank`, is told of an error. */
static df_code until_error(talk *t, int rank, df_err *err) {
    int64_t end = df_clock_ms() + SOON_MS;
    while (df_clock_ms() < end) {
        for (int i = 0; i < 2; i++) {
            df_comm_request **req = i ? &t->received : &t->sent;
            df_err other;
            bool done;
            df_code rc = t->c[i] && *req ? t->c[i]->ops->test(t->c[i], req, &done, i == rank ? err : &other) : DF_OK;
            if (rc && i == rank) return rc;
        }
    }
    return DF_OK;
}

static void end(talk *t) {
    for (int i = 0; i < 2; i++) {
        df_comm_request **req = i ? &t->received : &t->sent;
        if (!t->c[i]) continue;
        t->c[i]->ops->cancel(t->c[i], req);
        t->c[i]->ops->close(&t->c[i]);
    }
}

static void test_an_error_of_nccl_ends_all(void **state) {
    (void)state;
    talk t;
    df_err err, again;
    begin(&t, 0, &usual);
    nccl_double_break(0, ncclRemoteError);
    int64_t start = df_clock_ms();
    assert_int_equal(until_error(&t, 0, &err), DF_EUNREACHABLE);
    assert_true(df_clock_ms() - start < SOON_MS);
    assert_string_equal(err.text, "rank 0: NCCL to rank 1: broken: remote process exited or there was a network error");
    assert_int_equal(t.c[0]->ops->recv(t.c[0], 1, DF_CHANNEL_DATA, t.to, 1, &t.received, &again), DF_EUNREACHABLE);
    assert_string_equal(again.text, err.text);
    end(&t);
}

static void test_a_silent_link_ends_in_time(void **state) {
    (void)state;
    talk t;
    df_err err;
    df_comm_nccl_cfg cfg = usual;
    cfg.message_ms = 300;
    begin(&t, 1, &cfg);
    nccl_double_break(0, ncclInProgress);
    int64_t start = df_clock_ms();
    assert_int_equal(until_error(&t, 1, &err), DF_EUNREACHABLE);
    assert_true(df_clock_ms() - start >= 300);
    assert_string_equal(err.text, "rank 1: NCCL from rank 0: a message did not move within 0.3 s");
    end(&t);
}

static void test_a_link_that_does_not_come_up(void **state) {
    (void)state;
    talk t;
    df_err err;
    df_comm_nccl_cfg cfg = usual;
    cfg.start_ms = 200;
    nccl_double_refuse_init(ncclInProgress);
    begin(&t, 0, &cfg);
    assert_int_equal(until_error(&t, 0, &err), DF_EUNREACHABLE);
    assert_string_equal(err.text, "rank 0: NCCL to rank 1: did not come up within 0.2 s");
    end(&t);
}

static void test_a_link_that_is_refused(void **state) {
    (void)state;
    df_comm *c[2];
    df_comm_request *req = NULL;
    df_err err;
    char byte = 0;
    open_all(c, 2, &usual);
    nccl_double_refuse_init(ncclUnhandledCudaError);
    assert_int_equal(c[0]->ops->send(c[0], 1, DF_CHANNEL_DATA, &byte, 1, &req, &err), DF_EUNREACHABLE);
    assert_string_equal(err.text, "rank 0: NCCL to rank 1: start: an error");
    assert_null(req);
    for (int i = 0; i < 2; i++) c[i]->ops->close(&c[i]);
}

static void test_a_gone_rank_is_told(void **state) {
    (void)state;
    talk t;
    df_err err;
    begin(&t, 0, &usual);
    t.c[1]->ops->cancel(t.c[1], &t.received);
    t.c[1]->ops->close(&t.c[1]);
    int64_t start = df_clock_ms();
    assert_int_equal(until_error(&t, 0, &err), DF_EUNREACHABLE);
    assert_true(df_clock_ms() - start < SOON_MS);
    assert_non_null(strstr(err.text, "rank 1"));
    end(&t);
}

/* Where nothing is posted but a receive: nobody offers anything any more. */
static void test_a_gone_sender_is_told(void **state) {
    (void)state;
    df_comm *c[2];
    df_comm_request *mine = NULL, *theirs = NULL;
    df_err err;
    bool done;
    char byte = 0;
    open_all(c, 2, &usual);
    assert_int_equal(c[0]->ops->recv(c[0], 1, DF_CHANNEL_DATA, &byte, 1, &mine, &err), DF_OK);
    assert_int_equal(c[1]->ops->recv(c[1], 0, DF_CHANNEL_DATA, &byte, 1, &theirs, &err), DF_OK);
    c[1]->ops->cancel(c[1], &theirs);
    c[1]->ops->close(&c[1]);
    assert_int_equal(c[0]->ops->test(c[0], &mine, &done, &err), DF_EUNREACHABLE);
    assert_string_equal(err.text, "rank 0: rank 1 is gone");
    c[0]->ops->cancel(c[0], &mine);
    c[0]->ops->close(&c[0]);
}

static void test_sizes_that_differ_are_told(void **state) {
    (void)state;
    talk t;
    df_err err;
    t = (talk) { 0 };
    open_all(t.c, 2, &usual);
    assert_int_equal(t.c[1]->ops->recv(t.c[1], 0, DF_CHANNEL_DATA, t.to, 4, &t.received, &err), DF_OK);
    assert_int_equal(t.c[0]->ops->send(t.c[0], 1, DF_CHANNEL_DATA, t.from, 8, &t.sent, &err), DF_OK);
    assert_int_equal(until_error(&t, 1, &err), DF_EPROTOCOL);
    assert_string_equal(err.text, "rank 1, channel 16: 4 bytes here, 8 at rank 0");
    end(&t);
}

/* A message of a later channel is offered first, and stays until its receive is posted: then both come. */
static void test_a_receive_that_comes_late(void **state) {
    (void)state;
    df_comm *c[2];
    df_comm_request *send[2] = { 0 }, *recv[2] = { 0 };
    df_err err;
    char from[2] = { 'a', 'b' }, to[2] = { 0 };
    open_all(c, 2, &usual);
    for (int i = 1; i >= 0; i--)
        assert_int_equal(c[0]->ops->send(c[0], 1, DF_CHANNEL_DATA + i, &from[i], 1, &send[i], &err), DF_OK);
    for (int i = 0; i < 2; i++) {
        bool done = true;
        assert_int_equal(c[1]->ops->recv(c[1], 0, DF_CHANNEL_DATA + i, &to[i], 1, &recv[i], &err), DF_OK);
        for (int k = 0; k < 20; k++) {
            assert_int_equal(c[0]->ops->test(c[0], &send[0], &done, &err), DF_OK);
            assert_false(done);
            if (i) break;
            assert_int_equal(c[1]->ops->test(c[1], &recv[0], &done, &err), DF_OK);
            assert_false(done);
        }
    }
    int64_t until = df_clock_ms() + SOON_MS;
    for (bool done; (send[0] || send[1] || recv[0] || recv[1]) && df_clock_ms() < until;)
        for (int i = 0; i < 2; i++) {
            if (send[i]) assert_int_equal(c[0]->ops->test(c[0], &send[i], &done, &err), DF_OK);
            if (recv[i]) assert_int_equal(c[1]->ops->test(c[1], &recv[i], &done, &err), DF_OK);
        }
    assert_memory_equal(from, to, sizeof to);
    assert_int_equal(run_ranks(c, 2, exercise_control), 0); /* and both take leave together */
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, reset, no_faults)
    const struct CMUnitTest tests[] = {
        TEST(test_exercise),
        TEST(test_control_goes_beside),
        TEST(test_compute_and_messages_are_ordered),
        TEST(test_an_error_of_nccl_ends_all),
        TEST(test_a_silent_link_ends_in_time),
        TEST(test_a_link_that_does_not_come_up),
        TEST(test_a_link_that_is_refused),
        TEST(test_a_gone_rank_is_told),
        TEST(test_a_gone_sender_is_told),
        TEST(test_sizes_that_differ_are_told),
        TEST(test_a_receive_that_comes_late),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
