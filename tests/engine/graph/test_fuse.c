#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/graph/fuse.h"
#include "engine/graph/shape.h"
#include "tests/engine/graph/graph_fixture.h"

static const df_conv_attr conv3 = { .kernel = 3, .stride = 1, .pad = { 1, 1, 1, 1 } };

static void fuse(df_graph *g) {
    df_err err = { 0 };
    if (df_graph_finish(g, &err) || df_graph_fuse(g, &err)) fail_msg("%s", err.text);
}

static const df_node *find(const df_graph *g, const char *name) {
    for (int i = 0; i < g->n_nodes; i++)
        if (!strcmp(g->nodes[i].name, name)) return &g->nodes[i];
    return NULL;
}

static const char *value_name(const df_graph *g, df_value_id v) {
    return v == DF_NO_VALUE ? "" : g->values[v].name;
}

static df_value_id picture(df_graph *g, const char *name, int64_t channels) {
    return df_graph_input(g, name, DF_F32, DF_SHAPE(4, 4, channels));
}

/* As diffusers has it, in its order: the time projection comes after conv1, the shortcut after conv2. */
static df_graph *resnet(void) {
    df_graph *g = df_graph_new("resnet");
    df_value_id x = picture(g, "x", 8), t = df_graph_input(g, "t", DF_F64, DF_SHAPE(1)), h;
    h = df_g_activation(g, "act1", df_g_group_norm(g, "norm1", x, 4, 1e-5), DF_ACT_SILU);
    h = df_g_conv2d(g, "conv1", h, 12, conv3);
    df_timestep_attr time = { .dim = 6, .max_period = 100, .scale = 1 };
    df_value_id temb = df_g_timestep_embedding(g, "time", t, time);
    temb = df_g_activation(g, "temb_act", temb, DF_ACT_SILU);
    temb = df_g_linear(g, "time_emb_proj", temb, 12, false);
    h = df_g_add_channel(g, "temb+", h, temb);
    h = df_g_activation(g, "act2", df_g_group_norm(g, "norm2", h, 4, 1e-5), DF_ACT_SILU);
    h = df_g_conv2d(g, "conv2", h, 12, conv3);
    x = df_g_conv2d(g, "shortcut", x, 12, (df_conv_attr) { .kernel = 1, .stride = 1 });
    df_graph_output(g, "out", df_g_add(g, "skip+", x, h));
    return g;
}

static void test_resnet(void **state) {
    (void)state;
    df_graph *g = resnet();
    fuse(g);
    assert_int_equal(g->n_nodes, 8); /* of 12: act1, temb+, act2 and skip+ are folded */
    assert_int_equal(g->n_values, 8 + 2);
    assert_int_equal(find(g, "norm1")->act, DF_ACT_SILU);
    assert_int_equal(find(g, "norm2")->act, DF_ACT_SILU);
    assert_non_null(find(g, "temb_act")); /* a timestep embedding takes no activation */
    const df_node *conv1 = find(g, "conv1"), *shortcut = find(g, "shortcut");
    assert_string_equal(value_name(g, conv1->fused_add_channel), "time_emb_proj");
    assert_true(find(g, "time_emb_proj") < conv1); /* conv1 has moved behind what it reads */
    assert_string_equal(value_name(g, shortcut->residual), "conv2");
    assert_int_equal(df_graph_find_output(g, "out"), shortcut->out);
    df_graph_free(&g);
}

/* to_out of an attention block over tokens, its residual a picture: the reshape between is looked through. */
static void test_through_reshape(void **state) {
    (void)state;
    df_graph *g = df_graph_new("attention");
    df_value_id x = picture(g, "x", 8);
    df_value_id t = df_g_reshape(g, "tokens", x, DF_SHAPE(16, 8));
    t = df_g_linear(g, "to_out", t, 8, false);
    t = df_g_reshape(g, "picture", t, DF_SHAPE(4, 4, 8));
    df_value_id late = df_g_conv2d(g, "late", x, 8, conv3);
    late = df_g_activation(g, "late_act", df_g_activation(g, "late_act0", late, DF_ACT_RELU), DF_ACT_RELU);
    df_graph_output(g, "out", df_g_add(g, "+", t, late));
    fuse(g);
    const df_node *to_out = find(g, "to_out");
    assert_null(find(g, "+"));
    assert_string_equal(value_name(g, to_out->residual), "late_act"); /* one activation folds, the second stays */
    assert_int_equal(find(g, "late")->act, DF_ACT_RELU);
    assert_string_equal(value_name(g, df_graph_find_output(g, "out")), "picture");
    assert_true(find(g, "late_act") < to_out && to_out < find(g, "picture"));
    df_graph_free(&g);
}

/* Either operand of an addition may be the convolution; of two, the later one: then nothing has to move. */
static void test_residual_on_either_side(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_value_id x = picture(g, "x", 8);
    df_value_id left = df_g_add(g, "left+", df_g_conv2d(g, "left", x, 8, conv3), x);
    df_value_id right = df_g_add(g, "right+", x, df_g_conv2d(g, "right", x, 8, conv3));
    df_value_id first = df_g_conv2d(g, "first", x, 8, conv3), second = df_g_conv2d(g, "second", x, 8, conv3);
    df_graph_output(g, "left", left);
    df_graph_output(g, "right", right);
    df_graph_output(g, "both", df_g_add(g, "both+", first, second));
    fuse(g);
    assert_int_equal(g->n_nodes, 4);
    assert_string_equal(value_name(g, find(g, "left")->residual), "x");
    assert_string_equal(value_name(g, find(g, "right")->residual), "x");
    assert_string_equal(value_name(g, find(g, "second")->residual), "first");
    assert_int_equal(find(g, "first")->residual, DF_NO_VALUE);
    df_graph_free(&g);
}

/* A reshape that makes other channels: what is per channel must not pass it. */
static void test_channels_do_not_pass_a_reshape_that_changes_them(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_value_id v = df_graph_input(g, "v", DF_F32, DF_SHAPE(4));
    df_value_id x = df_g_conv2d(g, "conv", picture(g, "x", 8), 8, conv3);
    x = df_g_reshape(g, "split", x, DF_SHAPE(32, 4));
    df_graph_output(g, "out", df_g_add_channel(g, "+", x, v));
    fuse(g);
    assert_non_null(find(g, "+"));
    assert_int_equal(find(g, "conv")->fused_add_channel, DF_NO_VALUE);
    df_graph_free(&g);
}

static void test_not_where_others_read(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_value_id x = picture(g, "x", 8);
    df_value_id a = df_g_conv2d(g, "a", x, 8, conv3); /* read twice */
    df_value_id b = df_g_conv2d(g, "b", x, 8, conv3); /* an output */
    df_value_id c = df_g_conv2d(g, "c", x, 8, conv3); /* added to itself */
    df_value_id y = df_g_activation(g, "a_act", a, DF_ACT_SILU);
    df_graph_output(g, "b", b);
    df_graph_output(g, "b_act", df_g_activation(g, "b_act", b, DF_ACT_SILU));
    df_graph_output(g, "twice", df_g_add(g, "c+c", c, c));
    df_graph_output(g, "out", df_g_concat(g, "cat", y, a));
    fuse(g);
    assert_int_equal(g->n_nodes, 7);
    assert_int_equal(find(g, "a")->act, DF_ACT_NONE);
    assert_int_equal(find(g, "b")->act, DF_ACT_NONE);
    assert_int_equal(find(g, "c")->residual, DF_NO_VALUE);
    df_graph_free(&g);
}

/* The fused order is channels, activation, residual: anything else stays a node. */
static void test_order_of_what_is_folded(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_value_id x = picture(g, "x", 8), v = df_graph_input(g, "v", DF_F32, DF_SHAPE(8));
    df_value_id a = df_g_conv2d(g, "a", x, 8, conv3);
    a = df_g_add_channel(g, "a.v", df_g_activation(g, "a.act", a, DF_ACT_SILU), v); /* activation, channels */
    df_value_id b = df_g_conv2d(g, "b", x, 8, conv3);
    b = df_g_activation(g, "b.act", df_g_add(g, "b.x", b, x), DF_ACT_SILU); /* residual, activation */
    df_value_id c = df_g_linear(g, "c", x, 8, false);
    c = df_g_add_channel(g, "c.v", df_g_add(g, "c.x", c, x), v); /* residual, channels */
    df_value_id d = df_g_linear(g, "d", x, 8, false);
    d = df_g_add(g, "d.y", df_g_add(g, "d.x", d, x), x); /* residual twice */
    df_value_id e = df_g_add(g, "e.x", df_g_group_norm(g, "e", x, 4, 1e-5), x); /* a norm takes no residual */
    df_graph_output(g, "a", a);
    df_graph_output(g, "b", b);
    df_graph_output(g, "c", c);
    df_graph_output(g, "d", d);
    df_graph_output(g, "e", e);
    fuse(g);
    assert_int_equal(df_graph_fuse(g, NULL), DF_OK); /* the node now has what came before: still no */
    assert_null(find(g, "a.act"));
    assert_non_null(find(g, "a.v"));
    assert_null(find(g, "b.x"));
    assert_non_null(find(g, "b.act"));
    assert_null(find(g, "c.x"));
    assert_non_null(find(g, "c.v"));
    assert_null(find(g, "d.x"));
    assert_non_null(find(g, "d.y"));
    assert_non_null(find(g, "e.x"));
    df_graph_free(&g);
}

/* x + gate * f(x), as every block of a diffusion transformer ends; an activation behind a gate stays a node. */
static void test_gate_takes_a_residual(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_value_id x = picture(g, "x", 8), v = df_graph_input(g, "v", DF_F32, DF_SHAPE(8));
    df_value_id y = df_g_gate(g, "gate", df_g_linear(g, "linear", x, 8, false), v);
    df_value_id z = df_g_gate(g, "other", df_g_linear(g, "wide", x, 8, false), v);
    z = df_g_add(g, "late+", df_g_activation(g, "act", z, DF_ACT_SILU), x);
    df_graph_output(g, "y", df_g_add(g, "y+", x, y));
    df_graph_output(g, "z", z);
    fuse(g);
    assert_null(find(g, "y+"));
    assert_string_equal(value_name(g, find(g, "gate")->residual), "x");
    assert_int_equal(find(g, "linear")->residual, DF_NO_VALUE);
    assert_non_null(find(g, "act"));
    assert_non_null(find(g, "late+"));
    assert_int_equal(find(g, "other")->act, DF_ACT_NONE);
    assert_int_equal(find(g, "other")->residual, DF_NO_VALUE);
    df_graph_free(&g);
}

/* Twice the size and a 3x3 convolution of the same size: nothing else. */
static void test_upsample_goes_into_its_convolution(void **state) {
    (void)state;
    df_graph *g = df_graph_new("g");
    df_value_id x = picture(g, "x", 8), y[6], shared;
    df_conv_attr one = { .kernel = 1, .stride = 1 }, two = conv3;
    two.stride = 2;
    y[0] = df_g_conv2d(g, "yes", df_g_upsample_nearest(g, "0", x, 8, 8), 12, conv3);
    y[0] = df_g_activation(g, "act", y[0], DF_ACT_SILU);
    y[1] = df_g_conv2d(g, "odd", df_g_upsample_nearest(g, "1", x, 8, 7), 12, conv3);
    y[2] = df_g_conv2d(g, "one", df_g_upsample_nearest(g, "2", x, 8, 8), 12, one);
    y[3] = df_g_conv2d(g, "two", df_g_upsample_nearest(g, "3", x, 8, 8), 12, two);
    shared = df_g_upsample_nearest(g, "4", x, 8, 8);
    y[4] = df_g_conv2d(g, "shared", shared, 12, conv3);
    y[5] = df_g_activation(g, "shared_act", shared, DF_ACT_SILU);
    for (int i = 0; i < 6; i++) df_graph_output(g, df_graph_name(g, "y%d", i), y[i]);
    fuse(g);
    const df_node *yes = find(g, "yes");
    assert_null(find(g, "0"));
    assert_int_equal(yes->op, DF_OP_UPSAMPLE_CONV2D);
    assert_string_equal(value_name(g, yes->in[0]), "x");
    assert_int_equal(yes->act, DF_ACT_SILU);
    static const char *const others[] = { "odd", "one", "two", "shared" };
    for (int i = 0; i < 4; i++) assert_int_equal(find(g, others[i])->op, DF_OP_CONV2D);
    df_graph_free(&g);
}

static void test_needs_a_finished_graph(void **state) {
    (void)state;
    df_graph *g = resnet();
    df_err err = { 0 };
    assert_int_equal(df_graph_fuse(g, &err), DF_EINVAL);
    df_graph_free(&g);
}

static void same_graph(const df_graph *a, const df_graph *b) {
    assert_int_equal(a->n_nodes, b->n_nodes);
    assert_int_equal(a->n_values, b->n_values);
    for (int i = 0; i < a->n_nodes; i++) {
        const df_node *x = &a->nodes[i], *y = &b->nodes[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->out, y->out);
        assert_int_equal(x->act, y->act);
        assert_int_equal(x->residual, y->residual);
        assert_int_equal(x->fused_add_channel, y->fused_add_channel);
        for (int k = 0; k < x->n_in; k++) assert_int_equal(x->in[k], y->in[k]);
    }
}

/* max |fused - plain| / max |plain| over all outputs, in f64 */
static double difference(const df_graph *plain, const df_graph *fused) {
    df_cut *plain_cut = NULL, *fused_cut = NULL;
    size_t bytes, fused_bytes;
    double error = 0, largest = 0;
    assert_int_equal(df_cut_whole(&plain_cut, plain, NULL), DF_OK);
    assert_int_equal(df_cut_whole(&fused_cut, fused, NULL), DF_OK);
    df_weights *weights = fixture_weights(plain, NULL, 0);
    fixture_run a = { .g = plain, .cut = plain_cut, .weights = weights, .dtype = DF_F64, .n_rows = 2 };
    fixture_run b = { .g = fused, .cut = fused_cut, .weights = weights, .dtype = DF_F64, .n_rows = 2 };
    double *want = fixture_outputs(&a, &bytes), *got = fixture_outputs(&b, &fused_bytes);
    assert_int_equal(bytes, fused_bytes);
    for (size_t i = 0; i < bytes / sizeof *want; i++) {
        error = fmax(error, fabs(got[i] - want[i]));
        largest = fmax(largest, fabs(want[i]));
        if (!isfinite(got[i])) fail_msg("%s: not finite", plain->name);
    }
    free(want);
    free(got);
    df_weights_close(&weights);
    df_cut_free(&plain_cut);
    df_cut_free(&fused_cut);
    return error / largest;
}

/* Rounding in f64: some tens of roundings of 1.1e-16. */
static const double rounding = 1e-12;

static void test_resnet_computes_the_same(void **state) {
    (void)state;
    df_graph *plain = resnet(), *fused = resnet();
    assert_int_equal(df_graph_finish(plain, NULL), DF_OK);
    fuse(fused);
    double error = difference(plain, fused);
    if (!(error <= rounding)) fail_msg("off by %g", error);
    df_graph_free(&plain);
    df_graph_free(&fused);
}

static void test_random_graphs_compute_the_same(void **state) {
    (void)state;
    int folded = 0;
    for (uint64_t seed = 0; seed < 150; seed++) {
        df_graph *plain = fixture_random_graph(seed), *fused = fixture_random_graph(seed);
        fuse(fused);
        folded += plain->n_nodes - fused->n_nodes;
        double error = difference(plain, fused);
        if (!(error <= rounding)) fail_msg("graph %d: off by %g", (int)seed, error);
        df_graph_free(&plain);
        df_graph_free(&fused);
    }
    assert_true(folded > 150);
}

static void test_again_changes_nothing(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 150; seed++) {
        df_graph *once = fixture_random_graph(seed), *twice = fixture_random_graph(seed);
        fuse(once);
        fuse(twice);
        assert_int_equal(df_graph_fuse(twice, NULL), DF_OK);
        same_graph(once, twice);
        df_graph_free(&once);
        df_graph_free(&twice);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resnet),
        cmocka_unit_test(test_through_reshape),
        cmocka_unit_test(test_residual_on_either_side),
        cmocka_unit_test(test_channels_do_not_pass_a_reshape_that_changes_them),
        cmocka_unit_test(test_not_where_others_read),
        cmocka_unit_test(test_order_of_what_is_folded),
        cmocka_unit_test(test_gate_takes_a_residual),
        cmocka_unit_test(test_upsample_goes_into_its_convolution),
        cmocka_unit_test(test_needs_a_finished_graph),
        cmocka_unit_test(test_resnet_computes_the_same),
        cmocka_unit_test(test_random_graphs_compute_the_same),
        cmocka_unit_test(test_again_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
