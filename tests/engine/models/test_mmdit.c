/* The transformer of SD3 and SD3.5 against the golden models: whole forwards, a picture wider than the one trained on,
 * what goes on inside, and what its config may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/models/component_classes.h"
#include "engine/models/mmdit.h"
#include "tests/engine/models/edited_config.h"
#include "tests/engine/models/inner.h"

static const double tolerance = 3e-5;
enum { MAX_ROWS = 2 };

typedef struct test_case {
    const char *golden;
    backend_case backend;
} test_case;

typedef struct bench {
    golden *g;
    component c;
} bench;

static bench bench_open(const test_case *t, const char *sample) {
    bench o = { .g = golden_open(t->golden) };
    df_mmdit_config cfg;
    df_err err;
    const char *config = golden_path(t->golden, "transformer/config.json");
    if (read_config(&cfg, &df_class_mmdit, config, &err)) fail_msg("%s", err.text);
    const df_tensor_view *x = golden_view(o.g, sample), *text = golden_view(o.g, "mmdit.encoder_hidden_states");
    df_graph *g = df_graph_new("transformer");
    assert_non_null(g);
    df_mmdit_build(g, &cfg, x->dim[2], x->dim[3], text->dim[1]);
    o.c = component_of_graph(g, golden_path(t->golden, "transformer"), &t->backend, x->dim[0]);
    return o;
}

static void bench_close(bench *b) {
    component_close(&b->c);
    golden_close(&b->g);
}

static void run(bench *b, const char *sample, float timestep) {
    static const char *const text[2][2] = { { "encoder_hidden_states", "mmdit.encoder_hidden_states" },
                                            { "pooled", "mmdit.pooled" } };
    float *x = golden_f32(b->g, sample, NULL), t[MAX_ROWS] = { timestep, timestep };
    assert_true(b->c.n <= MAX_ROWS);
    component_set(&b->c, "sample", x);
    component_set(&b->c, "timestep", t);
    free(x);
    for (int i = 0; i < 2; i++) { /* of as many rows as there are, the first ones */
        x = golden_f32(b->g, text[i][1], NULL);
        component_set(&b->c, text[i][0], x);
        free(x);
    }
    component_run(&b->c);
}

static void compare_out(bench *b, const char *name) {
    size_t n;
    float *out = component_get(&b->c, "out", &n);
    golden_compare(b->g, name, out, n, tolerance);
    free(out);
}

static void test_forwards(void **state) {
    static const struct {
        const char *golden;
        float timestep;
    } outs[] = { { "mmdit.out.t1000", 1000 }, { "mmdit.out.t500.5", 500.5f }, { "mmdit.out.t8.929", 8.929f } };
    bench b = bench_open(*state, "mmdit.sample");
    for (size_t i = 0; i < sizeof outs / sizeof *outs; i++) {
        run(&b, "mmdit.sample", outs[i].timestep);
        compare_out(&b, outs[i].golden);
    }
    bench_close(&b);
}

/* Positions are cropped differently in both directions. */
static void test_wide(void **state) {
    bench b = bench_open(*state, "mmdit.wide.sample");
    run(&b, "mmdit.wide.sample", 250);
    compare_out(&b, "mmdit.wide.out");
    bench_close(&b);
}

static void check_inside(const test_case *t, const inner_value *values, int n) {
    bench b = bench_open(t, "mmdit.sample");
    inner_tap *tap = inner_tap_open(&b.c, b.g, values, n);
    run(&b, "mmdit.sample", 500.5f);
    inner_tap_check(tap, tolerance);
    bench_close(&b);
}

#define ACT "mmdit.act.t500.5."
#define BLOCK "transformer_blocks."
/* Gates take the residual of the block in, and the time step's embedding that of the text. */
#define INSIDE_BOTH                                                                                                    \
    { ACT "pos_embed", "pos_embed", NULL, false },                                                                     \
        { ACT "time_text_embed", "time_text_embed.timestep_embedder.linear_2", NULL, false },                          \
        { ACT "context_embedder", "context_embedder", NULL, false },                                                   \
        { ACT BLOCK "0.norm1.0", BLOCK "0.norm1", NULL, false },                                                       \
        { ACT BLOCK "0.norm1.1", BLOCK "0.norm1.gate_msa", NULL, false },                                              \
        { ACT BLOCK "0.norm1.2", BLOCK "0.norm1.shift_mlp", NULL, false },                                             \
        { ACT BLOCK "0.norm1.3", BLOCK "0.norm1.scale_mlp", NULL, false },                                             \
        { ACT BLOCK "0.norm1.4", BLOCK "0.norm1.gate_mlp", NULL, false },                                              \
        { ACT BLOCK "0.0", BLOCK "0.ff_context.gate", NULL, false },                                                   \
        { ACT BLOCK "0.1", BLOCK "0.ff.gate", NULL, false },                                                           \
        { ACT BLOCK "1.0", BLOCK "1.ff_context.gate", NULL, false },                                                   \
        { ACT BLOCK "1.1", BLOCK "1.ff.gate", NULL, false }, { ACT BLOCK "2.1", BLOCK "2.ff.gate", NULL, false },      \
        { ACT "norm_out", "norm_out", NULL, false }, {                                                                 \
        ACT "proj_out", "proj_out", NULL, false                                                                        \
    }

static void test_inside(void **state) {
    static const inner_value values[] = { INSIDE_BOTH };
    check_inside(*state, values, sizeof values / sizeof *values);
}

static void test_inside_dual(void **state) {
    static const inner_value values[] = {
        INSIDE_BOTH,
        { ACT BLOCK "0.norm1.5", BLOCK "0.norm1.dual", NULL, false },
        { ACT BLOCK "0.norm1.6", BLOCK "0.norm1.gate_msa2", NULL, false },
        { ACT BLOCK "2.0", BLOCK "2.ff_context.gate", NULL, false },
        { ACT BLOCK "3.1", BLOCK "3.ff.gate", NULL, false },
    };
    check_inside(*state, values, sizeof values / sizeof *values);
}

/* Config */

static df_code read_edited(const char *edit, df_mmdit_config *cfg, df_err *err) {
    return read_config(cfg, &df_class_mmdit, edited_config(golden_path("sd35", "transformer/config.json"), edit), err);
}

static void test_config_fields(void **state) {
    (void)state;
    df_mmdit_config cfg;
    df_err err;
    if (read_edited("{\"dual_attention_layers\": [2, 40], \"out_channels\": null}", &cfg, &err))
        fail_msg("%s", err.text);
    assert_int_equal(cfg.heads, 4);
    assert_int_equal(cfg.head_width, 16); /* attention_head_dim is the width of a head */
    assert_int_equal(cfg.width, 64);
    assert_int_equal(cfg.out_channels, cfg.in_channels);
    assert_true(cfg.qk_norm);
    assert_true(cfg.dual[2] && !cfg.dual[0] && !cfg.dual[1] && !cfg.dual[3]);
}

static void test_config_defaults(void **state) {
    (void)state;
    df_mmdit_config cfg;
    df_err err;
    if (read_edited("{\"qk_norm\": null, \"dual_attention_layers\": null, \"num_layers\": null, \"in_channels\": 4}",
                    &cfg, &err))
        fail_msg("%s", err.text);
    assert_false(cfg.qk_norm || cfg.dual[0]);
    assert_int_equal(cfg.layers, 18);
    assert_int_equal(cfg.out_channels, 16);
}

static void test_config_refuses(void **state) {
    (void)state;
    static const struct {
        const char *edit, *says;
    } cases[] = {
        { "{\"_class_name\": \"FluxTransformer2DModel\"}", "_class_name" },
        { "{\"qk_norm\": \"layer_norm\"}", "qk_norm" },
        { "{\"pos_embed_max_size\": null}", "pos_embed_max_size" },
        { "{\"pos_embed_max_size\": 7}", "pos_embed_max_size" },
        { "{\"caption_projection_dim\": 32}", "caption_projection_dim" },
        { "{\"num_attention_heads\": 32768, \"attention_head_dim\": 32768}", "limit" },
        { "{\"patch_size\": 3}", "patch_size" },
        { "{\"dual_attention_layers\": 1}", "dual_attention_layers" },
        { "{\"dual_attention_layers\": [\"all\"]}", "dual_attention_layers" },
        { "{\"dual_attention_layers\": [-1]}", "dual_attention_layers" },
        { "{\"guidance_embeds\": true}", "guidance_embeds" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_mmdit_config cfg = { 0 };
        df_err err = { 0 };
        if (!read_edited(cases[i].edit, &cfg, &err)) fail_msg("%s was taken", cases[i].edit);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: says '%s'", cases[i].edit, err.text);
        assert_int_equal(cfg.layers, 0); /* written on success only */
    }
}

/* Sizes */

static void refuses_size(int64_t h, int64_t w, const char *says) {
    df_mmdit_config cfg;
    df_err err;
    if (read_edited("{}", &cfg, &err)) fail_msg("%s", err.text);
    df_graph *g = df_graph_new("transformer");
    assert_non_null(g);
    df_mmdit_build(g, &cfg, h, w, 30);
    assert_int_equal(df_graph_finish(g, &err), DF_ESHAPE);
    if (!strstr(err.text, says)) fail_msg("says '%s'", err.text);
    df_graph_free(&g);
}

static void test_odd_size(void **state) {
    (void)state;
    refuses_size(16, 15, "multiples of 2");
}

static void test_larger_than_positions(void **state) {
    (void)state;
    refuses_size(16, 50, "24 x 24");
}

int main(void) {
    static test_case sd3_cpu = { "sd3", { "cpu", DF_F32, "cpu" } }, sd35_cpu = { "sd35", { "cpu", DF_F32, "cpu" } },
                     sd3_f32 = { "sd3", { "reference", DF_F32, "reference" } },
                     sd35_f32 = { "sd35", { "reference", DF_F32, "reference" } },
                     sd35_f64 = { "sd35", { "reference", DF_F64, "reference f64" } };
    const struct CMUnitTest tests[] = {
        { "sd3 reference", test_forwards, NULL, NULL, &sd3_f32 },
        { "sd3 cpu", test_forwards, NULL, NULL, &sd3_cpu },
        { "sd3 wide reference", test_wide, NULL, NULL, &sd3_f32 },
        { "sd3 wide cpu", test_wide, NULL, NULL, &sd3_cpu },
        { "sd3 inside reference", test_inside, NULL, NULL, &sd3_f32 },
        { "sd3 inside cpu", test_inside, NULL, NULL, &sd3_cpu },
        { "sd35 reference", test_forwards, NULL, NULL, &sd35_f32 },
        { "sd35 reference f64", test_forwards, NULL, NULL, &sd35_f64 },
        { "sd35 cpu", test_forwards, NULL, NULL, &sd35_cpu },
        { "sd35 wide reference", test_wide, NULL, NULL, &sd35_f32 },
        { "sd35 wide cpu", test_wide, NULL, NULL, &sd35_cpu },
        { "sd35 inside reference", test_inside_dual, NULL, NULL, &sd35_f32 },
        { "sd35 inside cpu", test_inside_dual, NULL, NULL, &sd35_cpu },
        cmocka_unit_test(test_config_fields),
        cmocka_unit_test(test_config_defaults),
        cmocka_unit_test(test_config_refuses),
        cmocka_unit_test(test_odd_size),
        cmocka_unit_test(test_larger_than_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
