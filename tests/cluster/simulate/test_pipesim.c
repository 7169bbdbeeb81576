/* The schedule in simulated time, against what can be said without it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/simulate/pipesim.h"

enum { MOST = 8 };

/* Costs of consecutive slices, one a rank, each `row_seconds` for a row, `row_bytes` between them and back. */
typedef struct chain {
    df_pipesim_segment segments[MOST + 1];
    df_pipesim_edge edges[MOST + 1];
    df_pipesim_costs costs;
    df_hops hops;
} chain;

static void open_chain(chain *c, int n_ranks, double row_seconds, double row_bytes, df_hop hop) {
    *c = (chain) { .costs.n_ranks = n_ranks };
    df_pipesim_program *p = &c->costs.program[DF_DENOISER];
    *p = (df_pipesim_program) { .segments = c->segments, .edges = c->edges, .n_segments = n_ranks };
    for (int i = 0; i < n_ranks; i++) c->segments[i] = (df_pipesim_segment) { i, 0, row_seconds };
    for (int i = 0; i < n_ranks && n_ranks > 1; i++) c->edges[p->n_edges++] = (df_pipesim_edge) { i, i + 1, row_bytes };
    assert_int_equal(df_hops_open(&c->hops, n_ranks, NULL), DF_OK);
    for (int i = 0; i < n_ranks * n_ranks; i++) c->hops.between[i] = hop;
}

static const df_hop at_once = { 0, INFINITY };

static df_pipesim_cfg cfg_of(const chain *c, int n_slots, int n_rows, int steps) {
    return (df_pipesim_cfg) { .costs = &c->costs,
                              .hops = &c->hops,
                              .eager_bytes = INFINITY,
                              .micro_batch = 1,
                              .n_slots = n_slots,
                              .steps = steps,
                              .rows_per_step = 1,
                              .n_rows = n_rows };
}

static df_pipesim_report run(const df_pipesim_cfg *cfg) {
    df_pipesim_report r;
    df_err err = { 0 };
    if (df_pipesim_run(&r, cfg, &err)) fail_msg("%s", err.text);
    return r;
}

static double share(const df_pipesim_report *r, int rank, df_span_kind kind) {
    int64_t start = 0, end = 0;
    assert_true(df_timeline_steady(r->line, &start, &end));
    return df_timeline_shares(r->line, rank, start, end).of[kind];
}

static void assert_near(double is, double should, double share_off) {
    if (fabs(is - should) > share_off * fabs(should)) fail_msg("%.9g, it should be %.9g", is, should);
}

static void equal_stages_without_links_make_a_picture_a_stage(void **state) {
    (void)state;
    for (int ranks = 1; ranks <= MOST; ranks++) {
        chain c;
        open_chain(&c, ranks, 0.25, 1e6, at_once);
        const df_pipesim_cfg cfg = cfg_of(&c, 2 * ranks, 2 * ranks, 200);
        df_pipesim_report r = run(&cfg);
        assert_near(r.steps_per_second, 4, 0.01);
        for (int i = 0; i < ranks; i++) assert_near(share(&r, i, DF_SPAN_COMPUTE), 1, 1e-6);
        df_pipesim_report_free(&r);
        df_hops_close(&c.hops);
    }
}

static void a_single_micro_batch_leaves_all_ranks_but_one_idle(void **state) {
    (void)state;
    for (int ranks = 2; ranks <= MOST; ranks++) {
        chain c;
        open_chain(&c, ranks, 0.25, 1e6, at_once);
        const df_pipesim_cfg cfg = cfg_of(&c, 1, 1, 50);
        df_pipesim_report r = run(&cfg);
        assert_near(r.seconds, 50 * ranks * 0.25, 1e-9);
        assert_near(r.latency_median, r.seconds, 1e-9);
        for (int i = 0; i < ranks; i++) {
            double bubble = 1 - share(&r, i, DF_SPAN_COMPUTE);
            assert_near(bubble, (ranks - 1.0) / ranks, 1e-6);
            assert_near(share(&r, i, DF_SPAN_WAIT), bubble, 1e-6);
        }
        df_pipesim_report_free(&r);
        df_hops_close(&c.hops);
    }
}

/* A port carries a message at a time: bytes over bandwidth, however many are on their way. */
static void a_slow_link_bounds_the_pace(void **state) {
    (void)state;
    chain c;
    open_chain(&c, 3, 0.01, 1e6, (df_hop) { 1e-3, 1e7 });
    const df_pipesim_cfg cfg = cfg_of(&c, 12, 12, 100);
    df_pipesim_report r = run(&cfg);
    assert_near(r.steps_per_second, 10, 0.01);
    for (int i = 0; i < 3; i++) assert_near(share(&r, i, DF_SPAN_COMPUTE), 0.1, 0.05);
    df_pipesim_report_free(&r);
    df_hops_close(&c.hops);
}

/* Down the chain and back; the last rank's word that it has ended comes with its value. */
static void a_step_alone_pays_each_hop(void **state) {
    (void)state;
    chain c;
    open_chain(&c, 4, 0.25, 1e6, (df_hop) { 0.003, 1e8 });
    df_pipesim_cfg cfg = cfg_of(&c, 1, 1, 10);
    df_pipesim_report r = run(&cfg);
    assert_near(r.seconds, 10 * 4 * (0.25 + 0.003 + 0.01), 1e-9);
    df_pipesim_report_free(&r);
    cfg.eager_bytes = 0; /* each is announced first */
    r = run(&cfg);
    assert_near(r.seconds, 10 * 4 * (0.25 + 2 * 0.003 + 0.01), 1e-9);
    df_pipesim_report_free(&r);
    df_hops_close(&c.hops);
}

static void the_largest_stage_bounds_the_pace(void **state) {
    (void)state;
    chain c;
    open_chain(&c, 4, 0.1, 0, at_once);
    c.segments[2].row_seconds = 0.16;
    c.segments[1].seconds = 0.02;
    const df_pipesim_cfg cfg = cfg_of(&c, 8, 8, 200);
    df_pipesim_report r = run(&cfg);
    assert_near(r.steps_per_second, 1 / 0.16, 0.01);
    assert_near(share(&r, 2, DF_SPAN_COMPUTE), 1, 1e-6);
    assert_near(share(&r, 0, DF_SPAN_COMPUTE), 0.1 / 0.16, 0.01);
    assert_near(share(&r, 1, DF_SPAN_COMPUTE), 0.12 / 0.16, 0.01);
    df_pipesim_report_free(&r);
    const double speed[] = { 1, 1, 2, 1 };
    df_pipesim_cfg faster = cfg;
    faster.speed = speed;
    r = run(&faster);
    assert_near(r.steps_per_second, 1 / 0.12, 0.01);
    df_pipesim_report_free(&r);
    df_hops_close(&c.hops);
}

/* Rank 0 has both ends, as in a folded plan, and the sampler. */
static void a_fold_shares_rank_0_with_the_sampler(void **state) {
    (void)state;
    chain c;
    open_chain(&c, 2, 0, 1e3, at_once);
    df_pipesim_program *p = &c.costs.program[DF_DENOISER];
    const df_pipesim_segment folded[] = { { 0, 0, 0.03 }, { 1, 0, 0.08 }, { 0, 0, 0.05 } };
    const df_pipesim_edge edges[] = { { -1, 1, 500 }, { 0, 1, 1000 }, { 1, 2, 1000 } };
    memcpy(c.segments, folded, sizeof folded);
    memcpy(c.edges, edges, sizeof edges);
    p->n_segments = p->n_edges = 3;
    c.costs.thread = (df_pipesim_thread) { .prepare_row = 0.004, .finish_row = 0.006 };
    df_pipesim_cfg cfg = cfg_of(&c, 4, 4, 200);
    df_pipesim_report r = run(&cfg);
    assert_near(r.steps_per_second, 1 / 0.09, 0.01);
    assert_near(share(&r, 0, DF_SPAN_SAMPLE), 0.01 / 0.09, 0.02);
    assert_near(share(&r, 1, DF_SPAN_COMPUTE), 0.08 / 0.09, 0.01);
    df_pipesim_report_free(&r);
    cfg.n_slots = cfg.n_rows = 1;
    r = run(&cfg);
    assert_near(r.seconds, 200 * (0.004 + 0.03 + 0.08 + 0.05 + 0.006), 1e-9);
    df_pipesim_report_free(&r);
    df_hops_close(&c.hops);
}

/* Two halves of one stage: a guided picture alone takes half of the time, and a message each way. */
static void halves_share_the_rows(void **state) {
    (void)state;
    chain c;
    open_chain(&c, 2, 0.1, 0, (df_hop) { 0.01, 1e6 });
    df_pipesim_program *p = &c.costs.program[DF_DENOISER];
    const df_pipesim_edge edges[] = { { -1, 1, 1000 }, { 1, 2, 2000 } };
    memcpy(c.edges, edges, sizeof edges);
    p->n_edges = 2;
    c.costs.n_halves = 2;
    df_pipesim_cfg cfg = cfg_of(&c, 1, 1, 50);
    cfg.rows_per_step = 2;
    df_pipesim_report r = run(&cfg);
    assert_near(r.seconds, 50 * (0.01 + 0.001 + 0.1 + 0.01 + 0.002), 1e-9);
    df_pipesim_report_free(&r);
    cfg.rows_per_step = 1; /* the second half has none: it costs the messages alone */
    r = run(&cfg);
    assert_near(r.seconds, 50 * 0.1, 1e-9);
    df_pipesim_report_free(&r);
    assert_int_equal(df_pipesim_rows(&c.costs, 0, 5), 3);
    assert_int_equal(df_pipesim_rows(&c.costs, 1, 5), 2);
    c.costs.n_halves = 3;
    df_err err;
    assert_int_equal(df_pipesim_run(&r, &cfg, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "2 ranks in 3 halves"));
    df_hops_close(&c.hops);
}

static void ranks_that_share_cores_share_their_time(void **state) {
    (void)state;
    chain c;
    open_chain(&c, 4, 0.1, 0, at_once);
    df_pipesim_cfg cfg = cfg_of(&c, 8, 8, 100);
    const double cores[] = { 1, 2, 3, 4, 7 }, rate[] = { 2.5, 5, 7.5, 10, 10 };
    for (int i = 0; i < 5; i++) {
        cfg.cores = cores[i];
        df_pipesim_report r = run(&cfg);
        assert_near(r.steps_per_second, rate[i], 0.02);
        df_pipesim_report_free(&r);
    }
    df_hops_close(&c.hops);
}

/* Everything that one picture goes through, one after another. */
static void a_picture_alone_takes_the_sum_of_its_parts(void **state) {
    (void)state;
    chain c;
    open_chain(&c, 1, 0.5, 0, at_once);
    df_pipesim_segment text = { 0, 0.01, 0.02 }, decoder = { 0, 0, 0.3 };
    c.costs.program[DF_TEXT_ENCODER] = (df_pipesim_program) { .segments = &text, .n_segments = 1 };
    c.costs.program[DF_VAE_DECODER] = (df_pipesim_program) { .segments = &decoder, .n_segments = 1 };
    df_pipesim_cfg cfg = cfg_of(&c, 1, 1, 7);
    df_pipesim_report r = run(&cfg);
    assert_near(r.seconds, 0.03 + 7 * 0.5 + 0.3, 1e-9);
    df_pipesim_report_free(&r);
    cfg.rows_per_step = 2; /* and the prompt of all */
    r = run(&cfg);
    assert_near(r.seconds, 0.05 + 7 * 1.0 + 0.3, 1e-9);
    assert_int_equal(r.n_passes, 9);
    df_pipesim_report_free(&r);
    df_hops_close(&c.hops);
}

static double computed(const df_pipesim_report *r, int rank) {
    double sum = 0;
    for (int64_t i = 0; i < r->line->rank[rank].n_spans; i++) {
        const df_span *s = &r->line->rank[rank].spans[i];
        if (s->kind == DF_SPAN_COMPUTE) sum += 1e-9 * (double)(s->end_ns - s->start_ns);
    }
    return sum;
}

/* Whatever the batches, slots and links: each row makes each step once, and a thread does one thing at a time. */
static void no_work_is_lost_or_done_twice(void **state) {
    (void)state;
    for (int i = 0; i < 60; i++) {
        int ranks = 1 + i % 5, slots = 1 + i * 7 % 11, batch = 1 + i % 3, rows = 1 + i * 5 % 23;
        chain c;
        open_chain(&c, ranks, 0.01, 3e5, (df_hop) { 1e-4 * (i % 4), i % 2 ? 1e8 : INFINITY });
        c.costs.thread = (df_pipesim_thread) { 1e-4, 2e-4, 1e-5, 1e-10 };
        df_pipesim_segment decoder = { ranks - 1, 0, 0.02 };
        df_pipesim_edge back = { 0, 1, 1e5 };
        c.costs.program[DF_VAE_DECODER] = (df_pipesim_program) { &decoder, &back, 1, ranks > 1 };
        df_pipesim_cfg cfg = cfg_of(&c, slots, rows, 5);
        cfg.micro_batch = batch;
        cfg.eager_bytes = i % 3 ? 4096 : INFINITY;
        cfg.cores = i % 7 ? 0 : 1.5;
        cfg.messages = true;
        df_pipesim_report r = run(&cfg);
        for (int k = 0; k < ranks; k++) {
            const df_rank_line *l = &r.line->rank[k];
            if (cfg.cores == 0) assert_near(computed(&r, k), rows * (5 * 0.01 + (k == ranks - 1 ? 0.02 : 0)), 1e-6);
            for (int64_t s = 0, end = 0; s < l->n_spans; s++) {
                if (l->spans[s].kind >= DF_SPAN_THREAD_KINDS) continue;
                assert_true(l->spans[s].start_ns >= end);
                end = l->spans[s].end_ns;
            }
        }
        assert_true(r.latency_median > 0 && r.latency_most <= r.seconds);
        df_pipesim_report_free(&r);
        df_hops_close(&c.hops);
    }
}

static void the_same_input_gives_the_same_report(void **state) {
    (void)state;
    chain c;
    open_chain(&c, 5, 0.013, 7e5, (df_hop) { 2e-5, 3e8 });
    c.costs.thread = (df_pipesim_thread) { 1e-4, 2e-4, 1e-5, 1e-10 };
    df_pipesim_cfg cfg = cfg_of(&c, 10, 40, 9);
    cfg.micro_batch = 3;
    cfg.messages = true;
    df_pipesim_report a = run(&cfg), b = run(&cfg);
    assert_memory_equal(&a.seconds, &b.seconds, sizeof a.seconds);
    for (int k = 0; k < 5; k++) {
        assert_int_equal(a.line->rank[k].n_spans, b.line->rank[k].n_spans);
        assert_memory_equal(a.line->rank[k].spans, b.line->rank[k].spans,
                            (size_t)a.line->rank[k].n_spans * sizeof(df_span));
    }
    df_pipesim_report_free(&a);
    df_pipesim_report_free(&b);
    df_hops_close(&c.hops);
}

static void assert_refused(const df_pipesim_cfg *cfg, const char *why) {
    df_pipesim_report r;
    df_err err = { 0 };
    assert_int_equal(df_pipesim_run(&r, cfg, &err), DF_EINVAL);
    if (!strstr(err.text, why)) fail_msg("'%s' does not say '%s'", err.text, why);
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    chain c;
    open_chain(&c, 3, 0.1, 10, at_once);
    df_pipesim_cfg cfg = cfg_of(&c, 300, 1, 1);
    assert_refused(&cfg, "300 slots: 1 to 256");
    cfg.n_slots = 2;
    c.segments[1].rank = 3;
    assert_refused(&cfg, "segment 1: rank 3, there are ranks 0 to 2");
    c.segments[1].rank = 1;
    c.segments[2].row_seconds = NAN;
    assert_refused(&cfg, "segment 2");
    c.segments[2].row_seconds = 0.1;
    c.edges[1] = (df_pipesim_edge) { 2, 1, 10 };
    assert_refused(&cfg, "edge 1: from segment 2 to 1: it must lead forward");
    c.edges[1] = (df_pipesim_edge) { -1, 0, 10 };
    assert_refused(&cfg, "both are on rank 0");
    c.edges[1] = (df_pipesim_edge) { 1, 2, -1 };
    assert_refused(&cfg, "edge 1: -1 bytes");
    c.costs.program[DF_DENOISER].n_segments = 0;
    assert_refused(&cfg, "no segments of the unet");
    df_hops_close(&c.hops);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_stages_without_links_make_a_picture_a_stage),
        cmocka_unit_test(a_single_micro_batch_leaves_all_ranks_but_one_idle),
        cmocka_unit_test(a_slow_link_bounds_the_pace),
        cmocka_unit_test(a_step_alone_pays_each_hop),
        cmocka_unit_test(the_largest_stage_bounds_the_pace),
        cmocka_unit_test(a_fold_shares_rank_0_with_the_sampler),
        cmocka_unit_test(halves_share_the_rows),
        cmocka_unit_test(ranks_that_share_cores_share_their_time),
        cmocka_unit_test(a_picture_alone_takes_the_sum_of_its_parts),
        cmocka_unit_test(no_work_is_lost_or_done_twice),
        cmocka_unit_test(the_same_input_gives_the_same_report),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
