#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "cluster/hop_probe.h"

enum { RANKS = 3 };
static const double sizes[] = { 64, 65536, 1048576 };

static void time_messages(const df_hop *hop, double *seconds) {
    for (int i = 0; i < 3; i++) seconds[i] = df_hop_seconds(hop, sizes[i]);
}

static void test_a_line_is_found(void **state) {
    (void)state;
    static const df_hop links[] = { { 1e-6, 5e9 }, { 50e-6, 0.117e9 }, { 2e-6, 24e9 } };
    for (int i = 0; i < 3; i++) {
        double seconds[3];
        time_messages(&links[i], seconds);
        df_hop found = df_hop_fit(sizes, seconds, 3);
        assert_float_equal(found.latency_seconds, links[i].latency_seconds, 1e-3 * links[i].latency_seconds);
        assert_float_equal(found.bytes_per_second, links[i].bytes_per_second, 1e-3 * links[i].bytes_per_second);
    }
}

/* Times that no line explains give a link all the same. */
static void test_odd_times(void **state) {
    (void)state;
    static const double even[] = { 2e-6, 2e-6, 2e-6 }, falling[] = { 3e-6, 2e-6, 1e-6 }, none[] = { 0, 0, 0 },
                        bent[] = { 1e-9, 1e-4, 4e-4 };
    const df_hop a = df_hop_fit(sizes, even, 3), b = df_hop_fit(sizes, falling, 3), c = df_hop_fit(sizes, none, 3),
                 d = df_hop_fit(sizes, bent, 3), one = df_hop_fit(sizes, even, 1);
    assert_float_equal(a.latency_seconds, 2e-6, 1e-9);
    assert_true(isinf(b.bytes_per_second) && b.latency_seconds > 0);
    assert_true(c.latency_seconds >= 0 && c.bytes_per_second > 0);
    assert_true(d.latency_seconds >= 0 && isfinite(d.bytes_per_second));
    assert_true(isinf(one.bytes_per_second));
    assert_float_equal(one.latency_seconds, 2e-6, 1e-9);
}

typedef struct member {
    df_comm *comm;
    df_hops hops;
    df_err err;
    df_code rc;
    int64_t timeout_ms;
} member;

static void *measure(void *arg) {
    member *m = arg;
    m->rc = df_hops_measure(&m->hops, m->comm, m->timeout_ms, &m->err);
    return NULL;
}

static void test_all_ranks_get_the_same(void **state) {
    (void)state;
    df_comm *comm[RANKS];
    pthread_t thread[RANKS];
    member of[RANKS] = { 0 };
    df_err err;
    assert_int_equal(df_comm_threads_open(comm, RANKS, &err), DF_OK);
    for (int r = 0; r < RANKS; r++) {
        of[r].comm = comm[r];
        assert_int_equal(pthread_create(&thread[r], NULL, measure, &of[r]), 0);
    }
    for (int r = 0; r < RANKS; r++) pthread_join(thread[r], NULL);
    for (int r = 0; r < RANKS; r++) {
        assert_int_equal(of[r].rc, DF_OK);
        assert_memory_equal(of[r].hops.between, of[0].hops.between, RANKS * RANKS * sizeof *of[0].hops.between);
    }
    for (int a = 0; a < RANKS; a++)
        for (int b = 0; b < RANKS; b++) {
            const df_hop *there = df_hops_between(&of[0].hops, a, b), *back = df_hops_between(&of[0].hops, b, a);
            assert_true(there->latency_seconds == back->latency_seconds);
            assert_true(there->bytes_per_second == back->bytes_per_second);
            /* Between two ranks a megabyte takes some time; a rank pays nothing to itself. */
            assert_true(a == b ? df_hop_seconds(there, 1e6) == 0 : df_hop_seconds(there, 1e6) > 0);
        }
    for (int r = 0; r < RANKS; r++) {
        df_hops_close(&of[r].hops);
        comm[r]->ops->close(&comm[r]);
    }
}

/* One takes no part: whoever measures with it says so, nobody blames another, and none waits for ever. */
static void test_a_frozen_rank_is_named(void **state) {
    (void)state;
    enum { FROZEN = 1, TIMEOUT_MS = 300 };
    df_comm *comm[RANKS];
    pthread_t thread[RANKS];
    member of[RANKS] = { 0 };
    df_err err;
    assert_int_equal(df_comm_threads_open(comm, RANKS, &err), DF_OK);
    for (int r = 0; r < RANKS; r++) {
        of[r].comm = comm[r];
        of[r].timeout_ms = TIMEOUT_MS;
        if (r != FROZEN) assert_int_equal(pthread_create(&thread[r], NULL, measure, &of[r]), 0);
    }
    pthread_join(thread[0], NULL);
    assert_int_equal(of[0].rc, DF_ETIMEOUT);
    assert_non_null(strstr(of[0].err.text, "rank 1 has not answered for 0.3 s"));
    for (int r = 1; r < RANKS; r++) {
        if (r == FROZEN) continue;
        pthread_join(thread[r], NULL);
        assert_int_not_equal(of[r].rc, DF_OK);
    }
    for (int r = 0; r < RANKS; r++) comm[r]->ops->close(&comm[r]);
}

static void test_one_rank_has_no_links(void **state) {
    (void)state;
    df_comm *comm = NULL;
    df_hops hops;
    df_err err;
    assert_int_equal(df_comm_self_open(&comm, &err), DF_OK);
    assert_int_equal(df_hops_measure(&hops, comm, 0, &err), DF_OK);
    assert_int_equal(hops.n_ranks, 1);
    df_hops_close(&hops);
    comm->ops->close(&comm);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_a_line_is_found), cmocka_unit_test(test_odd_times),
                                        cmocka_unit_test(test_all_ranks_get_the_same),
                                        cmocka_unit_test(test_a_frozen_rank_is_named),
                                        cmocka_unit_test(test_one_rank_has_no_links) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
