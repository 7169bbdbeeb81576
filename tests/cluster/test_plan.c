#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/plan.h"
#include "cluster/plan_search.h"

enum { NODES_MAX = 9, WIDTHS = 4 };

static unsigned draw(unsigned *state, unsigned n) {
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 10) % n;
}

/* A small graph of linear layers and concatenations over earlier values: residual streams, skips, dead ends. */
static df_graph *random_graph(unsigned seed) {
    unsigned state = seed * 2654435761u + 1;
    df_graph *g = df_graph_new("random");
    df_value_id values[NODES_MAX + 2];
    int n_values = 0, n_nodes = 3 + (int)draw(&state, NODES_MAX - 3);
    values[n_values++] = df_graph_input(g, "a", DF_F32, DF_SHAPE(8));
    if (draw(&state, 2)) values[n_values++] = df_graph_input(g, "b", DF_F32, DF_SHAPE(24));
    for (int i = 0; i < n_nodes; i++) {
        const char *name = df_graph_name(g, "n%d", i);
        df_value_id last = values[n_values - 1], other = values[draw(&state, (unsigned)n_values)];
        int64_t width = 4 << draw(&state, WIDTHS);
        if (draw(&state, 3) == 0 && other != last)
            values[n_values++] = df_g_concat(g, name, last, other);
        else
            values[n_values++] = df_g_linear(g, name, draw(&state, 4) ? last : other, width, true);
    }
    df_graph_output(g, "out", values[n_values - 1]);
    if (draw(&state, 3) == 0) df_graph_output(g, "inner", values[n_values / 2]);
    return g;
}

/* Every output reaches the end by construction of a test graph only if nodes without users are outputs. */
static void output_the_rest(df_graph *g) {
    for (int v = 0; v < g->n_values; v++) {
        bool used = false;
        for (int i = 0; i < g->n_nodes; i++)
            for (int k = 0; k < g->nodes[i].n_in; k++) used |= g->nodes[i].in[k] == v;
        for (int i = 0; i < g->n_outputs; i++) used |= g->outputs[i].value == v;
        if (!used && g->values[v].producer >= 0) df_graph_output(g, df_graph_name(g, "rest%d", v), v);
    }
}

static df_cost random_cost(const df_graph *g, unsigned seed) {
    unsigned state = seed * 40503u + 7;
    df_cost c = { .n_nodes = g->n_nodes };
    c.node_seconds = calloc((size_t)g->n_nodes, sizeof(double));
    c.node_flops = calloc((size_t)g->n_nodes, sizeof(double));
    for (int i = 0; i < g->n_nodes; i++) c.node_seconds[i] = 0.25 * draw(&state, 17);
    return c;
}

/* Some ranks are faster, have other work, little memory, slow links. Which of these, the seed says. */
typedef struct farm {
    double speed[4], busy[4], rate[4];
    int64_t room[4];
    df_plan_ranks ranks;
} farm;

enum { FARM_SPEED = 1, FARM_BUSY = 2, FARM_ROOM = 4, FARM_LINKS = 8 };

static void random_farm(farm *f, unsigned what, unsigned seed, int64_t weights) {
    unsigned state = seed * 7919u + what;
    *f = (farm) { .ranks.dtype = seed % 2 ? DF_F32 : DF_BF16 };
    for (int i = 0; i < 4; i++) {
        f->speed[i] = 0.5 * (1 + draw(&state, 4));
        f->busy[i] = 0.25 * draw(&state, 12);
        f->room[i] = weights * (20 + draw(&state, 60)) / 100;
        f->rate[i] = 8 << draw(&state, 6);
    }
    if (what & FARM_SPEED) f->ranks.speed = f->speed;
    if (what & FARM_BUSY) f->ranks.busy_seconds = f->busy;
    if (what & FARM_ROOM) f->ranks.room_bytes = f->room;
    if (what & FARM_LINKS) f->ranks.bytes_per_second = f->rate;
}

typedef struct score {
    double largest; /* INFINITY: the weights have no room */
    int64_t bytes;
} score;

static int64_t weight_bytes_on(const df_graph *g, const int *stage_of, int stage, df_dtype dtype) {
    int64_t sum = 0;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < DF_NODE_MAX_WEIGHTS && (stage < 0 || stage_of[i] == stage); k++)
            if (g->nodes[i].weight[k] != DF_NO_WEIGHT)
                sum += df_shape_elements(g->weights[g->nodes[i].weight[k]].shape) * (int64_t)df_dtype_bytes(dtype);
    return sum;
}

/* Counted from the cut itself, not from the search's own bookkeeping. */
static score score_of(const df_graph *g, const df_cost *cost, const farm *f, const int *stage_of, int n_stages) {
    score s = { 0 };
    df_cut *cut = NULL;
    double received[4] = { 0 };
    assert_int_equal(df_cut_new(&cut, g, stage_of, n_stages, NULL), DF_OK);
    for (int i = 0; i < cut->n_edges; i++) {
        const df_value *v = &g->values[cut->edges[i].value];
        int64_t bytes = df_shape_elements(v->shape) * (int64_t)df_dtype_bytes(f->ranks.dtype);
        s.bytes += bytes;
        received[cut->edges[i].to_stage] += (double)bytes;
    }
    df_cut_free(&cut);
    for (int stage = 0; stage < n_stages; stage++) {
        double sum = 0;
        for (int i = 0; i < g->n_nodes; i++)
            if (stage_of[i] == stage) sum += cost->node_seconds[i];
        if (f->ranks.speed) sum /= f->speed[stage];
        if (f->ranks.busy_seconds) sum += f->busy[stage];
        if (f->ranks.bytes_per_second && received[stage] / f->rate[stage] > sum) sum = received[stage] / f->rate[stage];
        if (f->ranks.room_bytes && weight_bytes_on(g, stage_of, stage, f->ranks.dtype) > f->room[stage]) sum = INFINITY;
        if (sum > s.largest) s.largest = sum;
    }
    return s;
}

typedef struct brute {
    const df_graph *g;
    const df_cost *cost;
    const farm *farm;
    int n_stages, n_cuts;
    bool folded;
    double limit; /* below 0: look for the smallest largest stage; else for the fewest bytes below it */
    score best;
} brute;

static void brute_try(brute *b, const int *cuts) {
    int stage_of[NODES_MAX + 2];
    for (int i = 0; i < b->g->n_nodes; i++) {
        int slice = 0;
        while (slice < b->n_cuts && i >= cuts[slice]) slice++;
        stage_of[i] = slice < b->n_stages ? slice : b->n_cuts - slice;
    }
    score s = score_of(b->g, b->cost, b->farm, stage_of, b->n_stages);
    if (b->limit < 0) {
        if (s.largest < b->best.largest) b->best.largest = s.largest;
    } else if (s.largest <= b->limit * (1 + 1e-9) && (b->best.bytes < 0 || s.bytes < b->best.bytes)) {
        b->best.bytes = s.bytes;
    }
}

static void brute_walk(brute *b, int *cuts, int depth) {
    if (depth == b->n_cuts) {
        brute_try(b, cuts);
        return;
    }
    for (int at = depth ? cuts[depth - 1] : 0; at <= b->g->n_nodes; at++) {
        cuts[depth] = at;
        brute_walk(b, cuts, depth + 1);
    }
}

static void brute_force(brute *b) {
    int cuts[8];
    b->n_cuts = b->folded ? 2 * b->n_stages - 2 : b->n_stages - 1;
    b->best = (score) { .largest = INFINITY, .bytes = -1 };
    brute_walk(b, cuts, 0);
}

static void compare(brute *b, const int *stage_of, df_code rc, unsigned seed, unsigned what, double slack) {
    b->limit = -1;
    brute_force(b);
    double smallest = b->best.largest;
    if (isinf(smallest) != (rc == DF_ELIMIT))
        fail_msg("seed %u, farm %u: code %d, largest stage %g", seed, what, rc, smallest);
    if (rc == DF_ELIMIT || smallest == 0) return;
    if (rc) fail_msg("seed %u, farm %u, %d stages: code %d", seed, what, b->n_stages, rc);
    b->limit = smallest * (1 + slack);
    brute_force(b);
    score found = score_of(b->g, b->cost, b->farm, stage_of, b->n_stages);
    if (found.largest > b->limit * (1 + 1e-6) || found.bytes != b->best.bytes)
        fail_msg("seed %u, farm %u, %d stages, %s, slack %g: found %g and %lld bytes, best %g (limit %g) and %lld",
                 seed, what, b->n_stages, b->folded ? "folded" : "linear", slack, found.largest, (long long)found.bytes,
                 smallest, b->limit, (long long)b->best.bytes);
}

static void check_against_brute_force(unsigned seed, bool folded, int n_stages, double slack, unsigned what) {
    df_graph *g = random_graph(seed);
    df_err err;
    output_the_rest(g);
    if (df_graph_finish(g, &err)) fail_msg("seed %u: %s", seed, err.text);
    df_cost cost = random_cost(g, seed);
    df_search s;
    farm f;
    int stage_of[NODES_MAX + 2];
    random_farm(&f, what, seed, weight_bytes_on(g, NULL, -1, seed % 2 ? DF_F32 : DF_BF16));
    assert_int_equal(df_search_open(&s, g, &cost, n_stages, &f.ranks, &err), DF_OK);
    df_code rc = folded ? df_search_folded(&s, slack, stage_of, &err) : df_search_linear(&s, slack, stage_of, &err);
    brute b = { .g = g, .cost = &cost, .farm = &f, .n_stages = n_stages, .folded = folded };
    compare(&b, stage_of, rc, seed, what, slack);
    df_search_close(&s);
    df_cost_free(&cost);
    df_graph_free(&g);
}

static void test_linear_is_optimal(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 150; seed++)
        for (int n_stages = 1; n_stages <= 4; n_stages++) check_against_brute_force(seed, false, n_stages, 0.1, 0);
}

static void test_folded_is_optimal(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 150; seed++) {
        check_against_brute_force(seed, true, 1, 0.1, 0);
        check_against_brute_force(seed, true, 2, seed % 2 ? 0 : 0.5, 0);
        check_against_brute_force(seed, true, 3, seed % 2 ? 0.02 : 0.3, 0);
    }
}

static void test_unequal_ranks(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 120; seed++)
        for (unsigned what = 1; what < 16; what++) {
            double slack = seed % 3 ? 0.1 : 0;
            for (int n_stages = 1; n_stages <= 3; n_stages++)
                check_against_brute_force(seed, false, n_stages, slack, what);
            check_against_brute_force(seed, true, 2, slack, what);
            if (seed % 4 == 0) check_against_brute_force(seed, true, 3, slack, what);
        }
}

/* Of two equal ranks the second has more memory: it takes the wide layers. */
static void test_no_room_is_said(void **state) {
    (void)state;
    df_graph *g = df_graph_new("wide");
    df_cost cost;
    df_plan *p = NULL;
    df_err err;
    const int64_t room[2] = { 4000, 40000 };
    const df_plan_ranks ranks = { .room_bytes = room, .dtype = DF_F32 };
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(8));
    for (int i = 0; i < 6; i++) x = df_g_linear(g, df_graph_name(g, "l%d", i), x, i < 3 ? 8 : 64, false);
    df_graph_output(g, "y", x);
    assert_int_equal(df_graph_finish(g, &err), DF_OK);
    assert_int_equal(df_cost_model(&cost, g, &err), DF_OK);
    assert_int_equal(df_plan_make(&p, g, &cost, 2, DF_PLAN_FOLDED, &ranks, &err), DF_OK);
    assert_true(p->stage[0].weight_bytes <= 4000 && p->stage[1].weight_bytes <= 40000);
    df_plan_free(&p);
    assert_int_equal(df_plan_make(&p, g, &cost, 1, DF_PLAN_FOLDED, &ranks, &err), DF_ELIMIT);
    assert_non_null(strstr(err.text, "wide: weights of"));
    df_cost_free(&cost);
    df_graph_free(&g);
}

/* Down, middle, up, with the last down value joined first: the pattern of a U-Net under names that say nothing. */
static df_graph *ladder(int depth) {
    df_graph *g = df_graph_new("ladder");
    df_value_id skip[16], x = df_graph_input(g, "x", DF_F32, DF_SHAPE(64));
    for (int i = 0; i < depth; i++) skip[i] = x = df_g_linear(g, df_graph_name(g, "p%d", i), x, 64, true);
    x = df_g_linear(g, "q", x, 64, true);
    for (int i = depth - 1; i >= 0; i--) {
        x = df_g_concat(g, df_graph_name(g, "r%d", i), x, skip[i]);
        x = df_g_linear(g, df_graph_name(g, "s%d", i), x, 64, true);
    }
    df_graph_output(g, "y", x);
    return g;
}

static void test_fold_keeps_skips_home(void **state) {
    (void)state;
    df_graph *g = ladder(8);
    df_cost cost;
    df_plan *p = NULL;
    df_err err;
    assert_int_equal(df_graph_finish(g, &err), DF_OK);
    assert_int_equal(df_cost_model(&cost, g, &err), DF_OK);
    for (int i = 0; i < g->n_nodes; i++) cost.node_seconds[i] = g->nodes[i].op == DF_OP_LINEAR;
    for (int n_stages = 2; n_stages <= 4; n_stages++) {
        assert_int_equal(df_plan_make(&p, g, &cost, n_stages, DF_PLAN_FOLDED, NULL, &err), DF_OK);
        assert_int_equal(p->kind, DF_PLAN_FOLDED);
        assert_int_equal(p->stage_of[0], 0);
        assert_int_equal(p->stage_of[g->n_nodes - 1], 0);
        /* one tensor down, one up at each boundary: no skip crosses by itself */
        assert_int_equal(p->bytes_crossing, (n_stages - 1) * 2 * 64 * 4);
        assert_true(p->bytes_crossing < p->bytes_crossing_naive);
        df_plan_free(&p);
    }
    df_cost_free(&cost);
    df_graph_free(&g);
}

static df_graph *chain(int n) {
    df_graph *g = df_graph_new("chain");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(32));
    for (int i = 0; i < n; i++) x = df_g_linear(g, df_graph_name(g, "l%d", i), x, 32, false);
    df_graph_output(g, "y", x);
    return g;
}

static void test_a_chain_is_not_folded(void **state) {
    (void)state;
    df_graph *g = chain(8);
    df_cost cost;
    df_plan *p = NULL;
    df_err err;
    assert_int_equal(df_graph_finish(g, &err), DF_OK);
    assert_int_equal(df_cost_model(&cost, g, &err), DF_OK);
    assert_int_equal(df_plan_make(&p, g, &cost, 4, DF_PLAN_FOLDED, NULL, &err), DF_OK);
    assert_int_equal(p->kind, DF_PLAN_LINEAR);
    for (int i = 0; i < 8; i++) assert_int_equal(p->stage_of[i], i / 2);
    assert_true(p->imbalance < 1e-9);
    assert_true(p->efficiency > 1 - 1e-9);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(p->stage[i].parameters, 2 * (32 * 32 + 32));
        assert_int_equal(p->stage[i].weight_bytes, 4 * p->stage[i].parameters);
        assert_int_equal(p->stage[i].bytes_out, 32 * 4);
        assert_float_equal(p->stage[i].share, 0.25, 1e-9);
    }
    df_plan_free(&p);
    df_cost_free(&cost);
    df_graph_free(&g);
}

static void test_more_stages_than_nodes(void **state) {
    (void)state;
    df_graph *graphs[] = { chain(3), ladder(2) };
    for (int k = 0; k < 2; k++) {
        df_graph *g = graphs[k];
        df_cost cost;
        df_plan *p = NULL;
        df_err err;
        assert_int_equal(df_graph_finish(g, &err), DF_OK);
        assert_int_equal(df_cost_model(&cost, g, &err), DF_OK);
        assert_int_equal(df_plan_make(&p, g, &cost, 40, DF_PLAN_FOLDED, NULL, &err), DF_OK);
        int64_t parameters = 0, weights = 0;
        for (int i = 0; i < 40; i++) parameters += p->stage[i].parameters;
        for (int i = 0; i < g->n_weights; i++) weights += df_shape_elements(g->weights[i].shape);
        assert_int_equal(parameters, weights);
        df_plan_free(&p);
        assert_int_equal(df_plan_make(&p, g, &cost, 0, DF_PLAN_LINEAR, NULL, &err), DF_EINVAL);
        df_cost_free(&cost);
        df_graph_free(&g);
    }
}

static void test_flops(void **state) {
    (void)state;
    df_graph *g = df_graph_new("flops");
    df_cost cost;
    df_err err;
    df_conv_attr conv = { .kernel = 3, .stride = 2, .pad = { 1, 1, 1, 1 } };
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(8, 8, 4));
    x = df_g_conv2d(g, "conv", x, 16, conv);
    x = df_g_reshape(g, "flat", x, DF_SHAPE(16, 16));
    df_graph_output(g, "y", df_g_attention(g, "attention", x, x, x, 2, false));
    assert_int_equal(df_graph_finish(g, &err), DF_OK);
    assert_int_equal(df_cost_model(&cost, g, &err), DF_OK);
    assert_float_equal(cost.node_flops[0], 2.0 * 4 * 4 * 16 * 4 * 9, 0);
    assert_float_equal(cost.node_flops[1], 0, 0);
    assert_float_equal(cost.node_seconds[1], 0, 0);
    assert_float_equal(cost.node_flops[2], 2.0 * 16 * 16 * 32 + 10.0 * 2 * 16 * 16, 0);
    df_cost_free(&cost);
    df_graph_free(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_is_optimal),      cmocka_unit_test(test_folded_is_optimal),
        cmocka_unit_test(test_unequal_ranks),          cmocka_unit_test(test_no_room_is_said),
        cmocka_unit_test(test_fold_keeps_skips_home),  cmocka_unit_test(test_a_chain_is_not_folded),
        cmocka_unit_test(test_more_stages_than_nodes), cmocka_unit_test(test_flops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
