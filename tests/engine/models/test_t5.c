/* The T5 text encoder against the golden model: every token's state, what goes on inside, and what its config may say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/models/component_classes.h"
#include "engine/models/t5.h"
#include "tests/engine/models/edited_config.h"
#include "tests/engine/models/inner.h"

static const double tolerance = 2e-5;
enum { N_PROMPTS = 6, N_TOKENS = 96 }; /* of t5.ids */

typedef struct bench {
    golden *g;
    df_model *m;
    component c;
} bench;

/* For n_rows prompts. */
static bench bench_open(const backend_case *b, int64_t n_rows) {
    bench o = { .g = golden_open("sd3") };
    df_err err;
    if (df_model_open(&o.m, golden_path("sd3", ""), &err)) fail_msg("%s", err.text);
    o.c = component_open(o.m, DF_TEXT_ENCODER_3, N_TOKENS, 0, b, n_rows);
    return o;
}

static void bench_close(bench *b) {
    component_close(&b->c);
    df_model_close(&b->m);
    golden_close(&b->g);
}

static void run(bench *b, int64_t first) {
    size_t n;
    int32_t *ids = golden_i32(b->g, "t5.ids", &n);
    assert_int_equal(n, N_PROMPTS * N_TOKENS);
    component_set_ids(&b->c, "ids", ids + first * N_TOKENS);
    component_run(&b->c);
    free(ids);
}

static void test_states(void **state) {
    bench b = bench_open(*state, N_PROMPTS);
    size_t n;
    run(&b, 0);
    float *last = component_get(&b.c, "last_hidden_state", &n);
    golden_compare(b.g, "t5.last_hidden_state", last, n, tolerance);
    free(last);
    bench_close(&b);
}

static void test_inside(void **state) {
    static const inner_value values[] = {
        { "t5.act.encoder.block.0.layer.0", "encoder.block.0.layer.0.SelfAttention.o", NULL, false },
        { "t5.act.encoder.block.0", "encoder.block.0.layer.1.DenseReluDense.wo", NULL, false },
        { "t5.act.encoder.final_layer_norm", "encoder.final_layer_norm", NULL, false },
    };
    bench b = bench_open(*state, 1);
    inner_tap *t = inner_tap_open(&b.c, b.g, values, sizeof values / sizeof *values);
    run(&b, 1); /* the golden keeps those of prompt 1 */
    inner_tap_check(t, tolerance);
    bench_close(&b);
}

/* Config */

static df_code read_edited(const char *edit, df_t5_config *cfg, df_err *err) {
    return read_config(cfg, &df_class_t5, edited_config(golden_path("sd3", "text_encoder_3/config.json"), edit), err);
}

static void test_feed_forwards(void **state) {
    (void)state;
    static const struct {
        const char *edit;
        bool gated;
        df_act act;
    } cases[] = {
        { "{}", true, DF_ACT_GELU_TANH },
        { "{\"feed_forward_proj\": null}", false, DF_ACT_RELU },
        { "{\"feed_forward_proj\": \"relu\", \"dense_act_fn\": \"gelu_new\"}", false, DF_ACT_RELU },
        { "{\"feed_forward_proj\": \"gated-silu\"}", true, DF_ACT_SILU },
        { "{\"feed_forward_proj\": \"gelu\"}", false, DF_ACT_GELU },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_t5_config cfg;
        df_err err;
        if (read_edited(cases[i].edit, &cfg, &err)) fail_msg("%s", err.text);
        assert_int_equal(cfg.gated, cases[i].gated);
        assert_int_equal(cfg.act, cases[i].act);
        assert_int_equal(cfg.attention_width, 32); /* 4 heads of 8, in a model 64 wide */
    }
}

static bool asks_for(const df_graph *g, const char *weight) {
    for (int i = 0; i < g->n_weights; i++)
        if (strcmp(g->weights[i].name, weight) == 0) return true;
    return false;
}

/* The feed-forward of the first T5, which the golden does not have. */
static void test_plain_feed_forward(void **state) {
    (void)state;
    df_t5_config cfg;
    df_err err;
    if (read_edited("{\"feed_forward_proj\": \"relu\"}", &cfg, &err)) fail_msg("%s", err.text);
    df_graph *g = df_graph_new("text_encoder_3");
    assert_non_null(g);
    df_t5_build(g, &cfg, 5);
    if (df_graph_finish(g, &err)) fail_msg("%s", err.text);
    assert_true(asks_for(g, "encoder.block.1.layer.1.DenseReluDense.wi.weight"));
    assert_false(asks_for(g, "encoder.block.1.layer.1.DenseReluDense.wi_1.weight"));
    df_graph_free(&g);
}

static void test_config_refuses(void **state) {
    (void)state;
    static const struct {
        const char *edit, *says;
    } cases[] = {
        { "{\"model_type\": \"umt5\"}", "model_type" },
        { "{\"architectures\": [\"UMT5EncoderModel\"]}", "architectures" },
        { "{\"is_decoder\": true}", "is_decoder" },
        { "{\"feed_forward_proj\": \"gated-tanh\"}", "feed_forward_proj" },
        { "{\"num_heads\": 32768, \"d_kv\": 32768}", "limit" },
        { "{\"relative_attention_num_buckets\": 2}", "relative_attention_num_buckets" },
        { "{\"relative_attention_max_distance\": 8}", "relative_attention_max_distance" },
        { "{\"layer_norm_epsilon\": 0}", "layer_norm_epsilon" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_t5_config cfg = { 0 };
        df_err err = { 0 };
        if (!read_edited(cases[i].edit, &cfg, &err)) fail_msg("%s was taken", cases[i].edit);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: says '%s'", cases[i].edit, err.text);
        assert_int_equal(cfg.n_layers, 0); /* written on success only */
    }
}

int main(void) {
    static backend_case cpu = { "cpu", DF_F32, "cpu" }, f32 = { "reference", DF_F32, "reference" },
                        f64 = { "reference", DF_F64, "reference f64" };
    const struct CMUnitTest tests[] = {
        { "reference", test_states, NULL, NULL, &f32 },  { "reference f64", test_states, NULL, NULL, &f64 },
        { "cpu", test_states, NULL, NULL, &cpu },        { "inside reference", test_inside, NULL, NULL, &f32 },
        { "inside cpu", test_inside, NULL, NULL, &cpu }, cmocka_unit_test(test_feed_forwards),
        cmocka_unit_test(test_plain_feed_forward),       cmocka_unit_test(test_config_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
