/* The class-conditional transformer against the golden model: whole forwards with the null class among the rows, what
 * goes on inside, its computed positions, and what its config may say. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/models/component_classes.h"
#include "engine/models/dit.h"
#include "tests/engine/models/edited_config.h"
#include "tests/engine/models/inner.h"

static const double tolerance = 3e-5;
enum { N_ROWS = 3 };

typedef struct bench {
    golden *g;
    component c;
} bench;

static bench bench_open(const backend_case *b) {
    bench o = { .g = golden_open("dit") };
    df_dit_config cfg;
    df_err err;
    if (read_config(&cfg, &df_class_dit, golden_path("dit", "transformer/config.json"), &err)) fail_msg("%s", err.text);
    const df_tensor_view *t = golden_view(o.g, "dit.sample");
    df_graph *g = df_graph_new("transformer");
    assert_non_null(g);
    df_dit_build(g, &cfg, t->dim[2], t->dim[3]);
    o.c = component_of_graph(g, golden_path("dit", "transformer"), b, t->dim[0]);
    return o;
}

static void bench_close(bench *b) {
    component_close(&b->c);
    golden_close(&b->g);
}

static void run(bench *b, float timestep) {
    float *x = golden_f32(b->g, "dit.sample", NULL), t[N_ROWS] = { timestep, timestep, timestep };
    int32_t *labels = golden_i32(b->g, "dit.class_labels", NULL);
    assert_int_equal(b->c.n, N_ROWS);
    component_set(&b->c, "sample", x);
    component_set(&b->c, "timestep", t);
    component_set_ids(&b->c, "class_labels", labels);
    component_run(&b->c);
    free(x);
    free(labels);
}

static void test_forwards(void **state) {
    static const float timesteps[] = { 981, 500, 1 };
    bench b = bench_open(*state);
    for (size_t i = 0; i < 3; i++) {
        char name[32];
        size_t n;
        snprintf(name, sizeof name, "dit.out.t%g", (double)timesteps[i]);
        run(&b, timesteps[i]);
        float *out = component_get(&b.c, "out", &n);
        golden_compare(b.g, name, out, n, tolerance);
        free(out);
    }
    bench_close(&b);
}

static void test_inside(void **state) {
    static const inner_value values[] = {
        { "dit.act.t500.pos_embed", "pos_embed", NULL, false },
        { "dit.act.t500.transformer_blocks.0.norm1.emb", "transformer_blocks.0.norm1.emb.timestep_embedder.linear_2",
          NULL, false },
        { "dit.act.t500.transformer_blocks.0.attn1", "transformer_blocks.0.attn1.to_out.0", NULL, false },
        { "dit.act.t500.transformer_blocks.0.ff", "transformer_blocks.0.ff.net.2", NULL, false },
        { "dit.act.t500.transformer_blocks.0", "transformer_blocks.0.ff_gate", NULL, false },
        { "dit.act.t500.transformer_blocks.1", "transformer_blocks.1.ff_gate", NULL, false },
        { "dit.act.t500.transformer_blocks.2", "transformer_blocks.2.ff_gate", NULL, false },
    };
    bench b = bench_open(*state);
    inner_tap *t = inner_tap_open(&b.c, b.g, values, sizeof values / sizeof values[0]);
    run(&b, 500);
    inner_tap_check(t, tolerance);
    bench_close(&b);
}

/* Positions */

static void test_positions(void **state) {
    (void)state;
    enum { H = 3, W = 2, D = 8 };
    float x[H * W * D];
    df_dit_positions(x, H, W, D, 6); /* rows are 2 apart, columns 3 */
    const float *at = x + (2 * W + 1) * D; /* row 2, column 1 */
    const double column = 3, row = 4, slow = 0.01; /* frequencies 1 and 1/100 */
    const double want[D] = { sin(column), sin(column * slow), cos(column), cos(column * slow),
                             sin(row),    sin(row * slow),    cos(row),    cos(row * slow) };
    for (int i = 0; i < D; i++) assert_true(fabs((double)at[i] - want[i]) < 1e-6);
}

/* Config */

static df_code read_edited(const char *edit, df_dit_config *cfg, df_err *err) {
    return read_config(cfg, &df_class_dit, edited_config(golden_path("dit", "transformer/config.json"), edit), err);
}

static void test_config_fields(void **state) {
    (void)state;
    df_dit_config cfg;
    df_err err;
    if (read_edited("{\"_class_name\": \"Transformer2DModel\"}", &cfg, &err)) fail_msg("%s", err.text);
    assert_int_equal(cfg.heads, 4); /* attention_head_dim is the width of a head */
    assert_int_equal(cfg.width, 32);
    assert_int_equal(cfg.n_classes, 1000);
    assert_int_equal(cfg.out_channels, 8);
    assert_int_equal(cfg.act, DF_ACT_GELU_TANH);
}

static void test_config_refuses(void **state) {
    (void)state;
    static const struct {
        const char *edit, *says;
    } cases[] = {
        { "{\"_class_name\": \"PixArtTransformer2DModel\"}", "_class_name" },
        { "{\"_class_name\": \"Transformer2DModel\", \"attention_bias\": null}", "attention_bias" },
        { "{\"norm_type\": \"ada_norm_single\"}", "norm_type" },
        { "{\"activation_fn\": \"geglu\"}", "activation_fn" },
        { "{\"num_embeds_ada_norm\": null}", "num_embeds_ada_norm" },
        { "{\"num_attention_heads\": 3, \"attention_head_dim\": 3}", "multiple of 4" },
        { "{\"num_attention_heads\": 32768, \"attention_head_dim\": 32768}", "limit" },
        { "{\"patch_size\": 3}", "patch_size" },
        { "{\"sample_size\": [16, 16]}", "sample_size" },
        { "{\"cross_attention_dim\": 16}", "cross_attention_dim" },
        { "{\"caption_channels\": 4096}", "caption_channels" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_dit_config cfg = { 0 };
        df_err err = { 0 };
        if (!read_edited(cases[i].edit, &cfg, &err)) fail_msg("%s was taken", cases[i].edit);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: says '%s'", cases[i].edit, err.text);
        assert_int_equal(cfg.layers, 0); /* written on success only */
    }
}

static df_graph *build(const char *edit, int64_t h, int64_t w) {
    df_dit_config cfg;
    df_err err;
    if (read_edited(edit, &cfg, &err)) fail_msg("%s", err.text);
    df_graph *g = df_graph_new("transformer");
    assert_non_null(g);
    df_dit_build(g, &cfg, h, w);
    return g;
}

/* What the golden does not have: sides that differ, no biases, norms with gamma and beta, a variance not learned. */
static void test_builds(void **state) {
    (void)state;
    df_err err;
    df_graph *g =
        build("{\"attention_bias\": false, \"norm_elementwise_affine\": true, \"out_channels\": null}", 6, 20);
    if (df_graph_finish(g, &err)) fail_msg("%s", err.text);
    df_shape out = df_graph_shape(g, df_graph_find_output(g, "out"));
    assert_int_equal(out.dim[0], 6);
    assert_int_equal(out.dim[1], 20);
    assert_int_equal(out.dim[2], 4);
    int n_norms = 0;
    for (int i = 0; i < g->n_weights; i++) {
        const char *name = g->weights[i].name;
        assert_null(strstr(name, "to_q.bias"));
        assert_null(strstr(name, "norm1.norm"));
        if (strstr(name, "norm3.weight")) n_norms++;
    }
    assert_int_equal(n_norms, 3);
    df_graph_free(&g);
}

static void test_odd_size(void **state) {
    (void)state;
    df_err err;
    df_graph *g = build("{}", 16, 15);
    assert_int_equal(df_graph_finish(g, &err), DF_ESHAPE);
    assert_non_null(strstr(err.text, "multiples of 2"));
    df_graph_free(&g);
}

/* A config must not make a builder allocate without bounds. */
static void test_too_large(void **state) {
    (void)state;
    df_err err;
    df_graph *g = build("{\"num_attention_heads\": 128, \"attention_head_dim\": 64}", 4096, 4096);
    assert_int_equal(df_graph_finish(g, &err), DF_ELIMIT);
    assert_non_null(strstr(err.text, "positions"));
    df_graph_free(&g);
}

int main(void) {
    static backend_case cpu = { "cpu", DF_F32, "cpu" }, f32 = { "reference", DF_F32, "reference" },
                        f64 = { "reference", DF_F64, "reference f64" };
    const struct CMUnitTest tests[] = {
        { "reference", test_forwards, NULL, NULL, &f32 },
        { "reference f64", test_forwards, NULL, NULL, &f64 },
        { "cpu", test_forwards, NULL, NULL, &cpu },
        { "inside reference", test_inside, NULL, NULL, &f32 },
        { "inside cpu", test_inside, NULL, NULL, &cpu },
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_config_fields),
        cmocka_unit_test(test_config_refuses),
        cmocka_unit_test(test_builds),
        cmocka_unit_test(test_odd_size),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
