/* What to do with so many ranks, on the starter model, whose U-Net has 35 MB of weights in f32. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cluster/strategy.h"
#include "tests/cluster/thread_farm.h"

static int slots(int n_ranks, int n_halves) {
    return n_ranks == 1 ? 1 : 2 * n_ranks / n_halves;
}

static df_strategies weigh(const df_model *m, int n_ranks, const df_hops *hops, int64_t device_bytes) {
    const df_graph_size size = { .latent_h = 16, .latent_w = 16 };
    const df_strategy_cfg cfg = {
        .terms = { .n_ranks = n_ranks, .backend_cfg = { .dtype = DF_F32 }, .hops = hops, .device_bytes = device_bytes },
        .micro_batch = 1,
        .slots = slots
    };
    df_strategies s;
    df_err err;
    if (df_strategies_weigh(&s, m, &size, &cfg, &err)) fail_msg("%s", err.text);
    return s;
}

/* Nothing to pay between ranks, all memory there is: replicas are as good as any, and a pipeline of all is quicker for
 * a picture alone than none, since other ranks would idle. */
static void test_free_links(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_strategies s = weigh(m, 4, NULL, 0);
    const df_strategy *best = df_strategy_best(&s, DF_FOR_THROUGHPUT);
    assert_int_equal(best->depth, 1);
    assert_int_equal(best->replicas, 4);
    for (int depth = 2; depth <= 4; depth++) {
        const df_strategy *p = df_strategy_find(&s, DF_STRATEGY_PIPELINES, depth);
        assert_true(p->fits);
        assert_int_equal(p->replicas, 4 / depth);
        assert_true(p->pictures_per_second <= best->pictures_per_second * (1 + 1e-9));
        assert_true(p->memory_bytes < best->memory_bytes);
    }
    assert_true(df_strategy_find(&s, DF_STRATEGY_PIPELINES, 2)->pictures_per_second > 0.95 * best->pictures_per_second);
    assert_null(df_strategy_find(&s, DF_STRATEGY_PIPELINES, 5));
    df_model_close(&m);
}

static void test_no_room_for_replicas(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    char text[256];
    df_strategies all = weigh(m, 4, NULL, 0);
    int64_t less = df_strategy_find(&all, DF_STRATEGY_PIPELINES, 1)->memory_bytes - 1;
    df_strategies s = weigh(m, 4, NULL, less);
    const df_strategy *best = df_strategy_best(&s, DF_FOR_THROUGHPUT);
    assert_false(df_strategy_find(&s, DF_STRATEGY_PIPELINES, 1)->fits);
    assert_true(best->depth > 1);
    assert_true(best->memory_bytes <= less);
    df_strategy_explain(&s, best, DF_FOR_THROUGHPUT, text, sizeof text);
    assert_non_null(strstr(text, "does not fit one rank"));
    s = weigh(m, 4, NULL, 1 << 20);
    assert_null(df_strategy_best(&s, DF_FOR_THROUGHPUT));
    df_model_close(&m);
}

/* The slower the links, the slower pipelines; replicas do not care. */
static void test_slow_links(void **state) {
    (void)state;
    static const char *const links[] = { "NVLink", "1GbE,100us", "0.01GB/s" };
    df_model *m = thread_farm_starter();
    double replicas = 0, pipelines = 0;
    for (int i = 0; i < 3; i++) {
        df_hops hops;
        df_err err;
        assert_int_equal(df_hops_open(&hops, 2, &err), DF_OK);
        assert_int_equal(df_hops_set(&hops, links[i], &err), DF_OK);
        df_strategies s = weigh(m, 2, &hops, 0);
        const df_strategy *one = df_strategy_find(&s, DF_STRATEGY_PIPELINES, 1),
                          *two = df_strategy_find(&s, DF_STRATEGY_PIPELINES, 2);
        if (i) assert_float_equal(one->pictures_per_second, replicas, 1e-9 * replicas);
        if (i) assert_true(two->pictures_per_second <= pipelines);
        replicas = one->pictures_per_second;
        pipelines = two->pictures_per_second;
        df_hops_close(&hops);
    }
    assert_true(pipelines < 0.9 * replicas);
    df_model_close(&m);
}

static void test_a_word_to_the_slower(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_hops hops;
    df_err err;
    char text[256] = "", with_figures[64];
    assert_int_equal(df_hops_open(&hops, 2, &err), DF_OK);
    assert_int_equal(df_hops_set(&hops, "0.001GB/s", &err), DF_OK);
    df_strategies s = weigh(m, 2, &hops, 0);
    const df_strategy *one = df_strategy_find(&s, DF_STRATEGY_PIPELINES, 1),
                      *two = df_strategy_find(&s, DF_STRATEGY_PIPELINES, 2);
    assert_true(df_strategy_slower(&s, DF_STRATEGY_PIPELINES, 2, DF_FOR_THROUGHPUT, text, sizeof text));
    assert_non_null(strstr(text, "1 pipeline of 2 ranks: "));
    assert_non_null(strstr(text, " % of the pace of 2 replicas ("));
    snprintf(with_figures, sizeof with_figures, "(%.3g against %.3g pictures/s, modelled)", two->pictures_per_second,
             one->pictures_per_second);
    assert_non_null(strstr(text, with_figures));
    assert_true(df_strategy_slower(&s, DF_STRATEGY_PIPELINES, 2, DF_FOR_LATENCY, text, sizeof text));
    assert_non_null(strstr(text, " s for a picture alone, modelled)"));
    assert_false(df_strategy_slower(&s, DF_STRATEGY_PIPELINES, 1, DF_FOR_THROUGHPUT, text, sizeof text));
    assert_false(
        df_strategy_slower(&s, DF_STRATEGY_PIPELINES, 7, DF_FOR_THROUGHPUT, text, sizeof text)); /* not weighed */
    s.of[1].pictures_per_second = s.of[0].pictures_per_second / 1.01; /* too near to tell */
    assert_false(df_strategy_slower(&s, DF_STRATEGY_PIPELINES, 2, DF_FOR_THROUGHPUT, text, sizeof text));
    df_hops_close(&hops);
    df_model_close(&m);
}

/* Of a guided picture each half makes a row: nearly twice as fast alone as on one rank, and faster than a pipeline of
 * as many ranks, in which a picture alone is on one rank at a time. */
static void test_guidance_halves(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_strategies s = weigh(m, 4, NULL, 0);
    const df_strategy *one = df_strategy_find(&s, DF_STRATEGY_PIPELINES, 1),
                      *pair = df_strategy_find(&s, DF_STRATEGY_HALVES, 2),
                      *pair_of_two = df_strategy_find(&s, DF_STRATEGY_HALVES, 4);
    assert_null(df_strategy_find(&s, DF_STRATEGY_HALVES, 3));
    assert_int_equal(pair->replicas, 2);
    assert_true(pair->seconds_per_picture < 0.6 * one->seconds_per_picture);
    assert_true(pair->seconds_per_picture > 0.5 * one->seconds_per_picture);
    assert_true(pair_of_two->memory_bytes < pair->memory_bytes);
    assert_int_equal(df_strategy_best(&s, DF_FOR_LATENCY)->kind, DF_STRATEGY_HALVES);
    assert_true(df_strategy_wants_halves(&s, 2, DF_FOR_LATENCY));
    assert_false(df_strategy_wants_halves(&s, 3, DF_FOR_LATENCY));
    assert_int_equal(df_strategy_best(&s, DF_FOR_THROUGHPUT)->kind, DF_STRATEGY_PIPELINES); /* halves are no faster */
    df_model_close(&m);
}

/* A step sends a row over and its output back: where that takes longer than the row, halves are no gain. */
static void test_halves_over_a_slow_link(void **state) {
    (void)state;
    df_model *m = thread_farm_starter();
    df_hops hops;
    df_err err;
    char text[256];
    assert_int_equal(df_hops_open(&hops, 2, &err), DF_OK);
    assert_int_equal(df_hops_set(&hops, "1GB/s,1000us", &err), DF_OK);
    df_strategies s = weigh(m, 2, &hops, 0);
    const df_strategy *near = df_strategy_find(&s, DF_STRATEGY_HALVES, 2);
    df_strategies free_links = weigh(m, 2, NULL, 0);
    const df_strategy *at_once = df_strategy_find(&free_links, DF_STRATEGY_HALVES, 2);
    /* 25 steps, a message each way; the text encoders send theirs once */
    assert_true(near->seconds_per_picture > at_once->seconds_per_picture + 0.050);
    assert_true(near->seconds_per_picture < at_once->seconds_per_picture + 0.070);
    hops.between[1].latency_seconds = hops.between[2].latency_seconds = 1;
    s = weigh(m, 2, &hops, 0);
    assert_int_equal(df_strategy_best(&s, DF_FOR_LATENCY)->depth, 1);
    assert_true(df_strategy_slower(&s, DF_STRATEGY_HALVES, 2, DF_FOR_LATENCY, text, sizeof text));
    assert_non_null(strstr(text, "1 pair that shares guidance: "));
    df_hops_close(&hops);
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_links),      cmocka_unit_test(test_no_room_for_replicas),
        cmocka_unit_test(test_slow_links),      cmocka_unit_test(test_a_word_to_the_slower),
        cmocka_unit_test(test_guidance_halves), cmocka_unit_test(test_halves_over_a_slow_link)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
