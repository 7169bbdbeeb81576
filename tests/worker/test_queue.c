#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/clock.h"
#include "worker/queue.h"

enum { N = 20000 };
static int items[N];

static bool readable(const df_queue *q) {
    struct pollfd p = { .fd = df_queue_fd(q), .events = POLLIN };
    return poll(&p, 1, 0) == 1;
}

static void keeps_order_and_tells_pollers(void **state) {
    df_queue *q = NULL;
    (void)state;
    assert_int_equal(df_queue_open(&q, 3, NULL), DF_OK);
    for (int round = 0; round < 5; round++) {
        assert_false(readable(q));
        for (int i = 0; i < 3; i++) df_queue_push(q, &items[i]);
        assert_true(readable(q));
        for (int i = 0; i < 3; i++) assert_ptr_equal(df_queue_pop(q, 0), &items[i]);
        assert_false(readable(q));
    }
    int64_t start = df_clock_ms();
    assert_null(df_queue_pop(q, 0));
    assert_null(df_queue_pop(q, 50));
    assert_in_range(df_clock_ms() - start, 49, 2000);
    df_queue_close(&q);
    df_queue_close(&q);
}

static void *push_all(void *arg) {
    for (int i = 0; i < N; i++) df_queue_push(arg, &items[i]);
    return NULL;
}

/* A full queue stops the one who pushes; nothing is lost or swapped. */
static void holds_back_the_faster(void **state) {
    df_queue *q = NULL;
    pthread_t t;
    (void)state;
    assert_int_equal(df_queue_open(&q, 4, NULL), DF_OK);
    pthread_create(&t, NULL, push_all, q);
    for (int i = 0; i < N; i++) assert_ptr_equal(df_queue_pop(q, -1), &items[i]);
    pthread_join(t, NULL);
    assert_null(df_queue_pop(q, 0));
    df_queue_close(&q);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_and_tells_pollers),
        cmocka_unit_test(holds_back_the_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
