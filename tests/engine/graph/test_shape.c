#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "engine/graph/shape.h"

/* A graph with inputs of these shapes: a, b, c. */
typedef struct inputs {
    df_graph *g;
    df_value_id a, b, c;
} inputs;

static inputs with(df_shape a, df_shape b, df_shape c) {
    inputs in = { .g = df_graph_new("g") };
    in.a = df_graph_input(in.g, "a", DF_F32, a);
    in.b = df_graph_input(in.g, "b", DF_F32, b);
    in.c = df_graph_input(in.g, "c", DF_F32, c);
    return in;
}

static const df_shape one = { 1, { 1 } };

static inputs with1(df_shape a) {
    return with(a, one, one);
}

/* a takes numbers that are never rounded. */
static inputs with_numbers(df_shape a) {
    inputs in = { .g = df_graph_new("g") };
    in.a = df_graph_input(in.g, "a", DF_F64, a);
    return in;
}

static void gives(inputs in, df_value_id y, df_shape want) {
    df_err err = { 0 };
    df_graph_output(in.g, "out", y);
    if (df_graph_finish(in.g, &err) || df_graph_check(in.g, &err)) fail_msg("%s", err.text);
    df_shape is = df_graph_shape(in.g, y);
    if (!df_shape_equal(is, want)) fail_msg("%s, must be %s", df_shape_format(is).text, df_shape_format(want).text);
    df_graph_free(&in.g);
}

static void refuses(inputs in, df_value_id y, df_code code) {
    df_err err = { 0 };
    assert_int_equal(y, DF_NO_VALUE);
    df_code rc = df_graph_finish(in.g, &err);
    if (rc != code) fail_msg("%s, must be %s: %s", df_code_name(rc), df_code_name(code), err.text);
    df_graph_free(&in.g);
}

static df_conv_attr conv(int kernel, int stride, int top, int left, int bottom, int right) {
    return (df_conv_attr) { .kernel = kernel, .stride = stride, .pad = { top, left, bottom, right } };
}

static void test_conv2d(void **state) {
    (void)state;
    inputs in = with1(DF_SHAPE(9, 8, 4));
    gives(in, df_g_conv2d(in.g, "c", in.a, 7, conv(3, 1, 1, 1, 1, 1)), DF_SHAPE(9, 8, 7));
    in = with1(DF_SHAPE(9, 8, 4));
    gives(in, df_g_conv2d(in.g, "c", in.a, 7, conv(3, 2, 1, 1, 1, 1)), DF_SHAPE(5, 4, 7));
    in = with1(DF_SHAPE(9, 8, 4));
    gives(in, df_g_conv2d(in.g, "c", in.a, 7, conv(3, 2, 0, 0, 1, 1)), DF_SHAPE(4, 4, 7));
    in = with1(DF_SHAPE(3, 3, 4));
    gives(in, df_g_conv2d(in.g, "c", in.a, 1, conv(3, 1, 0, 0, 0, 0)), DF_SHAPE(1, 1, 1));
    in = with1(DF_SHAPE(2, 3, 4));
    refuses(in, df_g_conv2d(in.g, "c", in.a, 1, conv(3, 1, 0, 0, 0, 0)), DF_ESHAPE);
    in = with1(DF_SHAPE(9, 4));
    refuses(in, df_g_conv2d(in.g, "c", in.a, 1, conv(1, 1, 0, 0, 0, 0)), DF_ESHAPE);
    in = with1(DF_SHAPE(9, 8, 4));
    refuses(in, df_g_conv2d(in.g, "c", in.a, 1, conv(3, 0, 0, 0, 0, 0)), DF_EINVAL);
    in = with1(DF_SHAPE(9, 8, 4));
    refuses(in, df_g_conv2d(in.g, "c", in.a, 1, conv(0, 1, 0, 0, 0, 0)), DF_EINVAL);
    in = with1(DF_SHAPE(9, 8, 4));
    refuses(in, df_g_conv2d(in.g, "c", in.a, 1, conv(3, 1, -1, 0, 0, 0)), DF_EINVAL);
    in = with1(DF_SHAPE(9, 8, 4));
    refuses(in, df_g_conv2d(in.g, "c", in.a, 1, conv(3, 1, 3, 0, 0, 0)), DF_EINVAL);
    in = with1(DF_SHAPE(9, 8, 4));
    refuses(in, df_g_conv2d(in.g, "c", in.a, -1, conv(3, 1, 1, 1, 1, 1)), DF_ESHAPE);
}

static void test_linear(void **state) {
    (void)state;
    inputs in = with1(DF_SHAPE(9, 8, 4));
    gives(in, df_g_linear(in.g, "l", in.a, 6, false), DF_SHAPE(9, 8, 6));
    in = with1(DF_SHAPE(4));
    gives(in, df_g_linear(in.g, "l", in.a, 6, true), DF_SHAPE(6));
    in = with1(DF_SHAPE(4));
    refuses(in, df_g_linear(in.g, "l", in.a, 0, true), DF_ESHAPE);
}

static void test_norms(void **state) {
    (void)state;
    inputs in = with1(DF_SHAPE(9, 8, 12));
    gives(in, df_g_group_norm(in.g, "n", in.a, 3, 1e-5), DF_SHAPE(9, 8, 12));
    in = with1(DF_SHAPE(12));
    refuses(in, df_g_group_norm(in.g, "n", in.a, 3, 1e-5), DF_ESHAPE);
    in = with1(DF_SHAPE(2, 12));
    refuses(in, df_g_group_norm(in.g, "n", in.a, 5, 1e-5), DF_ESHAPE);
    in = with1(DF_SHAPE(2, 12));
    refuses(in, df_g_group_norm(in.g, "n", in.a, 0, 1e-5), DF_ESHAPE);
    in = with1(DF_SHAPE(2, 12));
    refuses(in, df_g_group_norm(in.g, "n", in.a, 3, -1), DF_EINVAL);
    in = with1(DF_SHAPE(12));
    gives(in, df_g_layer_norm(in.g, "n", in.a, 1e-5), DF_SHAPE(12));
}

static void test_attention(void **state) {
    (void)state;
    inputs in = with(DF_SHAPE(9, 8), DF_SHAPE(7, 8), DF_SHAPE(7, 12));
    gives(in, df_g_attention(in.g, "a", in.a, in.b, in.c, 4, false), DF_SHAPE(9, 12));
    in = with(DF_SHAPE(9, 8), DF_SHAPE(7, 8), DF_SHAPE(7, 12));
    refuses(in, df_g_attention(in.g, "a", in.a, in.b, in.c, 4, true), DF_ESHAPE);
    in = with(DF_SHAPE(9, 8), DF_SHAPE(7, 8), DF_SHAPE(7, 12));
    refuses(in, df_g_attention(in.g, "a", in.a, in.b, in.c, 3, false), DF_ESHAPE);
    in = with(DF_SHAPE(9, 8), DF_SHAPE(7, 9), DF_SHAPE(7, 8));
    refuses(in, df_g_attention(in.g, "a", in.a, in.b, in.c, 1, false), DF_ESHAPE);
    in = with(DF_SHAPE(9, 8), DF_SHAPE(7, 8), DF_SHAPE(6, 8));
    refuses(in, df_g_attention(in.g, "a", in.a, in.b, in.c, 1, false), DF_ESHAPE);
}

static void test_element_wise(void **state) {
    (void)state;
    inputs in = with(DF_SHAPE(9, 8), DF_SHAPE(9, 8), one);
    gives(in, df_g_add(in.g, "a", in.a, in.b), DF_SHAPE(9, 8));
    in = with(DF_SHAPE(9, 8), DF_SHAPE(8), one);
    refuses(in, df_g_add(in.g, "a", in.a, in.b), DF_ESHAPE);
    in = with(DF_SHAPE(9, 8), DF_SHAPE(8), one);
    gives(in, df_g_add_channel(in.g, "a", in.a, in.b), DF_SHAPE(9, 8));
    in = with(DF_SHAPE(9, 8), DF_SHAPE(9), one);
    refuses(in, df_g_add_channel(in.g, "a", in.a, in.b), DF_ESHAPE);
    in = with1(DF_SHAPE(9, 8));
    gives(in, df_g_activation(in.g, "a", in.a, DF_ACT_RELU), DF_SHAPE(9, 8));
    in = with1(DF_SHAPE(9, 8));
    refuses(in, df_g_activation(in.g, "a", in.a, DF_ACT_NONE), DF_EINVAL);
    in = with1(DF_SHAPE(9, 8));
    refuses(in, df_g_activation(in.g, "a", in.a, (df_act)17), DF_EINVAL);
    in = with1(DF_SHAPE(9, 8));
    gives(in, df_g_geglu(in.g, "a", in.a), DF_SHAPE(9, 4));
    in = with1(DF_SHAPE(9, 7));
    refuses(in, df_g_geglu(in.g, "a", in.a), DF_ESHAPE);
}

static void test_rearranging(void **state) {
    (void)state;
    inputs in = with(DF_SHAPE(9, 8, 2), DF_SHAPE(9, 8, 3), one);
    gives(in, df_g_concat(in.g, "c", in.a, in.b), DF_SHAPE(9, 8, 5));
    in = with(DF_SHAPE(9, 8, 2), DF_SHAPE(8, 9, 3), one);
    refuses(in, df_g_concat(in.g, "c", in.a, in.b), DF_ESHAPE);
    in = with1(DF_SHAPE(9, 8, 2));
    gives(in, df_g_upsample_nearest(in.g, "u", in.a, 18, 15), DF_SHAPE(18, 15, 2));
    in = with1(DF_SHAPE(9, 8, 2));
    refuses(in, df_g_upsample_nearest(in.g, "u", in.a, 0, 15), DF_ESHAPE);
    in = with1(DF_SHAPE(9, 8, 2));
    gives(in, df_g_reshape(in.g, "r", in.a, DF_SHAPE(72, 2)), DF_SHAPE(72, 2));
    in = with1(DF_SHAPE(9, 8, 2));
    refuses(in, df_g_reshape(in.g, "r", in.a, DF_SHAPE(72, 3)), DF_ESHAPE);
}

static void test_embeddings(void **state) {
    (void)state;
    inputs in = with1(one);
    df_value_id ids = df_graph_input(in.g, "ids", DF_I32, DF_SHAPE(5));
    gives(in, df_g_embedding(in.g, "e", ids, 10, 5, 3), DF_SHAPE(5, 3));
    in = with1(one);
    ids = df_graph_input(in.g, "ids", DF_I32, DF_SHAPE(5));
    refuses(in, df_g_embedding(in.g, "e", ids, 10, 4, 3), DF_ESHAPE);
    in = with1(DF_SHAPE(5)); /* not I32 */
    refuses(in, df_g_embedding(in.g, "e", in.a, 10, 5, 3), DF_EINVAL);
    in = with1(one);
    ids = df_graph_input(in.g, "ids", DF_I32, DF_SHAPE(5));
    refuses(in, df_g_linear(in.g, "l", ids, 10, false), DF_EINVAL);
    df_timestep_attr a = { .dim = 7, .max_period = 10000, .scale = 1 };
    in = with_numbers(one);
    gives(in, df_g_timestep_embedding(in.g, "t", in.a, a), DF_SHAPE(7));
    in = with_numbers(DF_SHAPE(6));
    gives(in, df_g_timestep_embedding(in.g, "t", in.a, a), DF_SHAPE(42));
    in = with_numbers(DF_SHAPE(2, 1));
    refuses(in, df_g_timestep_embedding(in.g, "t", in.a, a), DF_ESHAPE);
    in = with1(one); /* an activation, which a backend may have rounded */
    refuses(in, df_g_timestep_embedding(in.g, "t", in.a, a), DF_EINVAL);
    in = with_numbers(one);
    refuses(in, df_g_timestep_embedding(in.g, "t", in.a, (df_timestep_attr) { .dim = 7 }), DF_EINVAL);
    a.freq_shift = 3; /* divides by zero */
    in = with_numbers(one);
    refuses(in, df_g_timestep_embedding(in.g, "t", in.a, a), DF_EINVAL);
}

static void test_transformer_norms(void **state) {
    (void)state;
    inputs in = with1(DF_SHAPE(9, 2, 6));
    df_value_id y = df_g_rms_norm(in.g, "n", in.a, 1e-6);
    assert_int_equal(df_shape_elements(in.g->weights[0].shape), 6); /* shared by heads and tokens */
    gives(in, y, DF_SHAPE(9, 2, 6));
    in = with1(DF_SHAPE(12));
    refuses(in, df_g_rms_norm(in.g, "n", in.a, -1), DF_EINVAL);
    in = with1(DF_SHAPE(9, 12));
    y = df_g_layer_norm_plain(in.g, "n", in.a, 1e-6);
    assert_int_equal(in.g->n_weights, 0);
    gives(in, y, DF_SHAPE(9, 12));
}

static void test_modulation(void **state) {
    (void)state;
    inputs in = with(DF_SHAPE(9, 8), DF_SHAPE(8), DF_SHAPE(8));
    gives(in, df_g_modulate(in.g, "m", in.a, in.b, in.c), DF_SHAPE(9, 8));
    in = with(DF_SHAPE(3, 3, 8), DF_SHAPE(8), DF_SHAPE(8));
    gives(in, df_g_modulate(in.g, "m", in.a, in.b, in.c), DF_SHAPE(3, 3, 8));
    in = with(DF_SHAPE(9, 8), DF_SHAPE(8), DF_SHAPE(9));
    refuses(in, df_g_modulate(in.g, "m", in.a, in.b, in.c), DF_ESHAPE);
    in = with(DF_SHAPE(9, 8), DF_SHAPE(9, 8), DF_SHAPE(8));
    refuses(in, df_g_modulate(in.g, "m", in.a, in.b, in.c), DF_ESHAPE);
    in = with(DF_SHAPE(9, 8), DF_SHAPE(8), one);
    gives(in, df_g_gate(in.g, "m", in.a, in.b), DF_SHAPE(9, 8));
    in = with(DF_SHAPE(9, 8), DF_SHAPE(1, 8), one);
    refuses(in, df_g_gate(in.g, "m", in.a, in.b), DF_ESHAPE);
    in = with(DF_SHAPE(9, 8), DF_SHAPE(9, 8), one);
    gives(in, df_g_mul(in.g, "m", in.a, in.b), DF_SHAPE(9, 8));
    in = with(DF_SHAPE(9, 8), DF_SHAPE(8, 9), one);
    refuses(in, df_g_mul(in.g, "m", in.a, in.b), DF_ESHAPE);
    in = with1(DF_SHAPE(9, 8));
    gives(in, df_g_scale(in.g, "s", in.a, 0.5, 1), DF_SHAPE(9, 8));
    in = with1(DF_SHAPE(9, 8));
    refuses(in, df_g_scale(in.g, "s", in.a, NAN, 1), DF_EINVAL);
}

static void test_slices_and_joins(void **state) {
    (void)state;
    inputs in = with1(DF_SHAPE(9, 8));
    gives(in, df_g_slice(in.g, "s", in.a, 5, 3), DF_SHAPE(9, 3));
    in = with1(DF_SHAPE(48));
    gives(in, df_g_slice(in.g, "s", in.a, 8, 8), DF_SHAPE(8));
    static const int64_t bad[][2] = { { 5, 4 }, { -1, 3 }, { 8, 1 }, { 0, 0 }, { 1, INT64_MAX }, { INT64_MAX, 1 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        in = with1(DF_SHAPE(9, 8));
        refuses(in, df_g_slice(in.g, "s", in.a, bad[i][0], bad[i][1]), DF_ESHAPE);
        in = with1(DF_SHAPE(8, 9));
        refuses(in, df_g_slice_tokens(in.g, "s", in.a, bad[i][0], bad[i][1]), DF_ESHAPE);
    }
    in = with1(DF_SHAPE(9, 8));
    gives(in, df_g_slice_tokens(in.g, "s", in.a, 5, 4), DF_SHAPE(4, 8));
    in = with1(DF_SHAPE(8));
    refuses(in, df_g_slice_tokens(in.g, "s", in.a, 0, 4), DF_ESHAPE);
    in = with(DF_SHAPE(9, 8), DF_SHAPE(4, 8), one);
    gives(in, df_g_concat_tokens(in.g, "c", in.a, in.b), DF_SHAPE(13, 8));
    in = with(DF_SHAPE(9, 8), DF_SHAPE(9, 4), one);
    refuses(in, df_g_concat_tokens(in.g, "c", in.a, in.b), DF_ESHAPE);
    in = with(DF_SHAPE(3, 3, 8), DF_SHAPE(9, 8), one);
    refuses(in, df_g_concat_tokens(in.g, "c", in.a, in.b), DF_ESHAPE);
}

static void test_constants(void **state) {
    (void)state;
    inputs in = with1(DF_SHAPE(9, 8));
    df_value_id y = df_g_add_constant(in.g, "pos", in.a, "pos_embed.pos_embed", 0, 0);
    assert_string_equal(in.g->weights[0].name, "pos_embed.pos_embed");
    assert_true(df_shape_equal(in.g->weights[0].shape, DF_SHAPE(1, 9, 8)));
    gives(in, y, DF_SHAPE(9, 8));
    in = with1(DF_SHAPE(3, 4, 8));
    y = df_g_add_constant(in.g, "pos", in.a, "p", 5, 4);
    assert_true(df_shape_equal(in.g->weights[0].shape, DF_SHAPE(1, 20, 8)));
    gives(in, y, DF_SHAPE(3, 4, 8));
    static const int64_t bad[][2] = { { 2, 4 }, { 3, 3 }, { 0, 4 }, { 5, 0 }, { -5, -4 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        in = with1(DF_SHAPE(3, 4, 8));
        refuses(in, df_g_add_constant(in.g, "pos", in.a, "p", bad[i][0], bad[i][1]), DF_ESHAPE);
    }
    in = with1(DF_SHAPE(3, 4, 8));
    refuses(in, df_g_add_constant(in.g, "pos", in.a, "p", INT64_MAX, INT64_MAX), DF_ESHAPE);
    in = with1(DF_SHAPE(12, 8)); /* a grid is cropped in two dimensions */
    refuses(in, df_g_add_constant(in.g, "pos", in.a, "p", 4, 4), DF_ESHAPE);
    in = with1(DF_SHAPE(12, 8));
    refuses(in, df_g_add_constant(in.g, "pos", in.a, NULL, 0, 0), DF_EINVAL);
}

static void test_tables(void **state) {
    (void)state;
    inputs in = with1(one);
    df_value_id ids = df_graph_input(in.g, "ids", DF_I32, DF_SHAPE(500));
    df_value_id y = df_g_token_embedding(in.g, "shared", ids, 10, 3);
    assert_string_equal(in.g->weights[0].name, "shared.weight");
    gives(in, y, DF_SHAPE(500, 3));
    in = with1(one);
    gives(in, df_g_class_embedding(in.g, "e", df_graph_input(in.g, "ids", DF_I32, one), 10, 3), DF_SHAPE(3));
    in = with1(one);
    ids = df_graph_input(in.g, "ids", DF_I32, DF_SHAPE(2));
    refuses(in, df_g_class_embedding(in.g, "e", ids, 10, 3), DF_ESHAPE);
    in = with1(one); /* not I32 */
    refuses(in, df_g_class_embedding(in.g, "e", in.a, 10, 3), DF_EINVAL);
    in = with1(DF_SHAPE(5, 4, 3));
    gives(in, df_g_quantize(in.g, "q", in.a, 100), DF_SHAPE(5, 4, 3));
    in = with1(DF_SHAPE(5, 4, 3));
    refuses(in, df_g_quantize(in.g, "q", in.a, 0), DF_ESHAPE);
}

static void test_unpatchify(void **state) {
    (void)state;
    inputs in = with1(DF_SHAPE(15, 12));
    gives(in, df_g_unpatchify(in.g, "u", in.a, 5, 3, 2), DF_SHAPE(10, 6, 3));
    static const struct {
        int64_t h, w;
        int patch;
    } bad[] = { { 5, 4, 2 }, { -5, -3, 2 }, { 5, 3, 5 }, { 5, 3, 0 }, { 5, 3, -2 }, { INT64_MAX, 3, 2 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        in = with1(DF_SHAPE(15, 12));
        refuses(in, df_g_unpatchify(in.g, "u", in.a, bad[i].h, bad[i].w, bad[i].patch), DF_ESHAPE);
    }
}

static void test_attention_relative(void **state) {
    (void)state;
    inputs in = with(DF_SHAPE(9, 8), DF_SHAPE(7, 8), DF_SHAPE(7, 12));
    df_value_id y = df_g_attention_relative(in.g, "a", in.a, in.b, in.c, 4, "bias", 32, 128);
    assert_string_equal(in.g->weights[0].name, "bias.weight");
    assert_true(df_shape_equal(in.g->weights[0].shape, DF_SHAPE(32, 4)));
    assert_true(in.g->nodes[0].attr.attention.scale == 1);
    gives(in, y, DF_SHAPE(9, 12));
    static const int bad[][2] = { { 2, 128 }, { 32, 8 }, { -4, 128 }, { 32, 0 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        in = with(DF_SHAPE(9, 8), DF_SHAPE(7, 8), DF_SHAPE(7, 12));
        refuses(in, df_g_attention_relative(in.g, "a", in.a, in.b, in.c, 4, "b", bad[i][0], bad[i][1]), DF_EINVAL);
    }
}

static void test_limits(void **state) {
    (void)state;
    df_err err = { 0 };
    assert_int_equal(df_shape_check(DF_SHAPE(INT64_C(1) << 36), &err), DF_OK);
    assert_int_equal(df_shape_check(DF_SHAPE((INT64_C(1) << 36) + 1), &err), DF_ELIMIT);
    assert_int_equal(df_shape_check(DF_SHAPE(INT64_MAX, INT64_MAX), &err), DF_ELIMIT);
    assert_int_equal(df_shape_check(DF_SHAPE(INT64_C(1) << 32, INT64_C(1) << 32), &err), DF_ELIMIT);
    assert_int_equal(df_shape_check(DF_SHAPE(3, -1), &err), DF_ESHAPE);
    assert_int_equal(df_shape_check(DF_SHAPE(3, 0), &err), DF_ESHAPE);
    assert_int_equal(df_shape_check((df_shape) { 0 }, &err), DF_ESHAPE);
    assert_int_equal(df_shape_check((df_shape) { .rank = 5 }, &err), DF_ESHAPE);

    inputs in = with1(DF_SHAPE(1 << 16, 1 << 16));
    refuses(in, df_g_linear(in.g, "l", in.a, 1 << 21, false), DF_ELIMIT); /* the weight and the result */
    in = with1(DF_SHAPE(1 << 16, 1 << 16, 1));
    refuses(in, df_g_upsample_nearest(in.g, "u", in.a, INT64_MAX, INT64_MAX), DF_ELIMIT);
    df_graph *g = df_graph_new("g");
    assert_int_equal(df_graph_input(g, "x", DF_F32, DF_SHAPE(INT64_MAX, 2)), DF_NO_VALUE);
    assert_int_equal(df_graph_input(g, "y", DF_U8, DF_SHAPE(2)), DF_NO_VALUE);
    assert_int_equal(df_graph_finish(g, &err), DF_ELIMIT);
    df_graph_free(&g);
}

/* conv, linear over a reshape: what passes may have done wrong */
static df_graph *two_nodes(void) {
    df_graph *g = df_graph_new("g");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(4, 4, 8)), v = df_graph_input(g, "v", DF_F32, DF_SHAPE(8));
    x = df_g_conv2d(g, "conv", x, 8, conv(3, 1, 1, 1, 1, 1));
    df_graph_output(g, "out", df_g_linear(g, "linear", x, 8, false));
    df_graph_output(g, "v", v);
    assert_int_equal(df_graph_finish(g, NULL), DF_OK);
    assert_int_equal(df_graph_check(g, NULL), DF_OK);
    return g;
}

static void check_fails(df_graph *g, df_code code, const char *text) {
    df_err err = { 0 };
    assert_int_equal(df_graph_check(g, &err), code);
    if (!strstr(err.text, text)) fail_msg("'%s' does not say '%s'", err.text, text);
    df_graph_free(&g);
}

static void test_check_finds_what_a_pass_broke(void **state) {
    (void)state;
    df_graph *g = two_nodes();
    g->nodes[0].residual = g->nodes[0].in[0]; /* fine: as many elements */
    g->nodes[0].fused_add_channel = g->inputs[1].value;
    assert_int_equal(df_graph_check(g, NULL), DF_OK);
    g->nodes[0].residual = g->inputs[1].value;
    check_fails(g, DF_ESHAPE, "node 0 'conv': result [4, 4, 8] + residual [8]");

    g = two_nodes();
    g->nodes[0].fused_add_channel = g->nodes[0].in[0];
    check_fails(g, DF_ESHAPE, "per channel");

    g = two_nodes();
    g->nodes[0].residual = g->nodes[1].out; /* made later */
    check_fails(g, DF_EINVAL, "before it is there");

    g = two_nodes();
    g->values[g->nodes[0].out].shape.dim[0] = 5;
    check_fails(g, DF_ESHAPE, "result is [4, 4, 8], recorded as [5, 4, 8]");

    g = two_nodes();
    g->weights[g->nodes[1].weight[0]].shape.dim[1] = 9;
    check_fails(g, DF_ESHAPE, "weight 'linear.weight' is [8, 9], the input needs [8, 8]");

    g = two_nodes();
    g->nodes[1].weight[1] = DF_NO_WEIGHT;
    check_fails(g, DF_EINVAL, "weight 1 is absent");

    g = two_nodes();
    g->nodes[1].attr.linear.no_bias = true;
    check_fails(g, DF_EINVAL, "does not use");

    g = two_nodes();
    g->nodes[1].in[0] = 99;
    check_fails(g, DF_EINVAL, "value 99");

    g = two_nodes();
    g->nodes[1].weight[0] = g->n_weights;
    check_fails(g, DF_EINVAL, "weight 4 does not exist");

    g = two_nodes();
    g->nodes[1].op = DF_OP_GEGLU;
    check_fails(g, DF_EINVAL, "takes none");

    g = two_nodes();
    g->nodes[1].out = g->nodes[0].out;
    check_fails(g, DF_EINVAL, "not its own");
}

static void test_int8(void **state) {
    (void)state;
    static const df_int8 bad[] = {
        { -1, 0 }, { (float)NAN, 0 }, { HUGE_VALF, 0 }, { 1e-45f, 0 }, { 1, -1 }, { 1, 256 }
    };
    df_err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        df_graph *g = two_nodes();
        g->nodes[1].int8 = bad[i];
        check_fails(g, DF_EINVAL, "int8 with steps");
    }
    df_graph *g = two_nodes();
    g->nodes[1].int8 = (df_int8) { 0.5f, 255 };
    assert_int_equal(df_graph_check(g, &err), DF_OK);
    df_graph_free(&g);

    g = df_graph_new("norm");
    df_value_id x = df_graph_input(g, "x", DF_F32, DF_SHAPE(2, 8));
    df_graph_output(g, "out", df_g_layer_norm(g, "norm", x, 1e-5));
    assert_int_equal(df_graph_finish(g, &err), DF_OK);
    g->nodes[0].int8 = (df_int8) { 0.5f, 0 };
    check_fails(g, DF_EINVAL, "no product");

    g = df_graph_new("wide");
    x = df_graph_input(g, "x", DF_F32, DF_SHAPE(2, DF_INT8_MAX_PRODUCTS + 1));
    df_graph_output(g, "out", df_g_linear(g, "linear", x, 1, true));
    assert_int_equal(df_graph_finish(g, &err), DF_OK);
    g->nodes[0].int8 = (df_int8) { 1, 0 };
    check_fails(g, DF_ELIMIT, "sums of");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv2d),       cmocka_unit_test(test_linear),
        cmocka_unit_test(test_norms),        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_element_wise), cmocka_unit_test(test_rearranging),
        cmocka_unit_test(test_embeddings),   cmocka_unit_test(test_transformer_norms),
        cmocka_unit_test(test_modulation),   cmocka_unit_test(test_slices_and_joins),
        cmocka_unit_test(test_constants),    cmocka_unit_test(test_tables),
        cmocka_unit_test(test_unpatchify),   cmocka_unit_test(test_attention_relative),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_check_finds_what_a_pass_broke),
        cmocka_unit_test(test_int8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
