/* The plan is checked by playing it: memory is a map of 64-byte cells that say whose content they hold. Writes put
 * their mark, reads look for it. Nothing of the planner's own reasoning (lives, blocks) is used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "engine/graph/fuse.h"
#include "engine/graph/memory_plan.h"
#include "tests/engine/graph/graph_fixture.h"

enum { CELL = 64, NOTHING = -1 };

typedef struct player {
    const df_graph *g;
    const df_cut *cut;
    int stage;
    const df_memory_plan *plan;
    df_dtype activation;
    int *slot, *scratch; /* content of each cell */
    int *content; /* [n_values]: what a value holds; the same for a value and its reshape */
    const char *wrong; /* first thing found, NULL while all is well */
} player;

static size_t bytes_of(const player *p, df_value_id v) {
    const df_value *value = &p->g->values[v];
    return (size_t)df_shape_elements(value->shape) * df_dtype_bytes(df_value_held_as(value, p->activation));
}

/* The cells of a value, NULL (and wrong) if it has no place or lies outside its region. */
static int *cells(player *p, df_value_id v, size_t *n) {
    df_placement at = p->plan->of[v];
    size_t region = at.region == DF_REGION_SLOT ? p->plan->slot_bytes : p->plan->scratch_bytes;
    *n = (bytes_of(p, v) + CELL - 1) / CELL;
    if (at.region == DF_REGION_NONE)
        p->wrong = "a value has no place";
    else if (at.offset % CELL || at.offset + *n * CELL > region)
        p->wrong = "a value lies outside its region";
    else
        return (at.region == DF_REGION_SLOT ? p->slot : p->scratch) + at.offset / CELL;
    *n = 0;
    return NULL;
}

static void put(player *p, df_value_id v) {
    size_t n;
    int *cell = cells(p, v, &n);
    for (size_t i = 0; i < n; i++) cell[i] = p->content[v];
}

static void look(player *p, df_value_id v, const char *wrong) {
    size_t n;
    int *cell = cells(p, v, &n);
    for (size_t i = 0; i < n; i++)
        if (cell[i] != p->content[v]) p->wrong = wrong;
}

static void look_in_slot(player *p, df_value_id v, const char *wrong) {
    look(p, v, wrong);
    if (p->plan->of[v].region != DF_REGION_SLOT) p->wrong = "what crosses a segment is not in the slot";
}

static bool overlap(player *p, df_value_id a, df_value_id b) {
    size_t na, nb;
    const int *ca = cells(p, a, &na), *cb = cells(p, b, &nb);
    return ca && cb && p->plan->of[a].region == p->plan->of[b].region && ca < cb + nb && cb < ca + na;
}

/* An operand may share memory with the result only where backend.h allows it. */
static void check_in_place(player *p, const df_node *n) {
    df_value_id reads[DF_NODE_MAX_READS];
    int n_reads = df_node_reads(n, reads), shared = 0;
    for (int k = 0; k < n_reads; k++) {
        if (!overlap(p, reads[k], n->out)) continue;
        bool exact =
            p->plan->of[reads[k]].offset == p->plan->of[n->out].offset && bytes_of(p, reads[k]) == bytes_of(p, n->out);
        bool allowed = (k == 0 && df_op_can_run_in_place(n->op)) || (k >= n->n_in && reads[k] == n->residual);
        if (!exact || !allowed) p->wrong = "a result lies over an operand that is still read";
        shared++;
    }
    if (shared > 1) p->wrong = "a result lies over two operands";
}

static void play_node(player *p, const df_node *n) {
    df_value_id reads[DF_NODE_MAX_READS];
    int n_reads = df_node_reads(n, reads);
    for (int k = 0; k < n_reads; k++) look(p, reads[k], "an operand was written over");
    if (n->op == DF_OP_RESHAPE) {
        look(p, n->out, "a reshape does not share its input's memory");
        return;
    }
    check_in_place(p, n);
    put(p, n->out);
}

/* early: everything from outside comes before the first segment, the earliest a receive may be posted; otherwise right
 * before the segment that needs it. */
static void receive(player *p, int segment, bool early) {
    for (int i = 0; i < p->cut->n_edges; i++) {
        const df_edge *e = &p->cut->edges[i];
        if (e->to_stage != p->stage || (early ? segment != 0 : e->to_segment != segment)) continue;
        put(p, e->value);
        look_in_slot(p, e->value, "");
    }
}

static void spoil_scratch(player *p) {
    for (size_t i = 0; i < p->plan->scratch_bytes / CELL; i++) p->scratch[i] = NOTHING;
}

static void play_segment(player *p, int segment) {
    const df_segment *s = &p->cut->segments[segment];
    if (s->stage != p->stage) return;
    spoil_scratch(p); /* other slots used it */
    for (int i = s->first_node; i < s->end_node; i++) play_node(p, &p->g->nodes[i]);
}

/* At the end everything that was sent must still be there: the send may have been slow. */
static void check_end(player *p) {
    spoil_scratch(p);
    for (int i = 0; i < p->cut->n_edges; i++)
        if (p->cut->edges[i].from_stage == p->stage)
            look_in_slot(p, p->cut->edges[i].value, "a sent value was written over");
    for (int i = 0; p->stage == 0 && i < p->g->n_outputs; i++)
        look_in_slot(p, p->g->outputs[i].value, "an output was written over");
}

static void find_contents(player *p) {
    for (df_value_id v = 0; v < p->g->n_values; v++) {
        int producer = p->g->values[v].producer;
        bool alias =
            producer >= 0 && p->g->nodes[producer].op == DF_OP_RESHAPE && p->cut->stage_of[producer] == p->stage;
        p->content[v] = alias ? p->content[p->g->nodes[producer].in[0]] : v;
    }
}

/* NULL if the plan holds. */
static const char *play(const df_graph *g, const df_cut *cut, int stage, const df_memory_plan *plan,
                        df_dtype activation, bool early) {
    player p = { .g = g, .cut = cut, .stage = stage, .plan = plan, .activation = activation };
    p.slot = malloc(plan->slot_bytes / CELL * sizeof(int) + 1);
    p.scratch = malloc(plan->scratch_bytes / CELL * sizeof(int) + 1);
    p.content = calloc((size_t)g->n_values + 1, sizeof(int));
    for (size_t i = 0; i < plan->slot_bytes / CELL; i++) p.slot[i] = NOTHING;
    find_contents(&p);
    for (int i = 0; stage == 0 && i < g->n_inputs; i++) {
        put(&p, g->inputs[i].value);
        look_in_slot(&p, g->inputs[i].value, "");
    }
    for (int s = 0; s <= cut->n_segments; s++) {
        receive(&p, s, early);
        if (s < cut->n_segments) play_segment(&p, s);
    }
    check_end(&p);
    free(p.slot);
    free(p.scratch);
    free(p.content);
    return p.wrong;
}

static void check_cut(const df_graph *g, const df_cut *cut, const char *what) {
    static const df_dtype types[] = { DF_BF16, DF_F32, DF_F64 };
    for (int stage = 0; stage < cut->n_stages; stage++)
        for (size_t k = 0; k < sizeof types / sizeof *types; k++)
            for (int early = 0; early < 2; early++) {
                df_memory_plan *plan = NULL;
                assert_int_equal(df_memory_plan_new(&plan, g, cut, stage, types[k], NULL), DF_OK);
                const char *wrong = play(g, cut, stage, plan, types[k], early);
                if (wrong) fail_msg("%s, stage %d of %d: %s", what, stage, cut->n_stages, wrong);
                df_memory_plan_free(&plan);
                assert_null(plan);
            }
}

static void check_graph(const df_graph *g, uint64_t seed, const char *what) {
    for (int n_stages = 1; n_stages <= 4; n_stages++)
        for (int kind = 0; kind < 3; kind++) {
            df_cut *cut = NULL;
            int *stage_of = fixture_random_stages(g, seed, n_stages, kind);
            assert_int_equal(df_cut_new(&cut, g, stage_of, n_stages, NULL), DF_OK);
            check_cut(g, cut, what);
            df_cut_free(&cut);
            free(stage_of);
        }
}

static void test_random_graphs_and_cuts(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        df_graph *g = fixture_random_graph(seed);
        check_graph(g, seed, "plain");
        assert_int_equal(df_graph_fuse(g, NULL), DF_OK);
        check_graph(g, seed, "fused");
        df_graph_free(&g);
    }
}

/* The player must see what is wrong: every value in turn is moved over the others. */
static void test_the_check_finds_overlaps(void **state) {
    (void)state;
    int found = 0, moved = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        df_graph *g = fixture_random_graph(seed);
        df_cut *cut = NULL;
        df_memory_plan *plan = NULL;
        assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
        assert_int_equal(df_memory_plan_new(&plan, g, cut, 0, DF_F32, NULL), DF_OK);
        for (df_value_id v = 0; v < g->n_values; v++) {
            df_placement was = plan->of[v];
            if (was.offset == 0) continue;
            plan->of[v].offset = 0;
            found += play(g, cut, 0, plan, DF_F32, false) != NULL;
            moved++;
            plan->of[v] = was;
        }
        assert_null(play(g, cut, 0, plan, DF_F32, false));
        df_memory_plan_free(&plan);
        df_cut_free(&cut);
        df_graph_free(&g);
    }
    assert_true(moved > 100);
    assert_true(found > moved / 2); /* some moves do no harm: the memory there was free */
}

static df_conv_attr conv1(void) {
    return (df_conv_attr) { .kernel = 1, .stride = 1 };
}

static df_memory_plan *plan_of(const df_graph *g, const df_cut *cut, int stage) {
    df_memory_plan *plan = NULL;
    assert_int_equal(df_memory_plan_new(&plan, g, cut, stage, DF_F32, NULL), DF_OK);
    return plan;
}

enum { PICTURE = 8 * 8 * 16 * 4 }; /* bytes of [8][8][16] f32 */

static void test_a_chain_needs_two_buffers(void **state) {
    (void)state;
    df_graph *g = df_graph_new("chain");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(8, 8, 16));
    for (int i = 0; i < 10; i++) x = df_g_conv2d(g, df_graph_name(g, "conv%d", i), x, 16, conv1());
    df_graph_output(g, "out", x);
    df_cut *cut = NULL;
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    df_memory_plan *plan = plan_of(g, cut, 0);
    assert_int_equal(plan->scratch_bytes, 2 * PICTURE);
    assert_int_equal(plan->slot_bytes,
                     2 * PICTURE); /* input and output: one segment, whose rows may run side by side */
    df_memory_plan_free(&plan);
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_in_place_and_reshape_take_no_memory(void **state) {
    (void)state;
    df_graph *g = df_graph_new("chain");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(8, 8, 16));
    df_value_id a = df_g_conv2d(g, "a", x, 16, conv1());
    df_value_id b = df_g_reshape(g, "b", a, DF_SHAPE(64, 16));
    df_value_id c = df_g_layer_norm(g, "c", b, 1e-5);
    df_value_id d = df_g_activation(g, "d", c, DF_ACT_SILU);
    df_value_id e = df_g_linear(g, "e", d, 16, false);
    df_graph_output(g, "out", e);
    df_cut *cut = NULL;
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    df_memory_plan *plan = plan_of(g, cut, 0);
    assert_int_equal(plan->scratch_bytes, PICTURE);
    for (df_value_id v = b; v <= d; v++) {
        assert_int_equal(plan->of[v].region, DF_REGION_SCRATCH);
        assert_int_equal(plan->of[v].offset, plan->of[a].offset);
    }
    df_memory_plan_free(&plan);
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_residual_is_written_over(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(8, 8, 16));
    df_value_id a = df_g_conv2d(g, "a", x, 16, conv1()), b = df_g_conv2d(g, "b", a, 16, conv1());
    df_value_id c = df_g_add(g, "c+", df_g_conv2d(g, "c", b, 16, conv1()), a); /* a dies in c */
    df_value_id d = df_g_add(g, "d+", df_g_conv2d(g, "d", c, 16, conv1()), c); /* c is read around: not over it */
    df_graph_output(g, "out", df_g_conv2d(g, "e", d, 16, conv1()));
    df_cut *cut = NULL;
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    assert_int_equal(df_graph_fuse(g, NULL), DF_OK);
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    df_memory_plan *plan = plan_of(g, cut, 0);
    const df_node *n = g->nodes;
    assert_int_equal(g->n_nodes, 5);
    assert_int_equal(plan->of[n[2].out].offset, plan->of[n[0].out].offset);
    assert_int_not_equal(plan->of[n[3].out].offset, plan->of[n[2].out].offset);
    assert_int_equal(plan->scratch_bytes, 2 * PICTURE);
    df_memory_plan_free(&plan);
    df_cut_free(&cut);
    df_graph_free(&g);
}

/* A folded cut: what waits on the stage while others work is in the slot, the rest is scratch. */
static void test_slot_or_scratch(void **state) {
    (void)state;
    df_graph *g = df_graph_new("u");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(8, 8, 16));
    df_value_id skip = df_g_conv2d(g, "skip", x, 16, conv1());
    df_value_id inner = df_g_conv2d(g, "inner", skip, 16, conv1());
    df_value_id down = df_g_conv2d(g, "down", inner, 16, conv1());
    df_value_id tokens = df_g_reshape(g, "tokens", down, DF_SHAPE(64, 16)); /* of a received value */
    df_value_id mid = df_g_linear(g, "mid", tokens, 16, false);
    df_value_id up = df_g_linear(g, "up", mid, 16, false);
    df_value_id back = df_g_reshape(g, "back", up, DF_SHAPE(8, 8, 16)); /* of a received value */
    df_value_id out = df_g_concat(g, "out", back, skip);
    df_graph_output(g, "out", out);
    df_cut *cut = NULL;
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    assert_int_equal(df_cut_new(&cut, g, (int[]) { 0, 0, 0, 1, 1, 1, 0, 0 }, 2, NULL), DF_OK);
    df_memory_plan *home = plan_of(g, cut, 0), *away = plan_of(g, cut, 1);
    df_value_id in_slot[] = { x, skip, down, up, back, out };
    for (size_t i = 0; i < sizeof in_slot / sizeof *in_slot; i++)
        assert_int_equal(home->of[in_slot[i]].region, DF_REGION_SLOT);
    assert_int_equal(home->of[inner].region, DF_REGION_SCRATCH);
    assert_int_equal(home->of[tokens].region, DF_REGION_NONE);
    assert_int_equal(home->of[mid].region, DF_REGION_NONE);
    assert_int_equal(home->of[back].offset, home->of[up].offset);
    assert_int_equal(home->scratch_bytes, PICTURE);
    assert_int_equal(away->of[down].region, DF_REGION_SLOT);
    assert_int_equal(away->of[tokens].offset, away->of[down].offset);
    assert_int_equal(away->of[mid].region, DF_REGION_SCRATCH);
    assert_int_equal(away->of[up].region, DF_REGION_SLOT);
    assert_int_equal(away->of[skip].region, DF_REGION_NONE);
    df_memory_plan_free(&home);
    df_memory_plan_free(&away);
    df_cut_free(&cut);
    df_graph_free(&g);
}

static void test_ids_have_their_own_size(void **state) {
    (void)state;
    df_graph *g = df_graph_new("text");
    df_value_id ids = df_graph_input(g, "ids", DF_I32, DF_SHAPE(32));
    df_graph_output(g, "out", df_g_embedding(g, "e", ids, 10, 32, 4));
    df_cut *cut = NULL;
    df_memory_plan *plan = NULL;
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
    assert_int_equal(df_memory_plan_new(&plan, g, cut, 0, DF_F64, NULL), DF_OK);
    assert_int_equal(plan->slot_bytes, 32 * 4 + 32 * 4 * 8);
    df_memory_plan_free(&plan);
    df_cut_free(&cut);
    df_graph_free(&g);
}

/* A U-Net's peak is far below the sum of its values; a plan that shares nothing would pass every other test. */
static void test_shares_memory(void **state) {
    (void)state;
    size_t planned = 0, sum = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        df_graph *g = fixture_random_graph(seed);
        df_cut *cut = NULL;
        assert_int_equal(df_cut_whole(&cut, g, NULL), DF_OK);
        df_memory_plan *plan = plan_of(g, cut, 0);
        planned += plan->slot_bytes + plan->scratch_bytes;
        for (df_value_id v = 0; v < g->n_values; v++) sum += (size_t)df_shape_elements(g->values[v].shape) * 4;
        df_memory_plan_free(&plan);
        df_cut_free(&cut);
        df_graph_free(&g);
    }
    assert_true(planned < sum / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs_and_cuts),    cmocka_unit_test(test_the_check_finds_overlaps),
        cmocka_unit_test(test_a_chain_needs_two_buffers), cmocka_unit_test(test_in_place_and_reshape_take_no_memory),
        cmocka_unit_test(test_residual_is_written_over),  cmocka_unit_test(test_slot_or_scratch),
        cmocka_unit_test(test_ids_have_their_own_size),   cmocka_unit_test(test_shares_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
