/* The autoencoder with a codebook against the golden models: both halves, the rows that are taken, and its config. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/models/component_classes.h"
#include "engine/models/vq.h"
#include "tests/engine/models/edited_config.h"
#include "tests/engine/models/inner.h"

static const double tolerance = 2e-5;

typedef void (*build_fn)(df_graph *g, const df_vq_config *cfg, int64_t latent_h, int64_t latent_w);

static component open_half(const char *name, build_fn build, const df_tensor_view *latent, const backend_case *b) {
    df_vq_config cfg;
    df_err err;
    if (read_config(&cfg, &df_class_vq, golden_path(name, "vqvae/config.json"), &err)) fail_msg("%s", err.text);
    df_graph *g = df_graph_new("vqvae");
    assert_non_null(g);
    build(g, &cfg, latent->dim[2], latent->dim[3]);
    return component_of_graph(g, golden_path(name, "vqvae"), b, latent->dim[0]);
}

static void run(component *c, const golden *g, const char *port, const char *in) {
    float *x = golden_f32(g, in, NULL);
    component_set(c, port, x);
    component_run(c);
    free(x);
}

static void compare(component *c, const golden *g, const char *port, const char *ref) {
    size_t n;
    float *y = component_get(c, port, &n);
    golden_compare(g, ref, y, n, tolerance);
    free(y);
}

static void check(const char *name, const backend_case *b) {
    static const inner_value rows[] = { { "vq.quantized", "quantize.embedding", NULL, false } };
    golden *g = golden_open(name);
    component encoder = open_half(name, df_vq_encoder_build, golden_view(g, "vq.encoded"), b);
    run(&encoder, g, "image", "vq.image");
    compare(&encoder, g, "encoded", "vq.encoded");
    component_close(&encoder);

    component decoder = open_half(name, df_vq_decoder_build, golden_view(g, "vq.z"), b);
    inner_tap *t = inner_tap_open(&decoder, g, rows, 1);
    run(&decoder, g, "z", "vq.z");
    inner_tap_check(t, tolerance);
    compare(&decoder, g, "image", "vq.decoded");
    component_close(&decoder);
    golden_close(&g);
}

static void test_ldm_uncond(void **state) {
    check("ldm_uncond", *state);
}

static void test_ldm_sr(void **state) {
    check("ldm_sr", *state);
}

/* The rows taken */

typedef struct taken {
    const float *codes; /* [n_codes][width] */
    int64_t n_codes, width;
    int32_t *index; /* [n]; -1 where no row is equal */
    int64_t n;
} taken;

static int32_t row_of(const taken *t, const float *x) {
    for (int32_t v = 0; v < t->n_codes; v++)
        if (memcmp(t->codes + v * t->width, x, sizeof *x * (size_t)t->width) == 0) return v;
    return -1;
}

static void on_node(void *ctx, const df_node *node, const void *out, int64_t n_rows) {
    taken *t = ctx;
    if (node->op != DF_OP_QUANTIZE) return;
    assert_int_equal(n_rows, 1);
    for (int64_t i = 0; i < t->n; i++) t->index[i] = row_of(t, (const float *)out + i * t->width);
}

static void read_codes(taken *t, const char *name, float **codes) {
    df_weights *w = NULL;
    df_err err;
    if (df_weights_open(&w, golden_path(name, "vqvae"), "diffusion_pytorch_model", &err)) fail_msg("%s", err.text);
    const df_tensor_view *v = df_weights_find(w, "quantize.embedding.weight");
    assert_non_null(v);
    *codes = malloc(sizeof **codes * (size_t)v->n_elements);
    assert_non_null(*codes);
    if (df_weights_read_f32(w, "quantize.embedding.weight", v->dim, 2, *codes, &err)) fail_msg("%s", err.text);
    t->codes = *codes;
    t->n_codes = v->dim[0];
    t->width = v->dim[1];
    df_weights_close(&w);
}

static void test_indices(void **state) {
    static const char *const names[] = { "ldm_uncond", "ldm_sr" };
    for (int i = 0; i < 2; i++) {
        golden *g = golden_open(names[i]);
        taken t = { .n = golden_view(g, "vq.indices")->n_elements };
        float *codes = NULL;
        read_codes(&t, names[i], &codes);
        t.index = malloc(sizeof *t.index * (size_t)t.n);
        assert_non_null(t.index);
        component c = open_half(names[i], df_vq_decoder_build, golden_view(g, "vq.z"), *state);
        df_stage_set_tap(c.stage, on_node, &t);
        run(&c, g, "z", "vq.z");
        golden_compare_i32(g, "vq.indices", t.index, (size_t)t.n);
        component_close(&c);
        free(t.index);
        free(codes);
        golden_close(&g);
    }
}

/* Config */

static df_code read_edited(const char *edit, df_vq_config *cfg, df_err *err) {
    return read_config(cfg, &df_class_vq, edited_config(golden_path("ldm_uncond", "vqvae/config.json"), edit), err);
}

static void test_config_fields(void **state) {
    (void)state;
    df_vq_config cfg;
    df_err err;
    if (read_edited("{\"num_vq_embeddings\": 77, \"vq_embed_dim\": null}", &cfg, &err)) fail_msg("%s", err.text);
    assert_int_equal(cfg.n_codes, 77);
    assert_int_equal(cfg.code_width, 3); /* latent_channels */
    assert_int_equal(df_vae_config_factor(&cfg.way), 4);
    assert_true(cfg.way.scaling_factor == 34);
}

/* Rows of the codebook may be wider than the latents of the two ways. */
static void test_code_width(void **state) {
    (void)state;
    df_vq_config cfg;
    df_err err;
    if (read_edited("{\"vq_embed_dim\": 5}", &cfg, &err)) fail_msg("%s", err.text);
    df_graph *encoder = df_graph_new("encoder"), *decoder = df_graph_new("decoder");
    assert_true(encoder && decoder);
    df_vq_encoder_build(encoder, &cfg, 4, 6);
    df_vq_decoder_build(decoder, &cfg, 4, 6);
    if (df_graph_finish(encoder, &err) || df_graph_finish(decoder, &err)) fail_msg("%s", err.text);
    df_shape encoded = df_graph_shape(encoder, df_graph_find_output(encoder, "encoded"));
    df_shape z = df_graph_shape(decoder, df_graph_find_input(decoder, "z"));
    df_shape image = df_graph_shape(decoder, df_graph_find_output(decoder, "image"));
    assert_int_equal(encoded.dim[2], 5);
    assert_int_equal(z.dim[2], 5);
    assert_int_equal(image.dim[0], 16);
    assert_int_equal(image.dim[1], 24);
    df_graph_free(&encoder);
    df_graph_free(&decoder);
}

static void test_config_refuses(void **state) {
    (void)state;
    static const struct {
        const char *edit, *says;
    } cases[] = {
        { "{\"_class_name\": \"AutoencoderKL\"}", "_class_name" },
        { "{\"act_fn\": \"relu\"}", "act_fn" },
        { "{\"norm_type\": \"spatial\"}", "norm_type" },
        { "{\"in_channels\": 1}", "in_channels" },
        { "{\"num_vq_embeddings\": 0}", "num_vq_embeddings" },
        { "{\"vq_embed_dim\": -1}", "vq_embed_dim" },
        { "{\"scaling_factor\": 0}", "scaling_factor" },
        { "{\"down_block_types\": [\"AttnDownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\"]}",
          "AttnDownEncoderBlock2D" },
        { "{\"up_block_types\": []}", "up_block_types" },
        { "{\"remap\": 1}", "remap" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_vq_config cfg = { 0 };
        df_err err = { 0 };
        if (!read_edited(cases[i].edit, &cfg, &err)) fail_msg("%s was taken", cases[i].edit);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: says '%s'", cases[i].edit, err.text);
        assert_int_equal(cfg.n_codes, 0); /* written on success only */
    }
}

int main(void) {
    static backend_case cpu = { "cpu", DF_F32, "cpu" }, f32 = { "reference", DF_F32, "reference" },
                        f64 = { "reference", DF_F64, "reference f64" };
    const struct CMUnitTest tests[] = {
        { "ldm_uncond reference", test_ldm_uncond, NULL, NULL, &f32 },
        { "ldm_uncond reference f64", test_ldm_uncond, NULL, NULL, &f64 },
        { "ldm_uncond cpu", test_ldm_uncond, NULL, NULL, &cpu },
        { "ldm_sr reference", test_ldm_sr, NULL, NULL, &f32 },
        { "ldm_sr cpu", test_ldm_sr, NULL, NULL, &cpu },
        { "indices reference", test_indices, NULL, NULL, &f32 },
        { "indices cpu", test_indices, NULL, NULL, &cpu },
        cmocka_unit_test(test_config_fields),
        cmocka_unit_test(test_code_width),
        cmocka_unit_test(test_config_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
