#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "cluster/model_plan.h"
#include "tests/support/golden.h"

static df_model *starter(void) {
    df_model *m = NULL;
    df_err err;
    if (df_model_open(&m, golden_source_path("models/starter"), &err)) fail_msg("%s", err.text);
    return m;
}

static df_model_plan *plan(const df_model *m, int latent, const df_plan_terms *terms, df_component last) {
    df_model_plan *p = NULL;
    df_err err;
    df_graph_size size = { .latent_h = latent, .latent_w = latent };
    if (last < DF_DENOISER) size = (df_graph_size) { 0 };
    if (df_model_plan_new(&p, m, &size, terms, last, &err)) fail_msg("%s", err.text);
    return p;
}

static bool same_cut(const df_model_plan *a, const df_model_plan *b, df_component c) {
    const df_component_plan *x = &a->component[c], *y = &b->component[c];
    return x->graph->n_nodes == y->graph->n_nodes &&
           !memcmp(x->cut->stage_of, y->cut->stage_of, (size_t)x->graph->n_nodes * sizeof *x->cut->stage_of);
}

/* A rank loads programs one by one, `inspect` looks at the whole model, at any size. */
static void test_one_component_is_planned_as_in_the_whole(void **state) {
    (void)state;
    static const df_component all[] = { DF_TEXT_ENCODER, DF_DENOISER, DF_VAE_DECODER, DF_VAE_ENCODER };
    static const int latents[] = { 16, 24 };
    df_model *m = starter();
    for (int n = 2; n <= 4; n++)
        for (int k = 0; k < 2; k++) {
            const df_plan_terms terms = { .n_ranks = n, .backend_cfg = { .dtype = DF_BF16 } };
            df_model_plan *whole = plan(m, latents[k], &terms, DF_COMPONENT_COUNT);
            for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
                df_model_plan *one = plan(m, latents[k], &terms, all[i]);
                if (!same_cut(whole, one, all[i]))
                    fail_msg("component %d on %d ranks, latents %d", all[i], n, latents[k]);
                df_model_plan_free(&one);
            }
            df_model_plan_free(&whole);
        }
    df_model_close(&m);
}

/* With measured costs as well, which stand in for the modelled ones, and set the pace of what is not measured. */
static void test_measured_costs_are_taken(void **state) {
    (void)state;
    enum { MOST = 1000 };
    static double seconds[MOST];
    df_model *m = starter();
    df_cost_book book = { 0 };
    const df_graph_size own = { .latent_h = 16, .latent_w = 16 };
    df_plan_terms terms = { .n_ranks = 2, .backend_cfg = { .dtype = DF_F32 }, .steps = 10 };
    df_model_plan *modelled = plan(m, 16, &terms, DF_COMPONENT_COUNT);
    const df_component_plan *before = &modelled->component[DF_DENOISER];
    int n = before->graph->n_nodes;
    assert_true(n < MOST);
    double sum = 0, modelled_sum = 0;
    for (int i = 0; i < n; i++) {
        bool kept = df_node_is_kept(before->graph, &before->graph->nodes[i]);
        seconds[i] = before->graph->nodes[i].op == DF_OP_ATTENTION ? 0.5 : 0.001;
        sum += seconds[i];
        modelled_sum += before->cost.node_seconds[i] * (kept ? terms.steps : 1);
    }
    assert_int_equal(df_cost_book_put(&book, &own, seconds, n, NULL), DF_OK);
    terms.costs = &book;
    df_model_plan *measured = plan(m, 16, &terms, DF_COMPONENT_COUNT);
    assert_false(modelled->measured);
    assert_true(measured->measured);
    assert_false(same_cut(modelled, measured, DF_DENOISER));
    for (int i = 0; i < n; i++) {
        bool kept = df_node_is_kept(before->graph, &before->graph->nodes[i]);
        double per_step = kept ? seconds[i] / terms.steps : seconds[i];
        assert_true(measured->component[DF_DENOISER].cost.node_seconds[i] == per_step);
    }
    const df_cost *a = &modelled->component[DF_VAE_DECODER].cost, *b = &measured->component[DF_VAE_DECODER].cost;
    for (int i = 0; i < a->n_nodes; i++)
        assert_true(fabs(b->node_seconds[i] - a->node_seconds[i] * sum / modelled_sum) <= 1e-9 * b->node_seconds[i]);
    df_model_plan_free(&measured);
    measured = plan(m, 24, &terms, DF_DENOISER); /* of another size nothing is known */
    assert_false(measured->measured);
    df_model_plan_free(&measured);
    df_model_plan_free(&modelled);
    df_cost_book_free(&book);
    df_model_close(&m);
}

static void test_sizes_that_a_plan_asks_for(void **state) {
    (void)state;
    df_model *m = starter();
    df_graph_size size[2], wanted = { .latent_h = 24, .latent_w = 16, .tokens = 154 }, text = { .tokens = 77 };
    assert_int_equal(df_model_plan_sizes(size, m, &wanted, DF_DENOISER), 1);
    assert_true(df_graph_size_equal(&size[0], &wanted));
    assert_int_equal(df_model_plan_sizes(size, m, &text, DF_TEXT_ENCODER), 1);
    assert_int_equal(size[0].latent_h, 16);
    assert_int_equal(df_model_plan_sizes(size, m, &wanted, DF_COMPONENT_COUNT), 2);
    assert_int_equal(size[0].latent_h, 24);
    assert_int_equal(size[0].tokens, 0);
    assert_int_equal(size[1].latent_h, 16);
    wanted = (df_graph_size) { .latent_h = 16, .latent_w = 16 };
    assert_int_equal(df_model_plan_sizes(size, m, &wanted, DF_COMPONENT_COUNT), 1);
    df_model_close(&m);
}

/* What runs once for a picture goes to the ranks whose share of the denoiser is small. */
static void test_gaps_are_filled(void **state) {
    (void)state;
    df_model *m = starter();
    const double speed[3] = { 1, 2, 0.5 };
    for (int unequal = 0; unequal < 2; unequal++) {
        const df_plan_terms terms = { .n_ranks = 3,
                                      .backend_cfg = { .dtype = DF_F32 },
                                      .speed = unequal ? speed : NULL };
        df_model_plan *p = plan(m, 16, &terms, DF_COMPONENT_COUNT);
        double denoiser = 0, all = 0, total = 0;
        for (int r = 0; r < 3; r++) {
            double here = p->component[DF_DENOISER].plan->stage[r].seconds * DF_PLAN_STEPS * DF_PLAN_ROWS;
            if (here > denoiser) denoiser = here;
            if (p->busy_seconds[r] > all) all = p->busy_seconds[r];
            total += p->busy_seconds[r] * (unequal ? speed[r] : 1);
        }
        assert_true(all >= denoiser && all <= denoiser * 1.05);
        assert_true(all <= total / (unequal ? 3.5 : 3) * 1.04);
        assert_float_equal(df_model_plan_pace(p), all, 0);
        df_model_plan_free(&p);
    }
    df_model_close(&m);
}

static void test_memory_is_kept(void **state) {
    (void)state;
    df_model *m = starter();
    df_plan_terms terms = {
        .n_ranks = 1, .backend_cfg = { .dtype = DF_F32 }, .max_rows = 8, .n_slots = 4, .device_bytes = 1 << 30
    };
    df_model_plan *p = plan(m, 16, &terms, DF_COMPONENT_COUNT), *cut = NULL;
    int64_t all = p->memory_bytes[0];
    assert_true(all > 35 << 20);
    df_model_plan_free(&p);
    df_err err;
    df_graph_size size = { .latent_h = 16, .latent_w = 16 };
    terms.device_bytes = all - 1;
    assert_int_equal(df_model_plan_new(&p, m, &size, &terms, DF_COMPONENT_COUNT, &err), DF_ELIMIT);
    assert_null(p);
    terms.n_ranks = 4;
    terms.device_bytes = all * 60 / 100;
    cut = plan(m, 16, &terms, DF_COMPONENT_COUNT);
    for (int r = 0; r < 4; r++) assert_true(cut->memory_bytes[r] <= terms.device_bytes);
    df_model_plan_free(&cut);
    terms.device_bytes = 1 << 20;
    assert_int_equal(df_model_plan_new(&p, m, &size, &terms, DF_COMPONENT_COUNT, &err), DF_ELIMIT);
    assert_non_null(strstr(err.text, "weights take"));
    df_model_close(&m);
}

/* The decoder runs a row for each picture, the denoiser two; and a rank holds each value of a slot wherever it is cut.
 */
static void test_activations_are_those_that_run(void **state) {
    (void)state;
    df_model *m = starter();
    df_graph_size size = { .latent_h = 16, .latent_w = 16 };
    df_err err;
    df_plan_terms terms = {
        .n_ranks = 1, .backend_cfg = { .dtype = DF_F32 }, .max_rows = 8, .n_slots = 4, .device_bytes = 1 << 30
    };
    df_model_plan *guided = plan(m, 16, &terms, DF_COMPONENT_COUNT), *alone;
    terms.rows_per_step = 1;
    alone = plan(m, 16, &terms, DF_COMPONENT_COUNT);
    const df_component_plan *a = &guided->component[DF_VAE_DECODER], *b = &alone->component[DF_VAE_DECODER];
    assert_int_equal(b->activation_bytes[0], 2 * a->activation_bytes[0]);
    df_model_plan_free(&guided);
    df_model_plan_free(&alone);
    terms.n_ranks = 2;
    terms.n_slots = 4000; /* 64x64 pixels of 3 channels alone are too many */
    assert_int_equal(df_model_plan_new(&guided, m, &size, &terms, DF_COMPONENT_COUNT, &err), DF_ELIMIT);
    assert_non_null(strstr(err.text, "activations"));
    df_model_close(&m);
}

/* Where bytes are dear fewer of them cross, and the pace is that of the link. */
static void test_slow_links_carry_less(void **state) {
    (void)state;
    df_model *m = starter();
    df_hops hops;
    df_err err;
    assert_int_equal(df_hops_open(&hops, 4, &err), DF_OK);
    assert_int_equal(df_hops_set(&hops, "20MB/s", &err), DF_OK);
    const df_plan_terms fast = { .n_ranks = 4, .backend_cfg = { .dtype = DF_F32 } },
                        slow = { .n_ranks = 4, .backend_cfg = { .dtype = DF_F32 }, .hops = &hops };
    df_model_plan *a = plan(m, 16, &fast, DF_COMPONENT_COUNT), *b = plan(m, 16, &slow, DF_COMPONENT_COUNT);
    const df_plan *pa = a->component[DF_DENOISER].plan, *pb = b->component[DF_DENOISER].plan;
    assert_true(pb->bytes_crossing < pa->bytes_crossing);
    assert_true(df_model_plan_pace(b) > df_model_plan_pace(a));
    assert_true(df_model_plan_efficiency(b) < df_model_plan_efficiency(a));
    df_model_plan_free(&a);
    df_model_plan_free(&b);
    df_hops_close(&hops);
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_component_is_planned_as_in_the_whole),
        cmocka_unit_test(test_measured_costs_are_taken),
        cmocka_unit_test(test_sizes_that_a_plan_asks_for),
        cmocka_unit_test(test_gaps_are_filled),
        cmocka_unit_test(test_memory_is_kept),
        cmocka_unit_test(test_activations_are_those_that_run),
        cmocka_unit_test(test_slow_links_carry_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
