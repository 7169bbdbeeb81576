/* What would be measured of the standard models: their work, counted another way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "client/bench/gpu/suite.h"
#include "tests/support/golden.h"

static df_gpu_options options(void) {
    return (df_gpu_options) { .model = { "sd15", "sdxl", "sd3" },
                              .n_models = 3,
                              .configs = golden_source_path("bench/models"),
                              .backend = "cpu",
                              .backend_cfg = { .dtype = DF_BF16 },
                              .part = { true, true, true },
                              .micro_batch = 4 };
}

static df_suite *open_suite(const df_gpu_options *o) {
    df_suite *s = NULL;
    df_err err = { 0 };
    if (df_suite_open(&s, o, &err)) fail_msg("%s", err.text);
    return s;
}

static const df_gpu_item *find(const df_suite *s, const char *model, df_gpu_part part) {
    for (int i = 0; i < s->n_items; i++)
        if (s->item[i].part == part && !strcmp(s->model[s->item[i].model].name, model)) return &s->item[i];
    fail_msg("no %s of %s", df_gpu_part_name(part), model);
    return NULL;
}

static double positions_of(df_shape s) {
    return (double)df_shape_elements(s) / (double)s.dim[s.rank - 1];
}

/* Each number of a matrix is multiplied and added once for each position of the result: nearly all that a step is. */
static void steps_are_mostly_products_with_weights(void **state) {
    (void)state;
    df_gpu_options o = options();
    df_suite *s = open_suite(&o);
    for (int k = 0; k < 3; k++) {
        const df_gpu_item *step = find(s, o.model[k], DF_GPU_STEP);
        const df_graph *g = s->model[k].graph[DF_DENOISER];
        double products = 0;
        assert_int_equal(step->rows, 8);
        for (int i = 0; i < g->n_nodes; i++) {
            const df_node *n = &g->nodes[i];
            if (!df_is_product(g, n) || n->op == DF_OP_ATTENTION) continue;
            double taps = n->op == DF_OP_UPSAMPLE_CONV2D ? 4.0 / 9 : 1;
            double matrix = (double)df_shape_elements(g->weights[n->weight[0]].shape);
            products += 2 * taps * matrix * positions_of(df_graph_shape(g, n->out));
        }
        double share = 8 * products / step->flops;
        print_message("%s: %.3g TFLOP a row, %.3f of it with weights\n", o.model[k], step->flops / 8e12, share);
        assert_true(share > 0.65 && share < 1);
    }
    df_suite_close(&s);
}

/* A picture is its evaluations, and a little text and decoding: PNDM makes one more than it has steps. */
static void pictures_are_their_steps(void **state) {
    (void)state;
    static const struct {
        const char *model;
        int calls, width;
    } want[] = { { "sd15", 51, 512 }, { "sdxl", 20, 1024 }, { "sd3", 28, 1024 } };
    df_gpu_options o = options();
    df_suite *s = open_suite(&o);
    for (int k = 0; k < 3; k++) {
        const df_gpu_item *picture = find(s, want[k].model, DF_GPU_PICTURES),
                          *step = find(s, want[k].model, DF_GPU_STEP);
        assert_int_equal(s->model[k].calls, want[k].calls);
        assert_int_equal(s->model[k].width, want[k].width);
        double steps = want[k].calls * step->flops / 4;
        assert_true(picture->flops > steps && picture->flops < 1.25 * steps);
        const df_gpu_type *h100 = df_gpu_type_of("NVIDIA H100 80GB HBM3");
        double least = want[k].calls * df_suite_expected(s, step, &h100->peak) / 4;
        double all = df_suite_expected(s, picture, &h100->peak);
        assert_true(all > least && all < 2 * least);
    }
    df_suite_close(&s);
}

/* What stands in the table of a network adds up to the network. */
static void operations_are_the_network(void **state) {
    (void)state;
    df_gpu_options o = options();
    df_suite *s = open_suite(&o);
    double flops = 0, seconds = 0;
    const df_gpu_peak peak = df_gpu_type_of("NVIDIA H100 80GB HBM3")->peak;
    const df_gpu_item *step = find(s, "sdxl", DF_GPU_STEP);
    for (int i = 0; i < s->n_items; i++) {
        const df_gpu_item *op = &s->item[i];
        if (op->part != DF_GPU_OPS || op->model != step->model || op->of != DF_DENOISER) continue;
        flops += op->nodes * op->flops;
        seconds += op->nodes * df_suite_expected(s, op, &peak);
    }
    /* one shape may stand for nodes with and without something folded in */
    assert_float_equal(flops / step->flops, 1, 1e-4);
    assert_float_equal(seconds / df_suite_expected(s, step, &peak), 1, 0.01);
    df_suite_close(&s);
}

static void what_is_not_asked_for_is_left_out(void **state) {
    (void)state;
    df_gpu_options o = options();
    o.part[DF_GPU_OPS] = false;
    o.steps = 3;
    o.width = 256;
    o.height = 128;
    df_suite *s = open_suite(&o);
    assert_int_equal(s->n_items, 6);
    assert_int_equal(s->model[1].calls, 3);
    assert_int_equal(s->model[1].height, 128);
    df_suite_close(&s);
}

static void refusals_say_what_to_do(void **state) {
    (void)state;
    df_suite *s = NULL;
    df_err err = { 0 };
    df_gpu_options o = options();
    o.configs = "no/such/folder";
    assert_int_equal(df_suite_open(&s, &o, &err), DF_ENOTFOUND);
    assert_non_null(strstr(err.text, "--configs DIR"));
    assert_null(s);
    o = options();
    o.width = 250;
    o.height = 256;
    assert_int_equal(df_suite_open(&s, &o, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "multiples of 8"));
    o = options();
    o.model[0] = "sd16";
    assert_int_not_equal(df_suite_open(&s, &o, &err), DF_OK);
    assert_non_null(strstr(err.text, "sd16"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_mostly_products_with_weights),
        cmocka_unit_test(pictures_are_their_steps),
        cmocka_unit_test(operations_are_the_network),
        cmocka_unit_test(what_is_not_asked_for_is_left_out),
        cmocka_unit_test(refusals_say_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
