/* Anchors of the oracle: the f64 reference against values worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "engine/backend/backend.h"
#include "engine/graph/fuse.h"
#include "engine/graph/relative_position.h"

#define V(...) ((const double[]) { __VA_ARGS__ })
#define W(...) ((const float[]) { __VA_ARGS__ })

/* Finishes and fuses the graph, runs its one node for n_rows with the inputs in the order the node reads them, and
 * compares. */
static void check(df_graph *g, df_value_id y, int64_t n_rows, const void *const *reads, const float *const *weights,
                  const double *want) {
    df_err err = { 0 };
    const df_backend *b = &df_backend_reference;
    void *ctx = NULL;
    df_kernel *k = NULL;
    size_t scratch_bytes = 0;
    df_graph_output(g, "out", y);
    if (df_graph_finish(g, &err) || df_graph_fuse(g, &err)) fail_msg("%s", err.text);
    assert_int_equal(g->n_nodes, 1);
    const df_node *n = &g->nodes[0];
    const float *const none[DF_NODE_MAX_WEIGHTS] = { NULL };
    assert_int_equal(b->open(&ctx, &(df_backend_cfg) { .dtype = DF_F64, .threads = 1 }, &err), DF_OK);
    assert_int_equal(b->node_open(ctx, &k, g, n, weights ? weights : none, &err), DF_OK);
    assert_int_equal(b->node_prepare(k, n_rows, &scratch_bytes, &err), DF_OK);
    int64_t elements = n_rows * df_shape_elements(df_graph_shape(g, n->out));
    double *out = calloc((size_t)elements, sizeof *out);
    void *scratch = malloc(scratch_bytes + 1);
    const void *in[DF_NODE_MAX_IN] = { NULL }, *add_channel = NULL, *residual = NULL;
    for (int i = 0; i < n->n_in; i++) in[i] = *reads++;
    if (n->fused_add_channel != DF_NO_VALUE) add_channel = *reads++;
    if (n->residual != DF_NO_VALUE) residual = *reads++;
    assert_int_equal(b->node_run(k, n_rows, in, add_channel, residual, out, scratch, &err), DF_OK);
    for (int64_t i = 0; i < elements; i++)
        if (!(fabs(out[i] - want[i]) <= 1e-14 * fmax(1, fabs(want[i]))))
            fail_msg("%s, element %d: %.17g, must be %.17g", g->name, (int)i, out[i], want[i]);
    free(out);
    free(scratch);
    b->node_close(&k);
    b->close(&ctx);
    df_graph_free(&g);
}

static df_value_id input(df_graph *g, const char *name, df_shape s) {
    return df_graph_input(g, name, DF_F32, s);
}

static const float one_to_nine[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

static void test_conv_sums_taps_and_bias(void **state) {
    (void)state;
    df_graph *g = df_graph_new("conv");
    df_value_id x = input(g, "x", DF_SHAPE(2, 2, 1));
    df_conv_attr a = { .kernel = 3, .stride = 1, .pad = { 1, 1, 1, 1 } };
    /* top left: 1*5 + 2*6 + 3*8 + 4*9 = 77 */
    check(g, df_g_conv2d(g, "c", x, 1, a), 1, (const void *[]) { V(1, 2, 3, 4) },
          (const float *[]) { one_to_nine, W(0.5f) }, V(77.5, 67.5, 47.5, 37.5));
}

static void test_conv_padded_right_and_bottom(void **state) {
    (void)state;
    df_graph *g = df_graph_new("conv");
    df_value_id x = input(g, "x", DF_SHAPE(2, 2, 1));
    df_conv_attr a = { .kernel = 3, .stride = 2, .pad = { .bottom = 1, .right = 1 }, .no_bias = true };
    check(g, df_g_conv2d(g, "c", x, 1, a), 1, (const void *[]) { V(1, 2, 3, 4) },
          (const float *[]) { one_to_nine, NULL }, V(1 * 1 + 2 * 2 + 4 * 3 + 5 * 4));
}

static void test_conv_mixes_channels_of_a_row(void **state) {
    (void)state;
    df_graph *g = df_graph_new("conv");
    df_value_id x = input(g, "x", DF_SHAPE(1, 1, 2));
    df_conv_attr a = { .kernel = 1, .stride = 1 };
    check(g, df_g_conv2d(g, "c", x, 2, a), 2, (const void *[]) { V(2, 3, 5, 7) },
          (const float *[]) { W(1, 10, 100, 1000), W(0, 0) }, V(32, 3200, 75, 7500));
}

static void test_linear(void **state) {
    (void)state;
    df_graph *g = df_graph_new("linear");
    df_value_id x = input(g, "x", DF_SHAPE(2));
    check(g, df_g_linear(g, "l", x, 2, false), 1, (const void *[]) { V(1, 2) },
          (const float *[]) { W(3, 4, 5, 6), W(0.5f, -0.5f) }, V(11.5, 16.5));
}

static void test_fused_order(void **state) {
    (void)state;
    df_graph *g = df_graph_new("fused");
    df_value_id x = input(g, "x", DF_SHAPE(1)), v = input(g, "v", DF_SHAPE(1)), r = input(g, "r", DF_SHAPE(1));
    df_value_id y = df_g_add_channel(g, "v+", df_g_linear(g, "l", x, 1, false), v);
    y = df_g_add(g, "r+", df_g_activation(g, "relu", y, DF_ACT_RELU), r);
    /* relu(1 - 3) + 5; the residual before the activation would make 3, the channel after it 3 */
    check(g, y, 1, (const void *[]) { V(1), V(-3), V(5) }, (const float *[]) { W(1), W(0) }, V(5));
}

static void test_group_norm(void **state) {
    (void)state;
    df_graph *g = df_graph_new("group_norm");
    df_value_id x = input(g, "x", DF_SHAPE(2, 4));
    /* groups: {1, 2, 3, 4} mean 2.5, variance 1.25; {0, 0, 0, 8} mean 2, variance 12 */
    double a = 1 / sqrt(1.25), b = 1 / sqrt(12.0);
    check(g, df_g_group_norm(g, "n", x, 2, 0), 1, (const void *[]) { V(1, 2, 0, 0, 3, 4, 0, 8) },
          (const float *[]) { W(1, 2, 1, 1), W(0, 0, 0, 100) },
          V(-1.5 * a, -1 * a, -2 * b, 100 - 2 * b, 0.5 * a, 3 * a, -2 * b, 100 + 6 * b));
}

static void test_group_norm_eps_is_inside_the_root(void **state) {
    (void)state;
    df_graph *g = df_graph_new("group_norm");
    df_value_id x = input(g, "x", DF_SHAPE(2, 1));
    check(g, df_g_group_norm(g, "n", x, 1, 3), 1, (const void *[]) { V(-1, 1) }, (const float *[]) { W(1), W(0) },
          V(-0.5, 0.5));
}

static void test_layer_norm(void **state) {
    (void)state;
    df_graph *g = df_graph_new("layer_norm");
    df_value_id x = input(g, "x", DF_SHAPE(2, 2));
    check(g, df_g_layer_norm(g, "n", x, 0), 1, (const void *[]) { V(1, 3, 10, 0) },
          (const float *[]) { W(2, 3), W(10, 20) }, V(8, 23, 12, 17));
}

static void test_attention_weighs_values(void **state) {
    (void)state;
    df_graph *g = df_graph_new("attention");
    df_value_id q = input(g, "q", DF_SHAPE(2, 4)), k = input(g, "k", DF_SHAPE(2, 4)), v = input(g, "v", DF_SHAPE(2, 1));
    /* scores 2 * ln 3 / sqrt(4) = ln 3 against 0: weights 1/4 and 3/4; then a query of zeros: the mean */
    check(g, df_g_attention(g, "a", q, k, v, 1, false), 1,
          (const void *[]) { V(2, 0, 0, 0, 0, 0, 0, 0), V(0, 0, 0, 0, log(3), 0, 0, 0), V(4, 8) }, NULL, V(7, 6));
}

static void test_attention_splits_heads(void **state) {
    (void)state;
    df_graph *g = df_graph_new("attention");
    df_value_id q = input(g, "q", DF_SHAPE(1, 2)), k = input(g, "k", DF_SHAPE(2, 2)), v = input(g, "v", DF_SHAPE(2, 2));
    /* head 0 sees scores 0 and ln 3, head 1 sees ln 3 and 0 */
    check(g, df_g_attention(g, "a", q, k, v, 2, false), 1,
          (const void *[]) { V(1, 1), V(0, log(3), log(3), 0), V(4, 4, 8, 8) }, NULL, V(7, 5));
}

static void test_attention_causal(void **state) {
    (void)state;
    df_graph *g = df_graph_new("attention");
    df_value_id q = input(g, "q", DF_SHAPE(3, 1)), k = input(g, "k", DF_SHAPE(3, 1)), v = input(g, "v", DF_SHAPE(3, 1));
    check(g, df_g_attention(g, "a", q, k, v, 1, true), 1, (const void *[]) { V(0, 0, 0), V(0, 0, 0), V(1, 3, 8) }, NULL,
          V(1, 2, 4));
}

static void test_activations(void **state) {
    (void)state;
    static const struct {
        df_act act;
        double of_one, of_minus_two;
    } cases[] = {
        { DF_ACT_SILU, 0.7310585786300049, -0.2384058440442351 },
        { DF_ACT_GELU, 0.8413447460685429, -0.04550026389635842 },
        { DF_ACT_GELU_TANH, 0.8411919906082768, -0.04540230591222494 },
        { DF_ACT_QUICK_GELU, 0.8457957659328212, -0.06434137685579186 },
        { DF_ACT_RELU, 1, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_graph *g = df_graph_new(df_act_name(cases[i].act));
        df_value_id x = input(g, "x", DF_SHAPE(3));
        check(g, df_g_activation(g, "a", x, cases[i].act), 1, (const void *[]) { V(1, -2, 0) }, NULL,
              V(cases[i].of_one, cases[i].of_minus_two, 0));
    }
}

static void test_geglu_gates_with_the_second_half(void **state) {
    (void)state;
    df_graph *g = df_graph_new("geglu");
    df_value_id x = input(g, "x", DF_SHAPE(4));
    check(g, df_g_geglu(g, "a", x), 1, (const void *[]) { V(2, 3, 1, -2) }, NULL,
          V(2 * 0.8413447460685429, 3 * -0.04550026389635842));
}

static void test_timestep_embedding(void **state) {
    (void)state;
    df_graph *g = df_graph_new("timestep");
    df_value_id t = df_graph_input(g, "t", DF_F64, DF_SHAPE(1));
    df_timestep_attr a = { .dim = 5, .max_period = 10000, .scale = 1 };
    check(g, df_g_timestep_embedding(g, "e", t, a), 2, (const void *[]) { V(2, 0) }, NULL,
          V(0.9092974268256817, 0.01999866669333308, -0.4161468365471424, 0.9998000066665778, 0, 0, 0, 1, 1, 0));
}

static void test_timestep_embedding_cos_first_shifted(void **state) {
    (void)state;
    df_graph *g = df_graph_new("timestep");
    df_value_id t = df_graph_input(g, "t", DF_F64, DF_SHAPE(1));
    df_timestep_attr a = { .dim = 4, .flip_sin_to_cos = true, .freq_shift = 1, .max_period = 100, .scale = 2 };
    /* frequencies 1 and 100^(-1/1); angles 2 and 0.02 */
    check(g, df_g_timestep_embedding(g, "e", t, a), 1, (const void *[]) { V(1) }, NULL,
          V(-0.4161468365471424, 0.9998000066665778, 0.9092974268256817, 0.01999866669333308));
}

static void test_upsample(void **state) {
    (void)state;
    df_graph *g = df_graph_new("upsample");
    df_value_id x = input(g, "x", DF_SHAPE(2, 2, 1));
    check(g, df_g_upsample_nearest(g, "u", x, 3, 5), 1, (const void *[]) { V(1, 2, 3, 4) }, NULL,
          V(1, 1, 1, 2, 2, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4));
}

static void test_upsample_conv_reads_the_larger_picture(void **state) {
    (void)state;
    df_graph *g = df_graph_new("upsample_conv");
    df_value_id x = df_g_upsample_nearest(g, "u", input(g, "x", DF_SHAPE(1, 2, 1)), 2, 4);
    df_conv_attr a = { .kernel = 3, .stride = 1, .pad = { 1, 1, 1, 1 } };
    /* of 1 1 2 2 over 1 1 2 2; the second: 4 + 5 + 2*6 + 7 + 8 + 2*9 = 54 */
    check(g, df_g_conv2d(g, "c", x, 1, a), 1, (const void *[]) { V(1, 2) }, (const float *[]) { one_to_nine, W(0.5f) },
          V(28.5, 54.5, 67.5, 48.5, 16.5, 30.5, 37.5, 24.5));
}

/* 41 * 2 / 82 is 1; with PyTorch's ratio in f32 it is just below, and the first position is taken. */
static void test_upsample_ratio_is_f32(void **state) {
    (void)state;
    df_graph *g = df_graph_new("upsample");
    df_value_id x = input(g, "x", DF_SHAPE(1, 2, 1));
    double want[82];
    for (int i = 0; i < 82; i++) want[i] = i <= 41 ? 5 : 6;
    check(g, df_g_upsample_nearest(g, "u", x, 1, 82), 1, (const void *[]) { V(5, 6) }, NULL, want);
}

static void test_embedding_adds_position(void **state) {
    (void)state;
    df_graph *g = df_graph_new("embedding");
    df_value_id ids = df_graph_input(g, "ids", DF_I32, DF_SHAPE(2));
    static const int32_t rows[] = { 2, 0, 1, 1 };
    check(g, df_g_embedding(g, "e", ids, 3, 2, 2), 2, (const void *[]) { rows },
          (const float *[]) { W(1, 2, 3, 4, 5, 6), W(10, 20, 30, 40) }, V(15, 26, 31, 42, 13, 24, 33, 44));
}

static void test_concat_puts_the_first_first(void **state) {
    (void)state;
    df_graph *g = df_graph_new("concat");
    df_value_id a = input(g, "a", DF_SHAPE(2, 1)), b = input(g, "b", DF_SHAPE(2, 2));
    check(g, df_g_concat(g, "c", a, b), 1, (const void *[]) { V(1, 2), V(3, 4, 5, 6) }, NULL, V(1, 3, 4, 2, 5, 6));
}

static void test_add_channel_repeats_over_positions(void **state) {
    (void)state;
    df_graph *g = df_graph_new("add_channel");
    df_value_id x = input(g, "x", DF_SHAPE(2, 1, 2)), v = input(g, "v", DF_SHAPE(2));
    check(g, df_g_add_channel(g, "a", x, v), 2, (const void *[]) { V(1, 2, 3, 4, 5, 6, 7, 8), V(10, 20, 30, 40) }, NULL,
          V(11, 22, 13, 24, 35, 46, 37, 48));
}

static void test_layer_norm_plain(void **state) {
    (void)state;
    df_graph *g = df_graph_new("layer_norm");
    df_value_id x = input(g, "x", DF_SHAPE(2, 2));
    check(g, df_g_layer_norm_plain(g, "n", x, 0), 1, (const void *[]) { V(1, 3, 10, 0) }, NULL, V(-1, 1, 1, -1));
}

static void test_rms_norm_takes_no_mean_off(void **state) {
    (void)state;
    df_graph *g = df_graph_new("rms_norm");
    df_value_id x = input(g, "x", DF_SHAPE(2, 2));
    /* mean squares 1 and 25, eps 24 inside the root: 5 and 7 */
    check(g, df_g_rms_norm(g, "n", x, 24), 1, (const void *[]) { V(1, 1, 1, 7) }, (const float *[]) { W(10, 35), NULL },
          V(2, 7, 10.0 / 7, 35));
}

/* Two heads of 2 in [1][4]: each has its own mean square, gamma is the same for both. */
static void test_rms_norm_of_heads(void **state) {
    (void)state;
    df_graph *g = df_graph_new("rms_norm");
    df_value_id x = input(g, "x", DF_SHAPE(1, 2, 2));
    check(g, df_g_rms_norm(g, "n", x, 0), 1, (const void *[]) { V(2, 2, 1, 7) }, (const float *[]) { W(3, 5), NULL },
          V(3, 5, 0.6, 7));
}

static void test_modulate_adds_one_to_the_scale(void **state) {
    (void)state;
    df_graph *g = df_graph_new("modulate");
    df_value_id x = input(g, "x", DF_SHAPE(2, 2)), shift = input(g, "shift", DF_SHAPE(2));
    df_value_id scale = input(g, "scale", DF_SHAPE(2));
    check(g, df_g_modulate(g, "m", x, shift, scale), 2,
          (const void *[]) { V(1, 2, 3, 4, 5, 6, 7, 8), V(100, 200, 0, -1), V(0, 1, 2, -1) }, NULL,
          V(101, 204, 103, 208, 15, -1, 21, -1));
}

static void test_gate_belongs_to_its_row(void **state) {
    (void)state;
    df_graph *g = df_graph_new("gate");
    df_value_id x = input(g, "x", DF_SHAPE(2, 2)), gate = input(g, "gate", DF_SHAPE(2));
    check(g, df_g_gate(g, "g", x, gate), 2, (const void *[]) { V(1, 2, 3, 4, 5, 6, 7, 8), V(2, 3, 10, 0) }, NULL,
          V(2, 6, 6, 12, 50, 0, 70, 0));
}

static void test_gate_then_residual(void **state) {
    (void)state;
    df_graph *g = df_graph_new("gate");
    df_value_id x = input(g, "x", DF_SHAPE(2, 1)), gate = input(g, "gate", DF_SHAPE(1));
    df_value_id residual = input(g, "residual", DF_SHAPE(2, 1));
    check(g, df_g_add(g, "r+", residual, df_g_gate(g, "g", x, gate)), 1,
          (const void *[]) { V(1, 2), V(10), V(100, 200) }, NULL, V(110, 220));
}

static void test_mul(void **state) {
    (void)state;
    df_graph *g = df_graph_new("mul");
    df_value_id a = input(g, "a", DF_SHAPE(2, 1)), b = input(g, "b", DF_SHAPE(2, 1));
    check(g, df_g_mul(g, "m", a, b), 2, (const void *[]) { V(1, 2, 3, 4), V(5, 6, 7, -8) }, NULL, V(5, 12, 21, -32));
}

static void test_scale_then_plus(void **state) {
    (void)state;
    df_graph *g = df_graph_new("scale");
    df_value_id x = input(g, "x", DF_SHAPE(2));
    check(g, df_g_scale(g, "s", x, 4, -1), 1, (const void *[]) { V(1, -2) }, NULL, V(3, -9));
}

static void test_slices(void **state) {
    (void)state;
    const void *x[] = { V(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) };
    df_graph *g = df_graph_new("slice");
    check(g, df_g_slice(g, "s", input(g, "x", DF_SHAPE(2, 3)), 1, 2), 2, x, NULL, V(2, 3, 5, 6, 8, 9, 11, 12));
    g = df_graph_new("slice_tokens");
    check(g, df_g_slice_tokens(g, "s", input(g, "x", DF_SHAPE(3, 2)), 1, 2), 2, x, NULL, V(3, 4, 5, 6, 9, 10, 11, 12));
}

static void test_concat_tokens_keeps_rows_apart(void **state) {
    (void)state;
    df_graph *g = df_graph_new("concat_tokens");
    df_value_id a = input(g, "a", DF_SHAPE(1, 2)), b = input(g, "b", DF_SHAPE(2, 2));
    check(g, df_g_concat_tokens(g, "c", a, b), 2, (const void *[]) { V(1, 2, 3, 4), V(5, 6, 7, 8, 9, 10, 11, 12) },
          NULL, V(1, 2, 5, 6, 7, 8, 3, 4, 9, 10, 11, 12));
}

static void test_add_constant(void **state) {
    (void)state;
    df_graph *g = df_graph_new("add_constant");
    df_value_id x = input(g, "x", DF_SHAPE(2, 1));
    check(g, df_g_add_constant(g, "pos", x, "pos_embed", 0, 0), 2, (const void *[]) { V(1, 2, 3, 4) },
          (const float *[]) { W(10, 20), NULL }, V(11, 22, 13, 24));
}

/* 2 x 1 of 5 x 4: top (5 - 2) / 2 = 1, left (4 - 1) / 2 = 1, both rounded down. */
static void test_add_constant_crops_the_centre(void **state) {
    (void)state;
    float grid[20];
    for (int i = 0; i < 20; i++) grid[i] = (float)i;
    df_graph *g = df_graph_new("add_constant");
    df_value_id x = input(g, "x", DF_SHAPE(2, 1, 1));
    check(g, df_g_add_constant(g, "pos", x, "pos_embed", 5, 4), 1, (const void *[]) { V(100, 200) },
          (const float *[]) { grid, NULL }, V(105, 209));
}

static void test_embeddings_without_positions(void **state) {
    (void)state;
    static const int32_t rows[] = { 2, 0, 1, 1 };
    const float *table[] = { W(1, 2, 3, 4, 5, 6), NULL };
    df_graph *g = df_graph_new("token_embedding");
    df_value_id ids = df_graph_input(g, "ids", DF_I32, DF_SHAPE(2));
    check(g, df_g_token_embedding(g, "e", ids, 3, 2), 2, (const void *[]) { rows }, table, V(5, 6, 1, 2, 3, 4, 3, 4));
    g = df_graph_new("class_embedding");
    ids = df_graph_input(g, "ids", DF_I32, DF_SHAPE(1));
    check(g, df_g_class_embedding(g, "e", ids, 3, 2), 2, (const void *[]) { rows }, table, V(5, 6, 1, 2));
}

/* As transformers' _relative_position_bucket gives them for 32 buckets up to 128 and for 8 up to 20. */
static void test_relative_buckets(void **state) {
    (void)state;
    static const struct {
        int distance, of_32, of_8;
    } cases[] = {
        { 0, 0, 0 },   { 1, 17, 5 },  { -1, 1, 1 },   { 2, 18, 6 },  { 7, 23, 7 },   { -7, 7, 3 },   { 8, 24, 7 },
        { 11, 24, 7 }, { 12, 25, 7 }, { 15, 25, 7 },  { 16, 26, 7 }, { -22, 10, 3 }, { 23, 27, 7 },  { -31, 11, 3 },
        { 32, 28, 7 }, { 64, 30, 7 }, { -90, 14, 3 }, { 91, 31, 7 }, { 127, 31, 7 }, { 128, 31, 7 }, { -5000, 15, 3 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(df_relative_bucket(cases[i].distance, 32, 128), cases[i].of_32);
        assert_int_equal(df_relative_bucket(cases[i].distance, 8, 20), cases[i].of_8);
    }
}

/* No scaling by the width; the bias of a key is that of its place behind (upper half) or before the query. */
static void test_attention_relative(void **state) {
    (void)state;
    df_graph *g = df_graph_new("attention");
    df_value_id q = input(g, "q", DF_SHAPE(2, 8)), k = input(g, "k", DF_SHAPE(2, 8)), v = input(g, "v", DF_SHAPE(2, 2));
    float bias[4][2] = { { 0 } }; /* [bucket][head] */
    bias[1][0] = (float)log(7); /* query 1, key 0: one before */
    bias[3][0] = (float)log(3); /* query 0, key 1: one behind */
    double before = exp((double)bias[1][0]), behind = exp((double)bias[3][0]);
    /* head 1: score ln 3 for query 0 and key 1 */
    check(g, df_g_attention_relative(g, "a", q, k, v, 2, "bias", 4, 8), 1,
          (const void *[]) { V(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
                             V(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, log(3), 0, 0, 0), V(4, 4, 8, 8) },
          (const float *[]) { bias[0], NULL },
          V((4 + 8 * behind) / (1 + behind), 7, (4 * before + 8) / (before + 1), 6));
}

static void test_unpatchify(void **state) {
    (void)state;
    df_graph *g = df_graph_new("unpatchify");
    df_value_id x = input(g, "x", DF_SHAPE(2, 8));
    /* two tokens of 2 x 2 places of 2 channels, side by side */
    check(g, df_g_unpatchify(g, "u", x, 1, 2, 2), 1,
          (const void *[]) { V(1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18) }, NULL,
          V(1, 2, 3, 4, 11, 12, 13, 14, 5, 6, 7, 8, 15, 16, 17, 18));
}

static void test_quantize_takes_the_first_of_equals(void **state) {
    (void)state;
    df_graph *g = df_graph_new("quantize");
    df_value_id x = input(g, "x", DF_SHAPE(1, 3, 2));
    check(g, df_g_quantize(g, "q", x, 4), 1, (const void *[]) { V(0, 0, 5, 4, 2.5, 0) },
          (const float *[]) { W(2, 0, 3, 0, 4, 4, -2, 0), NULL }, V(2, 0, 4, 4, 2, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_sums_taps_and_bias),
        cmocka_unit_test(test_conv_padded_right_and_bottom),
        cmocka_unit_test(test_conv_mixes_channels_of_a_row),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_fused_order),
        cmocka_unit_test(test_group_norm),
        cmocka_unit_test(test_group_norm_eps_is_inside_the_root),
        cmocka_unit_test(test_layer_norm),
        cmocka_unit_test(test_attention_weighs_values),
        cmocka_unit_test(test_attention_splits_heads),
        cmocka_unit_test(test_attention_causal),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_geglu_gates_with_the_second_half),
        cmocka_unit_test(test_timestep_embedding),
        cmocka_unit_test(test_timestep_embedding_cos_first_shifted),
        cmocka_unit_test(test_upsample),
        cmocka_unit_test(test_upsample_conv_reads_the_larger_picture),
        cmocka_unit_test(test_upsample_ratio_is_f32),
        cmocka_unit_test(test_embedding_adds_position),
        cmocka_unit_test(test_concat_puts_the_first_first),
        cmocka_unit_test(test_add_channel_repeats_over_positions),
        cmocka_unit_test(test_layer_norm_plain),
        cmocka_unit_test(test_rms_norm_takes_no_mean_off),
        cmocka_unit_test(test_rms_norm_of_heads),
        cmocka_unit_test(test_modulate_adds_one_to_the_scale),
        cmocka_unit_test(test_gate_belongs_to_its_row),
        cmocka_unit_test(test_gate_then_residual),
        cmocka_unit_test(test_mul),
        cmocka_unit_test(test_scale_then_plus),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_concat_tokens_keeps_rows_apart),
        cmocka_unit_test(test_add_constant),
        cmocka_unit_test(test_add_constant_crops_the_centre),
        cmocka_unit_test(test_embeddings_without_positions),
        cmocka_unit_test(test_relative_buckets),
        cmocka_unit_test(test_attention_relative),
        cmocka_unit_test(test_unpatchify),
        cmocka_unit_test(test_quantize_takes_the_first_of_equals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
