/* Both halves of the autoencoder against the golden models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/models/component.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

static const double tolerance = 2e-5;

static df_model *open_model(const char *name) {
    df_model *m = NULL;
    df_err err;
    if (df_model_open(&m, model_folder_new(name), &err)) fail_msg("%s", err.text);
    return m;
}

static void check_half(const char *name, const backend_case *b, df_component half, const char *const names[4]) {
    const char *in_port = names[0], *in = names[1], *out_port = names[2], *out = names[3];
    golden *g = golden_open(name);
    df_model *m = open_model(name);
    const df_tensor_view *t = golden_view(g, half == DF_VAE_ENCODER ? out : in);
    component c = component_open(m, half, (int)t->dim[2], (int)t->dim[3], b, t->dim[0]);
    float *x = golden_f32(g, in, NULL);
    component_set(&c, in_port, x);
    component_run(&c);
    size_t n;
    float *y = component_get(&c, out_port, &n);
    golden_compare(g, out, y, n, tolerance);
    free(x);
    free(y);
    component_close(&c);
    df_model_close(&m);
    golden_close(&g);
}

static void check(const char *name, const backend_case *b) {
    static const char *const encode[] = { "image", "vae.image", "moments", "vae.moments" };
    static const char *const decode[] = { "z", "vae.z", "image", "vae.decoded" };
    check_half(name, b, DF_VAE_ENCODER, encode);
    check_half(name, b, DF_VAE_DECODER, decode);
}

static void test_sd15(void **state) {
    check("sd15", *state);
}

static void test_sd2(void **state) { /* historical names of the attention weights */
    check("sd2", *state);
}

static void test_sd3(void **state) { /* 16 channels, no convolution beside the latents */
    check("sd3", *state);
}

static void test_sd35(void **state) {
    check("sd35", *state);
}

/* Values of the golden that the fused graph still has. */
static const struct {
    const char *golden, *node;
} inner_values[] = {
    { "vae.act.decoder.conv_in", "decoder.conv_in" },
    { "vae.act.decoder.mid_block.resnets.0", "decoder.mid_block.resnets.0.conv2" },
    { "vae.act.decoder.mid_block.attentions.0", "decoder.mid_block.attentions.0.to_out.0" },
    { "vae.act.decoder.mid_block", "decoder.mid_block.resnets.1.conv2" },
    { "vae.act.decoder.up_blocks.0", "decoder.up_blocks.0.upsamplers.0.conv" },
};
enum { N_INNER = sizeof inner_values / sizeof inner_values[0] };

typedef struct tap {
    const golden *g;
    const component *c;
    int n_seen;
} tap;

static void on_node(void *ctx, const df_node *node, const void *out, int64_t n_rows) {
    tap *t = ctx;
    assert_int_equal(n_rows, 1);
    for (int i = 0; i < N_INNER; i++) {
        if (strcmp(inner_values[i].node, node->name) != 0) continue;
        const df_tensor_view *ref = golden_view(t->g, inner_values[i].golden);
        df_shape shape = DF_SHAPE(ref->dim[2], ref->dim[3], ref->dim[1]); /* also where the node has tokens */
        assert_int_equal(df_shape_elements(shape), df_shape_elements(df_graph_shape(t->c->graph, node->out)));
        float *x = malloc(sizeof *x * (size_t)ref->n_elements);
        assert_non_null(x);
        component_row(x, out, &shape, t->c->dtype);
        golden_compare(t->g, inner_values[i].golden, x, (size_t)ref->n_elements, tolerance);
        free(x);
        t->n_seen++;
    }
}

static void test_inside(void **state) {
    golden *g = golden_open("sd15");
    df_model *m = open_model("sd15");
    const df_tensor_view *z = golden_view(g, "vae.z");
    component c = component_open(m, DF_VAE_DECODER, (int)z->dim[2], (int)z->dim[3], *state, 1);
    float *x = golden_f32(g, "vae.z", NULL);
    tap t = { .g = g, .c = &c };
    df_stage_set_tap(c.stage, on_node, &t);
    component_set(&c, "z", x);
    component_run(&c);
    assert_int_equal(t.n_seen, N_INNER);
    free(x);
    component_close(&c);
    df_model_close(&m);
    golden_close(&g);
}

int main(void) {
    static backend_case cpu = { "cpu", DF_F32, "cpu" }, f32 = { "reference", DF_F32, "reference" },
                        f64 = { "reference", DF_F64, "reference f64" };
    const struct CMUnitTest tests[] = {
        { "sd15 reference", test_sd15, NULL, NULL, &f32 }, { "sd15 reference f64", test_sd15, NULL, NULL, &f64 },
        { "sd15 cpu", test_sd15, NULL, NULL, &cpu },       { "sd2 reference", test_sd2, NULL, NULL, &f32 },
        { "sd2 cpu", test_sd2, NULL, NULL, &cpu },         { "sd3 reference", test_sd3, NULL, NULL, &f32 },
        { "sd3 cpu", test_sd3, NULL, NULL, &cpu },         { "sd35 reference", test_sd35, NULL, NULL, &f32 },
        { "sd35 cpu", test_sd35, NULL, NULL, &cpu },       { "inside reference", test_inside, NULL, NULL, &f32 },
        { "inside cpu", test_inside, NULL, NULL, &cpu },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
