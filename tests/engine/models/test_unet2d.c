/* The U-Net without text against the golden models: whole forwards, what goes on inside, and what its config may say.
 *   ddpm        pixels; one head per attention, padding right and bottom only, sine first, another epsilon
 *   ldm_uncond  latents; two residual blocks a level
 *   ldm_sr      six channels in, three out */
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
#include "engine/models/unet2d.h"
#include "tests/engine/models/edited_config.h"
#include "tests/engine/models/inner.h"

static const double tolerance = 3e-5;

typedef struct bench {
    golden *g;
    component c;
} bench;

static void must(df_code rc, const df_err *err) {
    if (rc) fail_msg("%s", err->text);
}

static df_graph *new_graph(const char *name, const df_tensor_view *sample) {
    df_unet2d_config cfg;
    df_err err = { 0 };
    df_graph *g = df_graph_new("unet");
    assert_non_null(g);
    must(read_config(&cfg, &df_class_unet2d, golden_path(name, "unet/config.json"), &err), &err);
    df_unet2d_build(g, &cfg, sample->dim[2], sample->dim[3]);
    return g;
}

static bench bench_open(const char *name, const backend_case *b) {
    bench o = { .g = golden_open(name) };
    const df_tensor_view *t = golden_view(o.g, "unet.sample");
    o.c = component_of_graph(new_graph(name, t), golden_path(name, "unet"), b, t->dim[0]);
    return o;
}

static void bench_close(bench *b) {
    component_close(&b->c);
    golden_close(&b->g);
}

static void run(bench *b, float timestep) {
    float *x = golden_f32(b->g, "unet.sample", NULL), t[2] = { timestep, timestep };
    assert_int_equal(b->c.n, 2);
    component_set(&b->c, "sample", x);
    component_set(&b->c, "timestep", t);
    component_run(&b->c);
    free(x);
}

static void compare_out(bench *b, const char *name) {
    size_t n;
    float *out = component_get(&b->c, "out", &n);
    golden_compare(b->g, name, out, n, tolerance);
    free(out);
}

static void check_forwards(const char *name, const backend_case *backend) {
    static const float timesteps[] = { 981, 500, 1 };
    bench b = bench_open(name, backend);
    for (size_t i = 0; i < 3; i++) {
        char name_out[32];
        snprintf(name_out, sizeof name_out, "unet.out.t%g", (double)timesteps[i]);
        run(&b, timesteps[i]);
        compare_out(&b, name_out);
    }
    bench_close(&b);
}

static void check_inside(const char *name, const backend_case *backend, const char *down_1, const char *up_1) {
    const inner_value values[] = {
        { "unet.act.t500.time_embedding", "time_embedding.linear_2", NULL, true },
        { "unet.act.t500.conv_in", "conv_in", NULL, false },
        { "unet.act.t500.down_blocks.0", "down_blocks.0.downsamplers.0.conv", NULL, false },
        { "unet.act.t500.down_blocks.1", down_1, NULL, false },
        { "unet.act.t500.mid_block", "mid_block.resnets.1.conv2", NULL, false },
        { "unet.act.t500.up_blocks.0", "up_blocks.0.upsamplers.0.conv", NULL, false },
        { "unet.act.t500.up_blocks.1", up_1, NULL, false },
    };
    bench b = bench_open(name, backend);
    inner_tap *t = inner_tap_open(&b.c, b.g, values, sizeof values / sizeof values[0]);
    run(&b, 500);
    inner_tap_check(t, tolerance);
    bench_close(&b);
}

static void test_ddpm(void **state) {
    check_forwards("ddpm", *state);
    check_inside("ddpm", *state, "down_blocks.1.attentions.0.to_out.0", "up_blocks.1.resnets.1.conv2");
}

static void test_ldm_uncond(void **state) {
    check_forwards("ldm_uncond", *state);
    check_inside("ldm_uncond", *state, "down_blocks.1.attentions.1.to_out.0", "up_blocks.1.resnets.2.conv2");
}

static void test_ldm_sr(void **state) {
    check_forwards("ldm_sr", *state);
    check_inside("ldm_sr", *state, "down_blocks.1.attentions.0.to_out.0", "up_blocks.1.resnets.1.conv2");
}

/* Config */

static void test_config_fields(void **state) {
    (void)state;
    df_unet2d_config ddpm, sr;
    df_err err;
    if (read_config(&ddpm, &df_class_unet2d, golden_path("ddpm", "unet/config.json"), &err)) fail_msg("%s", err.text);
    if (read_config(&sr, &df_class_unet2d, golden_path("ldm_sr", "unet/config.json"), &err)) fail_msg("%s", err.text);
    assert_int_equal(ddpm.level[1].heads, 1); /* attention_head_dim null */
    assert_true(ddpm.pad_right_bottom_only);
    assert_false(ddpm.flip_sin_to_cos);
    assert_int_equal(sr.level[1].heads, 4); /* 32 channels, heads 8 wide */
    assert_false(sr.pad_right_bottom_only);
    assert_int_equal(sr.in_channels, 6);
    assert_int_equal(sr.out_channels, 3);
    assert_int_equal(sr.sample_h, 32);
}

static df_code read_edited(const char *edit, df_unet2d_config *cfg, df_err *err) {
    return read_config(cfg, &df_class_unet2d, edited_config(golden_path("ldm_uncond", "unet/config.json"), edit), err);
}

static void test_config_refuses(void **state) {
    (void)state;
    static const struct {
        const char *edit, *says;
    } cases[] = {
        { "{\"_class_name\": \"UNet2DConditionModel\"}", "_class_name" },
        { "{\"act_fn\": \"mish\"}", "act_fn" },
        { "{\"resnet_time_scale_shift\": \"scale_shift\"}", "resnet_time_scale_shift" },
        { "{\"time_embedding_type\": \"fourier\"}", "time_embedding_type" },
        { "{\"mid_block_type\": null}", "mid_block_type" },
        { "{\"mid_block_scale_factor\": 2}", "mid_block_scale_factor" },
        { "{\"downsample_padding\": 2}", "downsample_padding" },
        { "{\"downsample_type\": \"resnet\"}", "downsample_type" },
        { "{\"upsample_type\": \"resnet\"}", "upsample_type" },
        { "{\"class_embed_type\": \"timestep\"}", "class_embed_type" },
        { "{\"down_block_types\": [\"DownBlock2D\", \"SkipDownBlock2D\"]}", "SkipDownBlock2D" },
        { "{\"up_block_types\": [\"UpBlock2D\"]}", "up_block_types" },
        { "{\"attention_head_dim\": 24}", "attention_head_dim" },
        { "{\"norm_num_groups\": null}", "norm_num_groups" },
        { "{\"sample_size\": null}", "sample_size" },
        { "{\"layers_per_block\": 0}", "layers_per_block" },
        { "{\"attention_legacy_order\": true}", "attention_legacy_order" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_unet2d_config cfg = { 0 };
        df_err err = { 0 };
        if (!read_edited(cases[i].edit, &cfg, &err)) fail_msg("%s was taken", cases[i].edit);
        if (!strstr(err.text, cases[i].says)) fail_msg("%s: says '%s'", cases[i].edit, err.text);
        assert_int_equal(cfg.n_levels, 0); /* written on success only */
    }
}

/* The names that published DDPM files have for the projections of an attention. */
static const char *old_name(char out[256], const char *name) {
    static const char *const pairs[][2] = {
        { ".to_q.", ".query." }, { ".to_k.", ".key." }, { ".to_v.", ".value." }, { ".to_out.0.", ".proj_attn." }
    };
    snprintf(out, 256, "%s", name);
    for (int i = 0; i < 4; i++) {
        const char *at = strstr(name, pairs[i][0]);
        if (at) snprintf(out, 256, "%.*s%s%s", (int)(at - name), name, pairs[i][1], at + strlen(pairs[i][0]));
    }
    return out;
}

static void test_old_names(void **state) {
    static char names[256][256];
    char path[512];
    const char *dir = golden_temp_dir();
    bench b = { .g = golden_open("ddpm") };
    df_err err = { 0 };
    df_safetensors *from = NULL;
    df_safetensors_writer *to = df_safetensors_writer_new();
    assert_non_null(to);
    must(df_safetensors_open(&from, golden_path("ddpm", "unet/diffusion_pytorch_model.safetensors"), &err), &err);
    assert_true(df_safetensors_count(from) <= 256);
    for (int i = 0; i < df_safetensors_count(from); i++) {
        const df_tensor_view *t = df_safetensors_at(from, i);
        must(df_safetensors_writer_add(to, old_name(names[i], t->name), t->dtype, t->dim, t->rank, t->data, &err),
             &err);
    }
    snprintf(path, sizeof path, "%s/diffusion_pytorch_model.safetensors", dir);
    must(df_safetensors_writer_write(to, path, &err), &err);
    df_safetensors_writer_free(&to);
    df_safetensors_close(&from);

    b.c = component_of_graph(new_graph("ddpm", golden_view(b.g, "unet.sample")), dir, *state, 2);
    run(&b, 500);
    compare_out(&b, "unet.out.t500");
    bench_close(&b);
}

/* What no golden has: a table of classes, pixels in 0..1, a middle without attention. */
static void test_config_builds(void **state) {
    (void)state;
    df_unet2d_config cfg;
    df_err err;
    const char *edit = "{\"num_class_embeds\": 10, \"center_input_sample\": true, \"add_attention\": false}";
    if (read_edited(edit, &cfg, &err)) fail_msg("%s", err.text);
    df_graph *g = df_graph_new("unet");
    assert_non_null(g);
    df_unet2d_build(g, &cfg, 16, 16);
    if (df_graph_finish(g, &err)) fail_msg("%s", err.text);
    assert_true(df_graph_find_input(g, "class_labels") >= 0);
    bool table = false;
    for (int i = 0; i < g->n_weights; i++) {
        assert_null(strstr(g->weights[i].name, "mid_block.attentions"));
        if (strcmp(g->weights[i].name, "class_embedding.weight") != 0) continue;
        table = true;
        assert_int_equal(g->weights[i].shape.dim[0], 10);
        assert_int_equal(g->weights[i].shape.dim[1], cfg.temb_width);
    }
    assert_true(table);
    df_graph_free(&g);
}

/* Classes. No golden has them, but a row of the table is added where a bias is: with the bias less the row of class 1,
 * class 1 gives the golden's numbers, and class 0, a row of zeros, others. */

static const char bias_name[] = "time_embedding.linear_2.bias";

/* A folder with the weights of `name`, but for the bias, and a table of two classes. */
static const char *class_weights(const char *name, int64_t width) {
    static char path[512];
    const char *dir = golden_temp_dir();
    df_err err = { 0 };
    df_safetensors *from = NULL;
    df_safetensors_writer *to = df_safetensors_writer_new();
    float *table = calloc(2 * (size_t)width, sizeof *table), *bias = malloc((size_t)width * sizeof *bias);
    assert_true(to && table && bias);
    must(df_safetensors_open(&from, golden_path(name, "unet/diffusion_pytorch_model.safetensors"), &err), &err);
    for (int i = 0; i < df_safetensors_count(from); i++) {
        const df_tensor_view *t = df_safetensors_at(from, i);
        if (strcmp(t->name, bias_name) != 0)
            must(df_safetensors_writer_add(to, t->name, t->dtype, t->dim, t->rank, t->data, &err), &err);
    }
    must(df_tensor_to_f32(df_safetensors_find(from, bias_name), bias, &err), &err);
    for (int64_t i = 0; i < width; i++) {
        table[width + i] = (float)(i % 7 - 3) * 0.25f;
        bias[i] -= table[width + i];
    }
    must(df_safetensors_writer_add(to, bias_name, DF_F32, &width, 1, bias, &err), &err);
    must(df_safetensors_writer_add(to, "class_embedding.weight", DF_F32, (int64_t[]) { 2, width }, 2, table, &err),
         &err);
    snprintf(path, sizeof path, "%s/diffusion_pytorch_model.safetensors", dir);
    must(df_safetensors_writer_write(to, path, &err), &err);
    df_safetensors_writer_free(&to);
    df_safetensors_close(&from);
    free(table);
    free(bias);
    return dir;
}

static void test_classes(void **state) {
    bench b = { .g = golden_open("ldm_uncond") };
    const df_tensor_view *t = golden_view(b.g, "unet.sample");
    df_unet2d_config cfg;
    df_err err;
    if (read_edited("{\"num_class_embeds\": 2}", &cfg, &err)) fail_msg("%s", err.text);
    df_graph *g = df_graph_new("unet");
    assert_non_null(g);
    df_unet2d_build(g, &cfg, t->dim[2], t->dim[3]);
    b.c = component_of_graph(g, class_weights("ldm_uncond", cfg.temb_width), *state, t->dim[0]);

    size_t n, row = (size_t)(t->n_elements / t->dim[0]);
    float *want = golden_f32(b.g, "unet.out.t500", NULL);
    component_set_ids(&b.c, "class_labels", (const int32_t[]) { 1, 0 });
    run(&b, 500);
    float *out = component_get(&b.c, "out", &n);
    golden_compare_f32("class 1", out, want, row, tolerance);
    double apart = 0;
    for (size_t i = row; i < 2 * row; i++) apart = fmax(apart, fabs((double)out[i] - (double)want[i]));
    assert_true(apart > 0.01);
    free(out);
    free(want);
    bench_close(&b);
}

int main(void) {
    static backend_case cpu = { "cpu", DF_F32, "cpu" }, f32 = { "reference", DF_F32, "reference" },
                        f64 = { "reference", DF_F64, "reference f64" };
    const struct CMUnitTest tests[] = {
        { "ddpm reference", test_ddpm, NULL, NULL, &f32 },
        { "ddpm reference f64", test_ddpm, NULL, NULL, &f64 },
        { "ddpm cpu", test_ddpm, NULL, NULL, &cpu },
        { "ldm_uncond reference", test_ldm_uncond, NULL, NULL, &f32 },
        { "ldm_uncond cpu", test_ldm_uncond, NULL, NULL, &cpu },
        { "ldm_sr reference", test_ldm_sr, NULL, NULL, &f32 },
        { "ldm_sr cpu", test_ldm_sr, NULL, NULL, &cpu },
        { "old names reference", test_old_names, NULL, NULL, &f32 },
        { "classes reference", test_classes, NULL, NULL, &f32 },
        { "classes cpu", test_classes, NULL, NULL, &cpu },
        cmocka_unit_test(test_config_fields),
        cmocka_unit_test(test_config_refuses),
        cmocka_unit_test(test_config_builds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
