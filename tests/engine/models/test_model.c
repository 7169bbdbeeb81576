/* Opening model folders: what they say of themselves, and every way in which one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "engine/models/model.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

static void test_starter(void **state) {
    (void)state;
    df_model *m = NULL;
    df_err err;
    if (df_model_open(&m, golden_source_path("models/starter"), &err)) fail_msg("%s", err.text);
    const df_model_info *i = df_model_info_of(m);
    assert_int_equal(i->latent_channels, 4);
    assert_int_equal(i->vae_factor, 4);
    assert_int_equal(i->size_multiple, 4);
    assert_int_equal(i->default_width, 64);
    assert_int_equal(i->default_height, 64);
    assert_int_equal(i->max_tokens, 77);
    assert_int_equal(i->vocab_size, 3114);
    assert_int_equal(i->text_width, 128);
    assert_true(i->scaling_factor == 0.9074615240097046);
    assert_string_equal(i->pipeline_class, "StableDiffusionPipeline");
    assert_int_equal(df_model_scheduler(m)->klass, DF_SCHEDULER_DPMPP_MULTISTEP);
    assert_true(strstr(df_model_scheduler_path(m), "scheduler/scheduler_config.json") != NULL);
    df_model_close(&m);
    assert_null(m);
}

static df_value_id port(const df_graph *g, const char *name, bool input) {
    df_value_id v = input ? df_graph_find_input(g, name) : df_graph_find_output(g, name);
    if (v < 0) fail_msg("%s has no port '%s'", g->name, name);
    return v;
}

static void check_port(const df_graph *g, const char *name, bool input, df_shape want) {
    df_shape have = df_graph_shape(g, port(g, name, input));
    assert_int_equal(have.rank, want.rank);
    for (int i = 0; i < want.rank; i++) assert_int_equal(have.dim[i], want.dim[i]);
}

static void test_ports(void **state) {
    (void)state;
    df_model *m = NULL;
    df_graph *g = NULL;
    df_err err;
    if (df_model_open(&m, golden_source_path("models/starter"), &err)) fail_msg("%s", err.text);
    assert_int_equal(df_model_graph(m, DF_TEXT_ENCODER, 0, 0, &g, &err), DF_OK);
    check_port(g, "ids", true, DF_SHAPE(77));
    check_port(g, "hidden.0", false, DF_SHAPE(77, 128));
    check_port(g, "hidden.3", false, DF_SHAPE(77, 128));
    check_port(g, "last_hidden_state", false, DF_SHAPE(77, 128));
    df_graph_free(&g);
    assert_int_equal(df_model_graph(m, DF_UNET, 12, 20, &g, &err), DF_OK);
    check_port(g, "sample", true, DF_SHAPE(12, 20, 4));
    check_port(g, "timestep", true, DF_SHAPE(1));
    check_port(g, "encoder_hidden_states", true, DF_SHAPE(77, 128));
    check_port(g, "out", false, DF_SHAPE(12, 20, 4));
    df_graph_free(&g);
    assert_int_equal(df_model_graph(m, DF_VAE_ENCODER, 12, 20, &g, &err), DF_OK);
    check_port(g, "image", true, DF_SHAPE(48, 80, 3));
    check_port(g, "moments", false, DF_SHAPE(12, 20, 8));
    df_graph_free(&g);
    assert_int_equal(df_model_graph(m, DF_VAE_DECODER, 12, 20, &g, &err), DF_OK);
    check_port(g, "z", true, DF_SHAPE(12, 20, 4));
    check_port(g, "image", false, DF_SHAPE(48, 80, 3));
    df_graph_free(&g);
    df_model_close(&m);
}

static void test_sizes_out_of_range(void **state) {
    (void)state;
    static const int sizes[][2] = { { 0, 16 }, { 16, -1 }, { 1 << 20, 16 }, { 16, 1 << 30 } };
    df_model *m = NULL;
    df_graph *g = NULL;
    df_err err;
    if (df_model_open(&m, golden_source_path("models/starter"), &err)) fail_msg("%s", err.text);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(df_model_graph(m, DF_UNET, sizes[i][0], sizes[i][1], &g, &err), DF_EINVAL);
        assert_null(g);
    }
    df_model_close(&m);
}

static void sha_of(const char *dir, char hex[DF_SHA256_HEX_BYTES]) {
    df_model *m = NULL;
    df_err err;
    if (df_model_open(&m, dir, &err)) fail_msg("%s", err.text);
    if (df_model_sha256(m, hex, &err)) fail_msg("%s", err.text);
    df_model_close(&m);
}

static void test_sha256(void **state) {
    (void)state;
    char here[DF_SHA256_HEX_BYTES], there[DF_SHA256_HEX_BYTES];
    const char *copy = model_folder_new("starter");
    sha_of(golden_source_path("models/starter"), here);
    assert_int_equal(strlen(here), 64);
    sha_of(copy, there);
    assert_string_equal(here, there); /* where it lies does not count */
    model_folder_set(copy, "unet/config.json", "_diffusers_version", "\"0\"");
    sha_of(copy, there);
    assert_string_not_equal(here, there); /* what it says does */
}

/* As anybody would check it by hand. */
static void test_sha256_by_hand(void **state) {
    (void)state;
    static const char command[] = "cd '%s' && LC_ALL=C && export LC_ALL && sha256sum $(find . -type f ! -name "
                                  "README.md ! -name diffarm-int8.json | sed 's|^\\./||' | sort)"
                                  " | sha256sum";
    char line[4096], hex[DF_SHA256_HEX_BYTES];
    snprintf(line, sizeof line, command, golden_source_path("models/starter"));
    FILE *f = popen(line, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    assert_int_equal(pclose(f), 0);
    sha_of(golden_source_path("models/starter"), hex);
    assert_memory_equal(line, hex, 64);
}

static void refused(const char *dir, df_code code, const char *const *words) {
    df_model *m = NULL;
    df_err err = { 0 };
    df_code rc = df_model_open(&m, dir, &err);
    if (rc != code) fail_msg("%s instead of %s: %s", df_code_name(rc), df_code_name(code), err.text);
    assert_null(m);
    for (; *words; words++)
        if (!strstr(err.text, *words)) fail_msg("'%s' is not in: %s", *words, err.text);
}

/* One field of a config, changed. */
static const struct {
    const char *file, *field, *value;
    df_code code;
    const char *words[5];
} config_cases[] = {
    { "unet/config.json", "act_fn", "\"mish\"", DF_EUNSUPPORTED, { "unet/config.json", "act_fn", "mish" } },
    { "unet/config.json", "class_embed_type", "\"timestep\"", DF_EUNSUPPORTED, { "class_embed_type" } },
    { "unet/config.json", "addition_embed_type", "\"text_time\"", DF_EFORMAT, { "needs 'addition_time_embed_dim'" } },
    { "unet/config.json", "addition_embed_type", "\"image\"", DF_EUNSUPPORTED, { "addition_embed_type", "image" } },
    { "unet/config.json", "addition_time_embed_dim", "256", DF_EUNSUPPORTED, { "addition_time_embed_dim" } },
    { "unet/config.json", "num_class_embeds", "1000", DF_EUNSUPPORTED, { "num_class_embeds", "gives no class" } },
    { "unet/config.json", "time_cond_proj_dim", "256", DF_EUNSUPPORTED, { "time_cond_proj_dim" } },
    { "unet/config.json", "num_attention_heads", "4", DF_EUNSUPPORTED, { "num_attention_heads" } },
    { "unet/config.json", "dual_cross_attention", "true", DF_EUNSUPPORTED, { "dual_cross_attention" } },
    { "unet/config.json", "only_cross_attention", "\"yes\"", DF_EFORMAT, { "only_cross_attention" } },
    { "unet/config.json", "only_cross_attention", "[true]", DF_EFORMAT, { "only_cross_attention", "has 1", "has 3" } },
    { "unet/config.json", "resnet_out_scale_factor", "0.5", DF_EUNSUPPORTED, { "resnet_out_scale_factor", "0.5" } },
    { "unet/config.json", "mid_block_scale_factor", "1.5", DF_EUNSUPPORTED, { "mid_block_scale_factor" } },
    { "unet/config.json", "downsample_padding", "0", DF_EUNSUPPORTED, { "downsample_padding" } },
    { "unet/config.json", "resnet_time_scale_shift", "\"scale_shift\"", DF_EUNSUPPORTED, { "scale_shift" } },
    { "unet/config.json", "mid_block_type", "\"UNetMidBlock2D\"", DF_EUNSUPPORTED, { "mid_block_type" } },
    { "unet/config.json",
      "down_block_types",
      "[\"CrossAttnDownBlock2D\",\"AttnDownBlock2D\",\"DownBlock2D\"]",
      DF_EUNSUPPORTED,
      { "down_block_types", "AttnDownBlock2D" } },
    { "unet/config.json", "up_block_types", "[\"UpBlock2D\"]", DF_EFORMAT, { "up_block_types", "has 1", "has 3" } },
    { "unet/config.json", "mid_block_type", "null", DF_EUNSUPPORTED, { "mid_block_type", "null" } },
    { "unet/config.json", "freeu", "{\"s1\": 0.9}", DF_EUNSUPPORTED, { "unet/config.json", "'freeu'" } },
    { "unet/config.json", "conv_in_kernel", "2", DF_EUNSUPPORTED, { "conv_in_kernel" } },
    { "unet/config.json", "attention_head_dim", "7", DF_EUNSUPPORTED, { "attention_head_dim", "7" } },
    { "unet/config.json", "norm_eps", "0", DF_EFORMAT, { "norm_eps" } },
    { "unet/config.json", "in_channels", "9", DF_EUNSUPPORTED, { "in_channels", "9" } },
    { "unet/config.json", "cross_attention_dim", "64", DF_ESHAPE, { "cross_attention_dim", "64", "128" } },
    { "unet/config.json", "_class_name", "\"UNet3DConditionModel\"", DF_EUNSUPPORTED, { "UNet3DConditionModel" } },
    /* hostile: refused by the bound of the field, before anything is built or allocated */
    { "unet/config.json", "block_out_channels", "[64, 128, 1000000000]", DF_EINVAL, { "block_out_channels" } },
    { "unet/config.json", "layers_per_block", "2000000000", DF_EINVAL, { "layers_per_block" } },
    { "unet/config.json", "layers_per_block", "128", DF_ELIMIT, { "layers_per_block", "512" } },
    { "unet/config.json", "sample_size", "1000000000", DF_EINVAL, { "sample_size" } },
    { "unet/config.json", "block_out_channels", "[64,64,64,64,64,64,64,64,64]", DF_EUNSUPPORTED, { "has 9" } },
    /* in bounds, but not what the file holds */
    { "unet/config.json", "block_out_channels", "[64, 128, 32640]", DF_ESHAPE, { "unet/", "the config needs" } },
    { "unet/config.json", "norm_num_groups", "48", DF_ESHAPE, { "down_blocks.0" } },
    { "vae/config.json", "act_fn", "\"gelu\"", DF_EUNSUPPORTED, { "vae/config.json", "act_fn", "gelu" } },
    { "vae/config.json", "shift_factor", "0.1", DF_EUNSUPPORTED, { "shift_factor" } },
    { "vae/config.json", "latents_mean", "[1,2,3,4]", DF_EUNSUPPORTED, { "latents_mean" } },
    { "vae/config.json", "scaling_factor", "\"NaN\"", DF_EFORMAT, { "scaling_factor" } },
    { "vae/config.json",
      "down_block_types",
      "[\"DownEncoderBlock2D\",\"AttnDownEncoderBlock2D\",\"DownEncoderBlock2D\"]",
      DF_EUNSUPPORTED,
      { "AttnDownEncoderBlock2D" } },
    { "vae/config.json", "_class_name", "\"VQModel\"", DF_EUNSUPPORTED, { "VQModel", "AutoencoderKL" } },
    { "vae/config.json", "latent_channels", "16", DF_EUNSUPPORTED, { "in_channels", "16" } },
    { "text_encoder/config.json", "hidden_act", "\"relu\"", DF_EUNSUPPORTED, { "hidden_act", "relu" } },
    { "text_encoder/config.json", "num_attention_heads", "3", DF_EFORMAT, { "hidden_size", "num_attention_heads" } },
    { "text_encoder/config.json",
      "architectures",
      "[\"CLIPTextModelWithProjection\"]",
      DF_EUNSUPPORTED,
      { "CLIPTextModelWithProjection" } },
    { "text_encoder/config.json", "vocab_size", "2000", DF_ESHAPE, { "vocab_size", "2000" } },
    { "text_encoder/config.json", "num_hidden_layers", "4", DF_ENOTFOUND, { "text_encoder/", "layers.3", "missing" } },
    { "text_encoder/config.json", "intermediate_size", "256", DF_ESHAPE, { "mlp.fc1", "[512, 128]", "[256, 128]" } },
    { "model_index.json",
      "_class_name",
      "\"StableCascadeDecoderPipeline\"",
      DF_EUNSUPPORTED,
      { "model_index.json", "StableCascadeDecoderPipeline", "StableDiffusionPipeline", "StableDiffusionXLPipeline" } },
    { "model_index.json",
      "_class_name",
      "\"StableDiffusionXLPipeline\"",
      DF_EFORMAT,
      { "model_index.json", "text_encoder_2", "missing", "StableDiffusionXLPipeline" } },
    { "model_index.json",
      "text_encoder",
      "[\"transformers\", \"RobertaSeriesModelWithTransformation\"]",
      DF_EUNSUPPORTED,
      { "text_encoder", "RobertaSeries" } },
    { "model_index.json", "unet", "[null, null]", DF_EFORMAT, { "'unet' is missing" } },
    { "model_index.json",
      "text_encoder_2",
      "[\"transformers\", \"CLIPTextModel\"]",
      DF_EUNSUPPORTED,
      { "text_encoder_2" } },
    { "scheduler/scheduler_config.json",
      "_class_name",
      "\"UnheardOfScheduler\"",
      DF_EUNSUPPORTED,
      { "scheduler_config.json", "UnheardOfScheduler" } },
};

static void test_configs_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof config_cases / sizeof config_cases[0]; i++) {
        const char *dir = model_folder_new("starter");
        print_message("%s: %s = %s\n", config_cases[i].file, config_cases[i].field, config_cases[i].value);
        model_folder_set(dir, config_cases[i].file, config_cases[i].field, config_cases[i].value);
        refused(dir, config_cases[i].code, config_cases[i].words);
    }
}

/* Things that cannot change a picture. */
static void test_configs_accepted(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        { "model_index.json", "safety_checker", "[\"stable_diffusion\", \"StableDiffusionSafetyChecker\"]" },
        { "model_index.json", "feature_extractor", NULL },
        { "model_index.json", "requires_safety_checker", NULL },
        { "unet/config.json", "upcast_attention", "true" },
        { "unet/config.json", "dropout", "0.1" },
        { "unet/config.json", "mid_block_type", NULL },
        { "unet/config.json", "sample_size", "[16, 24]" },
        { "vae/config.json", "force_upcast", "false" },
        { "text_encoder/config.json", "eos_token_id", "2" },
        { "text_encoder/config.json", "return_dict", "true" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *dir = model_folder_new("starter");
        df_model *m = NULL;
        df_err err;
        model_folder_set(dir, cases[i][0], cases[i][1], cases[i][2]);
        if (df_model_open(&m, dir, &err)) fail_msg("%s: %s: %s", cases[i][0], cases[i][1], err.text);
        df_model_close(&m);
    }
}

/* A file that is not there: each is named, and which part of the model wants it. */
static void test_missing_files(void **state) {
    (void)state;
    static const struct {
        const char *file;
        const char *words[4];
    } cases[] = {
        { "model_index.json", { "model_index.json" } },
        { "unet/config.json", { "unet/config.json", "U-Net" } },
        { "vae/config.json", { "vae/config.json", "autoencoder" } },
        { "text_encoder/config.json", { "text_encoder/config.json", "text encoder" } },
        { "scheduler/scheduler_config.json", { "scheduler_config.json", "noise schedule" } },
        { "tokenizer/vocab.json", { "vocab.json" } },
        { "unet/diffusion_pytorch_model.safetensors", { "unet", "diffusion_pytorch_model.safetensors" } },
        { "text_encoder/model.safetensors", { "text_encoder", "model.safetensors" } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *dir = model_folder_new("starter");
        model_folder_remove(dir, cases[i].file);
        refused(dir, DF_ENOTFOUND, cases[i].words);
    }
    refused("/nowhere/at/all", DF_ENOTFOUND, (const char *const[]) { "/nowhere/at/all", NULL });
}

/* For timing: configs are enough, and a prompt has an end as encoders look for it. */
static void test_invented(void **state) {
    (void)state;
    static const char *const weights[] = { "unet/diffusion_pytorch_model.safetensors",
                                           "vae/diffusion_pytorch_model.safetensors",
                                           "text_encoder/model.safetensors" };
    const char *dir = model_folder_new("starter");
    const df_model_options how = { .invented = true };
    df_model *m = NULL;
    df_err err = { 0 };
    int32_t ids[77];
    int n = 0;
    for (int i = 0; i < 3; i++) model_folder_remove(dir, weights[i]);
    model_folder_remove(dir, "tokenizer");
    assert_int_not_equal(df_model_open(&m, dir, &err), DF_OK);
    if (df_model_open_with(&m, dir, &how, &err)) fail_msg("%s", err.text);
    assert_true(df_weights_are_invented(df_model_weights(m, DF_UNET)));
    assert_int_equal(df_model_tokenize(m, DF_TEXT_ENCODER, "a cat", ids, 77, &n, &err), DF_OK);
    assert_int_equal(n, 77);
    assert_int_equal(df_model_pooled_position(m, ids, 77), 76);
    for (int i = 0; i < 77; i++) assert_in_range(ids[i], 0, df_model_info_of(m)->vocab_size - 1);
    df_model_close(&m);
}

static void test_file_for_folder(void **state) {
    (void)state;
    refused(golden_source_path("models/starter/model_index.json"), DF_EFORMAT,
            (const char *const[]) { "neither a folder nor a whole checkpoint", "model_index.json", NULL });
}

static void test_pickle_refused(void **state) {
    (void)state;
    const char *dir = model_folder_new("starter");
    model_folder_remove(dir, "unet/diffusion_pytorch_model.safetensors");
    model_folder_write(dir, "unet/diffusion_pytorch_model.bin", "\x80\2", 2);
    refused(dir, DF_EUNSUPPORTED, (const char *const[]) { "diffusion_pytorch_model.bin", "pickle", NULL });
}

static void test_cut_safetensors(void **state) {
    (void)state;
    static const char file[] = "unet/diffusion_pytorch_model.safetensors";
    const char *dir = model_folder_new("starter");
    char *data;
    size_t bytes;
    df_err err;
    if (df_file_read(model_folder_path(dir, file), (size_t)1 << 30, &data, &bytes, &err)) fail_msg("%s", err.text);
    static const size_t cuts[] = { 0, 4, 100 };
    for (size_t i = 0; i < 3; i++) {
        model_folder_write(dir, file, data, cuts[i]);
        refused(dir, DF_EFORMAT, (const char *const[]) { file, NULL });
    }
    model_folder_write(dir, file, data, bytes - 1);
    refused(dir, DF_EFORMAT, (const char *const[]) { file, NULL });
    free(data);
}

static void test_text_for_json(void **state) {
    (void)state;
    const char *dir = model_folder_new("starter");
    model_folder_write(dir, "unet/config.json", "{ \"act_fn\": ", 12);
    refused(dir, DF_EFORMAT, (const char *const[]) { "unet/config.json", NULL });
    model_folder_write(dir, "unet/config.json", "[1, 2]", 6);
    refused(dir, DF_EFORMAT, (const char *const[]) { "unet/config.json", "object", NULL });
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starter),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_sizes_out_of_range),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_sha256_by_hand),
        cmocka_unit_test(test_configs_refused),
        cmocka_unit_test(test_configs_accepted),
        cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_invented),
        cmocka_unit_test(test_file_for_folder),
        cmocka_unit_test(test_pickle_refused),
        cmocka_unit_test(test_cut_safetensors),
        cmocka_unit_test(test_text_for_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
