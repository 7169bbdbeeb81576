/* Whole checkpoints in one file hold the same numbers as the folder that they were made from, under the same names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/models/checkpoint.h"
#include "engine/models/model.h"
#include "tests/support/golden.h"

static const char *const folders[DF_PART_COUNT] = {
    [DF_PART_TEXT] = "text_encoder", [DF_PART_TEXT_2] = "text_encoder_2", [DF_PART_TEXT_3] = "text_encoder_3",
    [DF_PART_DENOISER] = "unet",     [DF_PART_AUTOENCODER] = "vae",
};

/* As a linear layer where it is stored as a 1x1 convolution. */
static int rank_of(const df_tensor_view *t) {
    return t->rank == 4 && t->dim[2] == 1 && t->dim[3] == 1 && strstr(t->name, "mid_block.attentions") ? 2 : t->rank;
}

static void same_numbers(const df_tensor_view *want, const df_weights *got) {
    float *a = malloc((size_t)want->n_elements * sizeof *a), *b = malloc((size_t)want->n_elements * sizeof *b);
    df_err err;
    assert_int_equal(df_tensor_to_f32(want, a, &err), DF_OK);
    if (df_weights_read_f32(got, want->name, want->dim, rank_of(want), b, &err)) fail_msg("%s", err.text);
    if (memcmp(a, b, (size_t)want->n_elements * sizeof *a)) fail_msg("'%s' differs", want->name);
    free(a);
    free(b);
}

static int same_part(const char *checkpoint, const char *folder, df_part part, const char *file) {
    bool transformer = part == DF_PART_DENOISER && !strncmp(folder, "sd3", 3);
    char path[512];
    df_err err;
    df_weights *got = NULL;
    df_safetensors *want = NULL;
    snprintf(path, sizeof path, "%s/%s", transformer ? "transformer" : folders[part], file);
    if (df_checkpoint_open_part(&got, checkpoint, part, &err)) fail_msg("%s", err.text);
    assert_int_equal(df_safetensors_open(&want, golden_path(folder, path), &err), DF_OK);
    int n = 0;
    for (int i = 0; i < df_safetensors_count(want); i++) {
        const df_tensor_view *t = df_safetensors_at(want, i);
        if (strstr(t->name, "position_ids")) continue;
        same_numbers(t, got);
        n++;
    }
    df_safetensors_close(&want);
    df_weights_close(&got);
    return n;
}

static void same_model(const char *single, const char *folder, int n_encoders, int at_least) {
    const char *checkpoint = golden_path(single, "model.safetensors");
    int n = 0;
    for (int i = 0; i < n_encoders; i++)
        n += same_part(checkpoint, folder, (df_part)(DF_PART_TEXT + i), "model.safetensors");
    n += same_part(checkpoint, folder, DF_PART_DENOISER, "diffusion_pytorch_model.safetensors");
    n += same_part(checkpoint, folder, DF_PART_AUTOENCODER, "diffusion_pytorch_model.safetensors");
    assert_true(n >= at_least);

    df_model *m = NULL;
    df_err err;
    const df_model_options how = { .config_dir = golden_dir(folder) };
    if (df_model_open_with(&m, checkpoint, &how, &err)) fail_msg("%s", err.text);
    df_model_close(&m);
}

static void stable_diffusion_1(void **state) {
    (void)state;
    same_model("single_sd15", "sd15", 1, 700);
}

static void stable_diffusion_2(void **state) {
    (void)state;
    same_model("single_sd2", "sd2", 1, 500);
}

static void stable_diffusion_xl(void **state) {
    (void)state;
    same_model("single_sdxl", "sdxl", 2, 650);
}

static void stable_diffusion_35(void **state) {
    (void)state;
    same_model("single_sd35", "sd35", 3, 450);
}

static void a_file_needs_configs_and_all_parts(void **state) {
    (void)state;
    df_model *m = NULL;
    df_weights *w = NULL;
    df_err err;
    const char *checkpoint = golden_path("single_sd15", "model.safetensors");
    assert_int_equal(df_model_open(&m, checkpoint, &err), DF_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "--config DIR"));
    assert_int_equal(df_checkpoint_open_part(&w, checkpoint, DF_PART_TEXT_2, &err), DF_ENOTFOUND);
    assert_null(w);
    const df_model_options other = { .config_dir = golden_path("sdxl", ".") };
    assert_int_not_equal(df_model_open_with(&m, checkpoint, &other, &err), DF_OK);
    assert_non_null(strstr(err.text, "model.safetensors"));
}

static void renamed(const char *from, const char *to) {
    const df_checkpoint_layout l = { .stride = 3, .levels = 4 };
    df_weights_alias a[DF_WEIGHTS_MAX_ALIASES];
    int n = 0;
    df_checkpoint_unet_names(&l, from, a, &n);
    if (!n) df_checkpoint_vae_names(&l, from, a, &n);
    assert_int_equal(n, to ? 1 : 0);
    if (to) assert_string_equal(a[0].name, to);
}

static void names_follow_rules(void **state) {
    (void)state;
    renamed("input_blocks.4.1.proj_in.weight", "down_blocks.1.attentions.0.proj_in.weight");
    renamed("input_blocks.6.0.op.bias", "down_blocks.1.downsamplers.0.conv.bias");
    renamed("output_blocks.5.2.conv.weight", "up_blocks.1.upsamplers.0.conv.weight");
    renamed("middle_block.2.out_layers.3.weight", "mid_block.resnets.1.conv2.weight");
    renamed("decoder.up.0.block.2.nin_shortcut.weight", "decoder.up_blocks.3.resnets.2.conv_shortcut.weight");
    renamed("encoder.mid.attn_1.proj_out.bias", "encoder.mid_block.attentions.0.to_out.0.bias");
    renamed("input_blocks.x", NULL);
    renamed("loss.logvar", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stable_diffusion_1),
        cmocka_unit_test(stable_diffusion_2),
        cmocka_unit_test(stable_diffusion_xl),
        cmocka_unit_test(stable_diffusion_35),
        cmocka_unit_test(a_file_needs_configs_and_all_parts),
        cmocka_unit_test(names_follow_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
