/* What lines ask for, held against models of every kind: the starter, and the goldens that the tree has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "client/row_task.h"
#include "engine/dtype.h"
#include "tests/client/scratch.h"
#include "tests/support/golden.h"
#include "tests/support/png_file.h"

static df_model *open_model(const char *name) {
    const df_model_options how = { .tokenizer_optional = true };
    df_model *m = NULL;
    df_err err;
    const char *path = strcmp(name, "starter") ? golden_dir(name) : golden_source_path("models/starter");
    if (!path) fail_msg("%s: no such golden", name);
    if (df_model_open_with(&m, path, &how, &err)) fail_msg("%s", err.text);
    return m;
}

/* The fields of the line are set one by one, "FIELD=VALUE ...". */
static bool resolve(df_row_task *out, const df_model *m, df_input_files *files, const char *fields, df_problems *p) {
    char text[256], *rest, *word;
    const df_model_info *info = df_model_info_of(m);
    df_line line = { .where = "m:1", .prompt = "", .negative = "" };
    line.width = info->default_width;
    line.height = info->default_height;
    snprintf(text, sizeof text, "%s", fields);
    for (word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        const df_value_in in = { .kind = DF_IN_CELL, .text = value };
        if (!df_field_set(&line, word, &in, p)) return false;
    }
    return df_row_task_resolve(out, &line, m, files, p);
}

static int open_folder(void **state) {
    if (scratch_make(state)) return -1;
    put_png(scratch_path("a.png"), 70, 33);
    if (symlink("a.png", scratch_path("link.png"))) return -1;
    put_png(scratch_path("tiny.png"), 1, 3);
    put_png(scratch_path("wide.png"), 4096, 16);
    scratch_write("text.png", "text", 4);
    return 0;
}

static void each_model_has_its_tasks(void **state) {
    static const struct {
        const char *model, *fields;
        df_task task;
        int width, height, class_label, noise_level;
        double strength;
    } cases[] = {
        { "starter", "prompt=a", DF_TASK_TXT2IMG, 64, 64, 0, 0, 0 },
        { "starter", "prompt=a image=a.png", DF_TASK_IMG2IMG, 68, 32, 0, 0, 0.8 },
        { "starter", "prompt=a image=tiny.png", DF_TASK_IMG2IMG, 4, 4, 0, 0, 0.8 },
        { "starter", "prompt=a image=a.png size=32x64 strength=0.25", DF_TASK_IMG2IMG, 32, 64, 0, 0, 0.25 },
        { "starter", "prompt=a image=a.png mask=tiny.png", DF_TASK_INPAINT, 68, 32, 0, 0, 1 },
        { "dit", "class=999", DF_TASK_CLASS, 64, 64, 999, 0, 0 },
        { "dit", "task=class class=0", DF_TASK_CLASS, 64, 64, 0, 0, 0 },
        { "ddpm", "", DF_TASK_UNCOND, 16, 16, 0, 0, 0 },
        { "ldm_uncond", "task=uncond", DF_TASK_UNCOND, 64, 64, 0, 0, 0 },
        { "ldm_sr", "image=a.png", DF_TASK_UPSCALE, 4 * 70, 4 * 33, 0, 0, 0 },
        { "upscale", "prompt=a image=a.png", DF_TASK_UPSCALE, 4 * 70, 4 * 33, 0, 20, 0 },
        { "upscale", "prompt=a image=a.png size=280x132 noise_level=0", DF_TASK_UPSCALE, 280, 132, 0, 0, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_model *m = open_model(cases[i].model);
        df_input_files *files = df_input_files_new(scratch_dir);
        df_problems p = { 0 };
        df_row_task t;
        if (!resolve(&t, m, files, cases[i].fields, &p)) fail_msg("%s: %s", cases[i].model, p.text[0]);
        assert_int_equal(t.task, cases[i].task);
        if (t.width != cases[i].width || t.height != cases[i].height)
            fail_msg("%s, %s: %dx%d", cases[i].model, cases[i].fields, t.width, t.height);
        assert_int_equal(t.class_label, cases[i].class_label);
        assert_int_equal(t.noise_level, cases[i].noise_level);
        assert_true(t.strength == cases[i].strength);
        df_input_files_free(&files);
        df_model_close(&m);
    }
}

static void what_cannot_be_is_told(void **state) {
    static const struct {
        const char *model, *fields, *says;
    } cases[] = {
        { "starter", "", "m:1: field 'prompt' is missing" },
        { "starter", "prompt=a mask=a.png task=img2img image=a.png", "field 'mask': img2img has no use for it" },
        { "starter", "prompt=a strength=0.5", "field 'strength': txt2img has no use for it" },
        { "starter", "prompt=a class=3", "does no class; it does txt2img, img2img, inpaint" },
        { "starter", "prompt=a image=a.png strength=0", "field 'strength' must be above 0" },
        { "starter", "prompt=a image=none.png", "none.png: No such file" },
        { "starter", "prompt=a image=text.png", "text.png: not a PNG file" },
        { "starter", "prompt=a image=cut.png", "cut.png: png: the file is cut" },
        { "starter", "prompt=a lora=none.safetensors", "none.safetensors" },
        { "dit", "class=1000", "field 'class': the model has classes 0 to 999" },
        { "dit", "", "field 'class' is missing, class needs it" },
        { "dit", "class=1 prompt=a", "field 'prompt': the model, a DiTPipeline, takes no text" },
        { "ddpm", "negative=a", "field 'negative': the model, a DDPMPipeline, takes no text" },
        { "ddpm", "class=1", "does no class; it does uncond" },
        { "ldm_uncond", "image=a.png", "does no img2img; it does uncond" },
        { "ldm_sr", "", "field 'image' is missing, upscale needs it" },
        { "ldm_sr", "image=a.png noise_level=3",
          "field 'noise_level': the model, a LDMSuperResolutionPipeline, takes" },
        { "ldm_sr", "image=wide.png", "field 'image': the result would be 16384x64" },
        { "upscale", "image=a.png", "field 'prompt' is missing" },
        { "upscale", "prompt=a image=a.png noise_level=351", "field 'noise_level': at most 350 with this model" },
        { "upscale", "prompt=a image=a.png size=64x64", "field 'size': upscaling makes 280x132 of this picture" },
    };
    char *png;
    size_t bytes;
    (void)state;
    assert_int_equal(df_file_read(scratch_path("a.png"), 1 << 20, &png, &bytes, NULL), DF_OK);
    scratch_write("cut.png", png, bytes - 20);
    free(png);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_model *m = open_model(cases[i].model);
        df_input_files *files = df_input_files_new(scratch_dir);
        df_problems p = { 0 };
        df_row_task t;
        if (resolve(&t, m, files, cases[i].fields, &p)) fail_msg("%s, %s", cases[i].model, cases[i].fields);
        if (p.n != 1 || !strstr(p.text[0], cases[i].says))
            fail_msg("%s, %s: %s", cases[i].model, cases[i].fields, p.text[0]);
        df_problems_free(&p);
        df_input_files_free(&files);
        df_model_close(&m);
    }
}

/* A file may be a LoRA to one line and, by mistake, a picture to another. */
static void a_file_is_looked_into_for_each_use(void **state) {
    df_model *m = open_model("starter");
    df_input_files *files = df_input_files_new(scratch_dir);
    const df_input_file *file, *again;
    df_err err;
    (void)state;
    assert_int_equal(df_input_files_picture(files, "a.png", &file, &err), DF_OK);
    assert_true(file->width == 70 && file->height == 33 && *file->path == '/');
    assert_int_equal(df_input_files_picture(files, "a.png", &again, &err), DF_OK);
    assert_ptr_equal(again, file);
    assert_int_not_equal(df_input_files_lora(files, "a.png", m, &file, &err), DF_OK);
    df_input_files_free(&files);
    df_model_close(&m);
}

/* Options name files anywhere, lines below the folder only. */
static void files_stay_below_the_folder(void **state) {
    df_model *m = open_model("starter");
    df_input_files *files = df_input_files_new(scratch_dir);
    const df_input_file *file;
    df_err err;
    char below[300];
    (void)state;
    snprintf(below, sizeof below, "%s/none", scratch_dir);
    df_input_files *elsewhere = df_input_files_new(below);
    assert_int_equal(df_input_files_picture(files, scratch_path("a.png"), &file, &err), DF_OK);
    assert_int_equal(df_input_files_picture(files, "link.png", &file, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "--inputs DIR"));
    assert_int_equal(df_input_files_picture(files, "../a.png", &file, &err), DF_EINVAL);
    assert_int_equal(df_input_files_lora(files, "/etc/hostname", m, &file, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "leads out of the folder"));
    assert_int_equal(df_input_files_picture(elsewhere, scratch_path("link.png"), &file, &err), DF_EINVAL);
    df_input_files_free(&elsewhere);
    elsewhere = df_input_files_new(below);
    assert_true(df_input_files_trust(elsewhere, scratch_path("link.png")));
    assert_int_equal(df_input_files_picture(elsewhere, scratch_path("link.png"), &file, &err), DF_OK);
    df_input_files_free(&elsewhere);
    df_input_files_free(&files);
    df_model_close(&m);
}

/* A LoRA of rank 1 for one weight of the starter. */
static void put_lora(const char *path) {
    static const char *const keys[] = { "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight",
                                        "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_B.weight" };
    enum { D = 192 };
    float factor[D];
    df_safetensors_writer *w = df_safetensors_writer_new();
    for (int i = 0; i < D; i++) factor[i] = 0.01f * (float)i;
    df_safetensors_writer_add(w, keys[0], DF_F32, (int64_t[]) { 1, D }, 2, factor, NULL);
    df_safetensors_writer_add(w, keys[1], DF_F32, (int64_t[]) { D, 1 }, 2, factor, NULL);
    assert_int_equal(df_safetensors_writer_write(w, path, NULL), DF_OK);
    df_safetensors_writer_free(&w);
}

static void takes_loras(void **state) {
    df_model *m = open_model("starter");
    df_input_files *files = df_input_files_new(scratch_dir);
    df_problems p = { 0 };
    df_row_task t;
    (void)state;
    put_lora(scratch_path("style.safetensors"));
    put_lora(scratch_path("odd:7"));
    df_line line = { .where = "m:1", .prompt = "a", .negative = "", .given = DF_GIVEN_PROMPT | DF_GIVEN_LORA };
    line.width = line.height = 64;
    line.lora.at[0] = (df_line_adapter) { .file = "style.safetensors" };
    line.lora.at[1] = (df_line_adapter) { .file = "style.safetensors:-0.5" };
    line.lora.at[2] = (df_line_adapter) { .file = "odd:7", .weight = 2, .weight_beside = true };
    line.lora.n = 3;
    if (!df_row_task_resolve(&t, &line, m, files, &p)) fail_msg("%s", p.text[0]);
    assert_int_equal(t.n_adapters, 3);
    assert_true(t.adapter[0].weight == 1 && t.adapter[1].weight == -0.5 && t.adapter[2].weight == 2);
    assert_ptr_equal(t.adapter[0].file, t.adapter[1].file);
    assert_non_null(strstr(t.adapter[2].file->path, "/odd:7"));
    df_input_files_free(&files);
    df_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_model_has_its_tasks),
        cmocka_unit_test(what_cannot_be_is_told),
        cmocka_unit_test(a_file_is_looked_into_for_each_use),
        cmocka_unit_test(files_stay_below_the_folder),
        cmocka_unit_test(takes_loras),
    };
    return cmocka_run_group_tests(tests, open_folder, scratch_remove);
}
