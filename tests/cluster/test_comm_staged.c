/* Data of GPUs through pinned memory, on the double of the runtime: every rank is a thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/channels.h"
#include "cluster/comm_staged.h"
#include "tests/cluster/comm_exercise.h"
#include "tests/cluster/device_exercise.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"

enum { MOST = RUN_RANKS_MOST };

/* The communicator beneath reads and writes as the host: told to the double when a message is posted. */
static const df_comm_ops *beneath;
static df_comm_ops watched;

static df_code watched_send(df_comm *c, int to, int channel, const void *data, size_t bytes, df_comm_request **req,
                            df_err *err) {
    if (bytes && channel >= DF_CHANNEL_DATA) gpu_double_touch(data, bytes, false);
    return beneath->send(c, to, channel, data, bytes, req, err);
}

static df_code watched_recv(df_comm *c, int from, int channel, void *data, size_t bytes, df_comm_request **req,
                            df_err *err) {
    if (bytes && channel >= DF_CHANNEL_DATA) gpu_double_touch(data, bytes, true);
    return beneath->recv(c, from, channel, data, bytes, req, err);
}

static void open_all(df_comm **c, int size) {
    const df_comm_staged_cfg cfg = { .cuda = &gpu_double };
    df_err err;
    if (df_comm_threads_open(c, size, &err)) fail_msg("%s", err.text);
    beneath = c[0]->ops;
    watched = *beneath;
    watched.send = watched_send;
    watched.recv = watched_recv;
    for (int i = 0; i < size; i++) {
        c[i]->ops = &watched;
        if (df_comm_staged_open(&c[i], &cfg, &err)) fail_msg("%s", err.text);
    }
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
        gpu_double_reset((unsigned)size);
        open_all(c, size);
        assert_string_equal(c[0]->ops->name, "staged");
        assert_int_equal(run_ranks(c, size, exercise_data), 0);
        open_all(c, size);
        assert_int_equal(run_ranks(c, size, exercise_control), 0);
        assert_string_equal(gpu_double_fault(), "");
    }
}

static void test_compute_and_messages_are_ordered(void **state) {
    (void)state;
    df_comm *c[MOST];
    for (unsigned seed = 0; seed < 12; seed++) {
        int size = 2 + (int)seed % 3;
        gpu_double_reset(seed);
        open_all(c, size);
        assert_int_equal(run_ranks(c, size, device_exercise), 0);
        assert_string_equal(gpu_double_fault(), "");
    }
}

static void test_a_gone_rank_is_told(void **state) {
    (void)state;
    df_comm *c[2];
    df_comm_request *send = NULL;
    df_err err;
    char bytes[32] = "word";
    df_code rc = DF_OK;
    gpu_double_reset(3);
    open_all(c, 2);
    assert_int_equal(c[0]->ops->send(c[0], 1, DF_CHANNEL_DATA, bytes, sizeof bytes, &send, &err), DF_OK);
    c[1]->ops->close(&c[1]);
    int64_t until = df_clock_ms() + 5000;
    for (bool done = false; !rc && !done && df_clock_ms() < until;) rc = c[0]->ops->test(c[0], &send, &done, &err);
    assert_int_equal(rc, DF_EUNREACHABLE);
    assert_string_equal(err.text, "rank 0: rank 1 is gone");
    c[0]->ops->cancel(c[0], &send);
    c[0]->ops->close(&c[0]);
    assert_string_equal(gpu_double_fault(), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exercise),
        cmocka_unit_test(test_compute_and_messages_are_ordered),
        cmocka_unit_test(test_a_gone_rank_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
