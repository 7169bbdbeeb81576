/* Models that take no text, opened as whole folders: what they say of themselves, their ports, and what does not fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/models/model.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

static df_model *open_model(const char *name) {
    df_model *m = NULL;
    df_err err;
    if (df_model_open(&m, model_folder_new(name), &err)) fail_msg("%s", err.text);
    return m;
}

static df_graph *graph_of(const df_model *m, df_component c, int h, int w) {
    df_graph *g = NULL;
    df_err err;
    if (df_model_graph(m, c, h, w, &g, &err)) fail_msg("%s", err.text);
    return g;
}

static void check_port(const df_graph *g, const char *name, bool input, df_shape want) {
    df_value_id v = input ? df_graph_find_input(g, name) : df_graph_find_output(g, name);
    if (v < 0) fail_msg("%s has no port '%s'", g->name, name);
    df_shape have = df_graph_shape(g, v);
    assert_int_equal(have.rank, want.rank);
    for (int i = 0; i < want.rank; i++) assert_int_equal(have.dim[i], want.dim[i]);
}

static void check_no_text(const df_model *m) {
    const df_model_info *i = df_model_info_of(m);
    assert_int_equal(i->max_tokens, 0);
    assert_int_equal(i->text_width, 0);
    assert_int_equal(i->context_tokens, 0);
    assert_null(df_model_tokenizer(m));
    assert_false(df_model_has(m, DF_TEXT_ENCODER));
}

static void test_ddpm(void **state) {
    (void)state;
    df_model *m = open_model("ddpm");
    const df_model_info *i = df_model_info_of(m);
    check_no_text(m);
    assert_int_equal(i->latent_channels, 3); /* the pixels themselves */
    assert_int_equal(i->vae_factor, 1);
    assert_true(i->scaling_factor == 1);
    assert_int_equal(i->default_width, 16);
    assert_false(df_model_has(m, DF_VAE_DECODER));
    df_graph *g = NULL;
    df_err err;
    assert_int_equal(df_model_graph(m, DF_VAE_DECODER, 16, 16, &g, &err), DF_EUNSUPPORTED);
    g = graph_of(m, DF_DENOISER, 16, 24);
    check_port(g, "sample", true, DF_SHAPE(16, 24, 3));
    check_port(g, "out", false, DF_SHAPE(16, 24, 3));
    df_graph_free(&g);
    df_model_close(&m);
}

static void test_ldm_uncond(void **state) {
    (void)state;
    df_model *m = open_model("ldm_uncond");
    const df_model_info *i = df_model_info_of(m);
    check_no_text(m);
    assert_int_equal(i->latent_channels, 3);
    assert_int_equal(i->vae_factor, 4);
    assert_true(i->scaling_factor == 34);
    assert_true(df_model_facts(m, DF_VAE_ENCODER)->autoencoder.quantizes);
    df_graph *g = graph_of(m, DF_VAE_ENCODER, 4, 6);
    check_port(g, "image", true, DF_SHAPE(16, 24, 3));
    check_port(g, "encoded", false, DF_SHAPE(4, 6, 3));
    df_graph_free(&g);
    df_model_close(&m);
}

static void test_ldm_sr(void **state) {
    (void)state;
    df_model *m = open_model("ldm_sr");
    check_no_text(m);
    assert_int_equal(df_model_info_of(m)->latent_channels, 3);
    assert_int_equal(df_model_info_of(m)->input_channels, 6);
    df_graph *g = graph_of(m, DF_DENOISER, 8, 12);
    check_port(g, "sample", true, DF_SHAPE(8, 12, 6));
    check_port(g, "out", false, DF_SHAPE(8, 12, 3));
    df_graph_free(&g);
    df_model_close(&m);
}

static void test_dit(void **state) {
    (void)state;
    df_model *m = open_model("dit");
    const df_model_info *i = df_model_info_of(m);
    check_no_text(m);
    assert_int_equal(i->n_classes, 1001); /* with the null class */
    assert_int_equal(i->size_multiple, 8); /* 4 of the autoencoder, 2 of the patches */
    assert_string_equal(df_model_component_name(m, DF_DENOISER), "transformer");
    df_graph *g = graph_of(m, DF_DENOISER, 8, 12);
    check_port(g, "sample", true, DF_SHAPE(8, 12, 4));
    check_port(g, "class_labels", true, DF_SHAPE(1));
    check_port(g, "out", false, DF_SHAPE(8, 12, 8));
    df_graph_free(&g);
    df_err err;
    assert_int_equal(df_model_graph(m, DF_DENOISER, 8, 11, &g, &err), DF_EINVAL);
    df_model_close(&m);
}

/* Super-resolution does not look at the factor; published configs leave it to a default that is not 1. */
static void test_ldm_sr_unscaled(void **state) {
    (void)state;
    const char *dir = model_folder_new("ldm_sr");
    df_model *m = NULL;
    df_err err;
    model_folder_set(dir, "vqvae/config.json", "scaling_factor", NULL);
    if (df_model_open(&m, dir, &err)) fail_msg("%s", err.text);
    assert_true(df_model_info_of(m)->scaling_factor == 1);
    df_model_close(&m);
}

/* The class name that published DiT folders have. */
static void test_old_name(void **state) {
    (void)state;
    const char *dir = model_folder_new("dit");
    df_model *m = NULL;
    df_err err;
    model_folder_set(dir, "model_index.json", "transformer", "[\"diffusers\", \"Transformer2DModel\"]");
    model_folder_set(dir, "transformer/config.json", "_class_name", "\"Transformer2DModel\"");
    if (df_model_open(&m, dir, &err)) fail_msg("%s", err.text);
    df_model_close(&m);
}

static void test_misfits(void **state) {
    (void)state;
    static const struct {
        const char *model, *file, *key, *value, *says;
    } cases[] = {
        { "ldm_sr", "model_index.json", "_class_name", "\"LDMPipeline\"", "in_channels" },
        { "ddpm", "model_index.json", "unet", "[\"diffusers\", \"UNet2DConditionModel\"]", "UNet2DModel" },
        { "ldm_uncond", "model_index.json", "vqvae", NULL, "vqvae" },
        { "ldm_uncond", "unet/config.json", "attention_head_dim", "5", "attention_head_dim" },
        { "ldm_uncond", "vqvae/config.json", "num_vq_embeddings", "65", "quantize.embedding.weight" },
        { "dit", "transformer/config.json", "num_embeds_ada_norm", "999", "embedding_table.weight" },
        { "dit", "transformer/config.json", "out_channels", "12", "out_channels" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *dir = model_folder_new(cases[i].model);
        df_model *m = NULL;
        df_err err = { 0 };
        model_folder_set(dir, cases[i].file, cases[i].key, cases[i].value);
        if (!df_model_open(&m, dir, &err)) fail_msg("%s with '%s' opens", cases[i].model, cases[i].key);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: says '%s'", cases[i].key, err.text);
        assert_null(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ddpm),    cmocka_unit_test(test_ldm_uncond),
        cmocka_unit_test(test_ldm_sr),  cmocka_unit_test(test_ldm_sr_unscaled),
        cmocka_unit_test(test_dit),     cmocka_unit_test(test_old_name),
        cmocka_unit_test(test_misfits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
