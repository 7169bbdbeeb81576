/* The renderer against diffusers, from prompts, pictures and classes to 8-bit pictures: every family and task, with the
 * random draws of the library's runs. All runs of a model are rendered together, so that tasks, samplers, steps and
 * guidance mix in the micro-batches; however that is cut, the bytes stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/album.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

typedef struct run_case {
    const char *golden, *run;
    df_task task;
} run_case;

typedef struct model_case {
    const char *model;
    run_case runs[ALBUM_MOST]; /* ended by a NULL */
} model_case;

static const model_case models[] = {
    { "sd15",
      { { "sd15", "run.ddim", DF_TASK_TXT2IMG },
        { "sd15", "run.pndm", DF_TASK_TXT2IMG },
        { "sd15", "run.euler_a", DF_TASK_TXT2IMG },
        { "img2img", "run.ddim_s060", DF_TASK_IMG2IMG },
        { "img2img", "run.pndm_s060", DF_TASK_IMG2IMG },
        { "img2img", "run.euler_a_s080", DF_TASK_IMG2IMG },
        { "img2img", "run.heun_s060", DF_TASK_IMG2IMG },
        { "img2img", "run.ddim_s100", DF_TASK_IMG2IMG },
        { "img2img", "run.unipc_s030", DF_TASK_IMG2IMG },
        { "inpaint4", "run.ddim_s100", DF_TASK_INPAINT },
        { "inpaint4", "run.ddim_s070", DF_TASK_INPAINT },
        { "inpaint4", "run.euler_s100", DF_TASK_INPAINT } } },
    { "sd2",
      { { "sd2", "run.ddim", DF_TASK_TXT2IMG },
        { "sd2", "run.euler_a", DF_TASK_TXT2IMG },
        { "sd2", "run.ddim_zero_snr", DF_TASK_TXT2IMG } } },
    { "inpaint9",
      { { "inpaint9", "run.pndm_s100", DF_TASK_INPAINT },
        { "inpaint9", "run.euler_s075", DF_TASK_INPAINT },
        { "inpaint9", "run.euler_a_s100", DF_TASK_INPAINT } } },
    { "upscale", { { "upscale", "run.noise20", DF_TASK_UPSCALE }, { "upscale", "run.noise100", DF_TASK_UPSCALE } } },
    { "ldm_sr", { { "ldm_sr", "run.ddim", DF_TASK_UPSCALE }, { "ldm_sr", "run.ddim_eta1", DF_TASK_UPSCALE } } },
    { "ldm_uncond",
      { { "ldm_uncond", "run.ddim", DF_TASK_UNCOND }, { "ldm_uncond", "run.ddim_eta1", DF_TASK_UNCOND } } },
    { "ddpm",
      { { "ddpm", "run.ddpm_large", DF_TASK_UNCOND },
        { "ddpm", "run.ddpm_small", DF_TASK_UNCOND },
        { "ddpm", "run.ddpm_sample_thresholding", DF_TASK_UNCOND } } },
    { "dit",
      { { "dit", "run.ddim_cfg4", DF_TASK_CLASS },
        { "dit", "run.dpmpp_2m", DF_TASK_CLASS },
        { "dit", "run.nocfg", DF_TASK_CLASS } } },
    { "sd3", { { "sd3", "run.flow", DF_TASK_TXT2IMG }, { "sd3", "run.flow_noguidance", DF_TASK_TXT2IMG } } },
    { "sd35", { { "sd35", "run.flow", DF_TASK_TXT2IMG }, { "sd35", "run.flow_noguidance", DF_TASK_TXT2IMG } } },
    { "sd3", { { "sd3", "run.flow_noT5", DF_TASK_TXT2IMG } } },
    { "sd35", { { "sd35", "run.flow_noT5", DF_TASK_TXT2IMG } } },
};

/* One picture of a run. */
typedef struct frame {
    const golden *g;
    const char *run;
    int64_t row;
    int next_draw; /* -1: the latents that the pipeline was given */
    df_image image, mask;
} frame;

static df_code draw(void *ctx, float *out, size_t n, df_err *err) {
    (void)err;
    frame *f = ctx;
    char name[128];
    size_t have;
    if (f->next_draw < 0)
        snprintf(name, sizeof name, "sample.latents");
    else
        snprintf(name, sizeof name, "%s.noise.%d", f->run, f->next_draw);
    float *x = golden_f32(f->g, name, &have);
    assert_true(((size_t)f->row + 1) * n <= have);
    assert_int_equal(have % n, 0);
    memcpy(out, x + (size_t)f->row * n, n * sizeof *out);
    free(x);
    f->next_draw++;
    return DF_OK;
}

static double number(const json_t *call, const char *key, double otherwise) {
    const json_t *value = json_object_get(call, key);
    return value ? json_number_value(value) : otherwise;
}

static void read_scheduler(df_scheduler *out, const json_t *about) {
    char path[512];
    df_err err;
    json_t *config = json_deep_copy(json_object_get(about, "scheduler_config"));
    json_object_set(config, "_class_name", json_object_get(about, "scheduler"));
    snprintf(path, sizeof path, "%s/scheduler.json", golden_temp_dir());
    assert_int_equal(json_dump_file(config, path, 0), 0);
    json_decref(config);
    if (df_scheduler_read(out, path, &err)) fail_msg("%s", err.text);
}

static df_image image_of(const golden *g, const char *name) {
    const df_tensor_view *t = golden_view(g, name);
    int channels = t->rank == 3 ? 3 : 1;
    return (df_image) { (int)t->dim[1], (int)t->dim[0], channels, (uint8_t *)(uintptr_t)t->data };
}

static df_request request_of(frame *f, df_task task) {
    const json_t *about = json_object_get(json_object_get(golden_json(f->g), "runs"), f->run);
    const json_t *call = json_object_get(about, "call");
    const json_t *classes = json_object_get(call, "class_labels");
    assert_non_null(call);
    f->next_draw = json_object_get(call, "latents") ? -1 : 0;
    df_request q = {
        .task = task,
        .prompt = json_string_value(json_object_get(call, "prompt")),
        .negative = json_string_value(json_object_get(call, "negative_prompt")),
        .width = (int)number(call, "width", 0),
        .height = (int)number(call, "height", 0),
        .steps = (int)number(call, "num_inference_steps", 0),
        .guidance = number(call, "guidance_scale", 1),
        .guidance_rescale = number(call, "guidance_rescale", 0),
        .eta = number(call, "eta", 0),
        .strength = number(call, "strength", 1),
        .noise_level = (int)number(call, "noise_level", 0),
        .class_label = (int)json_integer_value(json_array_get(classes, (size_t)f->row)),
        .draw = draw,
        .draw_ctx = f,
    };
    read_scheduler(&q.scheduler, about);
    if (golden_has(f->g, "image_u8")) {
        f->image = image_of(f->g, "image_u8");
        q.image = &f->image;
    }
    if (golden_has(f->g, "mask_u8")) {
        f->mask = image_of(f->g, "mask_u8");
        q.mask = &f->mask;
    }
    return q;
}

static int frames_of(const model_case *m, golden *g[ALBUM_MOST], frame *frames, df_request *q) {
    int n = 0;
    char name[128];
    for (int i = 0; i < ALBUM_MOST && m->runs[i].run; i++) {
        g[i] = golden_open(m->runs[i].golden);
        snprintf(name, sizeof name, "%s.image_u8", m->runs[i].run);
        int64_t rows = golden_view(g[i], name)->dim[0];
        for (int64_t row = 0; row < rows; row++, n++) {
            assert_true(n < ALBUM_MOST);
            frames[n] = (frame) { .g = g[i], .run = m->runs[i].run, .row = row };
            q[n] = request_of(&frames[n], m->runs[i].task);
        }
    }
    return n;
}

/* golden_compare_u8 for one picture of several. */
static void compare(const frame *f, const album_shot *s) {
    char name[128];
    size_t n;
    int most = 0, n_off = 0;
    if (s->n_failed) fail_msg("%s: %s", f->run, s->why.text);
    snprintf(name, sizeof name, "%s.image_u8", f->run);
    const df_tensor_view *t = golden_view(f->g, name);
    assert_int_equal(s->height, t->dim[1]);
    assert_int_equal(s->width, t->dim[2]);
    uint8_t *all = golden_u8(f->g, name, &n);
    int size = 3 * s->width * s->height;
    const uint8_t *ref = all + f->row * size;
    for (int i = 0; i < size; i++) {
        int off = abs(ref[i] - s->rgb[i]);
        most = off > most ? off : most;
        n_off += off > 0;
    }
    if (most > 1 || n_off > size / 200)
        fail_msg("%s, row %d: %d levels off, %d of %d values", f->run, (int)f->row, most, n_off, size);
    free(all);
}

/* SD3's runs have fewer T5 tokens than the pipeline's own 256, one number for all of a case, or go without T5. */
static df_model_options options_of(const model_case *m) {
    enum { CLIP_TOKENS = 77 };
    golden *g = golden_open(m->runs[0].golden);
    const json_t *about = json_object_get(json_object_get(golden_json(g), "runs"), m->runs[0].run);
    int tokens = (int)number(json_object_get(about, "call"), "max_sequence_length", 0);
    golden_close(&g);
    return (df_model_options) { .context_tokens = tokens ? CLIP_TOKENS + tokens : 0,
                                .no_t5 = strcmp(m->runs[0].run, "run.flow_noT5") == 0 };
}

static void test_model(void **state) {
    static const album_setup setups[] = {
        { &df_backend_cpu, 1, 6, 2, DF_F32 }, { &df_backend_cpu, 1, 1, 1, DF_F32 },
        { &df_backend_cpu, 2, 4, 3, DF_F32 }, { &df_backend_cpu, 3, 2, 4, DF_F32 },
        { &df_backend_cpu, 4, 3, 6, DF_F32 },
    };
    const model_case *mc = *state;
    golden *g[ALBUM_MOST] = { 0 };
    frame frames[ALBUM_MOST];
    df_request q[ALBUM_MOST];
    df_model *m = NULL;
    df_err err;
    df_model_options how = options_of(mc);
    if (df_model_open_with(&m, model_folder_new(mc->model), &how, &err)) fail_msg("%s", err.text);
    album first = { 0 };
    for (size_t k = 0; k < sizeof setups / sizeof *setups; k++) {
        album a = { 0 };
        int n = frames_of(mc, g, frames, q);
        album_render(m, &setups[k], q, n, &a);
        for (int i = 0; i < n; i++) {
            compare(&frames[i], &a.shot[i]);
            if (k) album_assert_same(&first.shot[i], &a.shot[i], i, &setups[k]);
        }
        for (int i = 0; i < ALBUM_MOST; i++) golden_close(&g[i]);
        if (k)
            album_free(&a);
        else
            first = a;
    }
    album_free(&first);
    df_model_close(&m);
}

int main(void) {
    enum { N = sizeof models / sizeof *models };
    struct CMUnitTest tests[N];
    for (int i = 0; i < N; i++)
        tests[i] = (struct CMUnitTest) { models[i].model, test_model, NULL, NULL, (void *)(uintptr_t)&models[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
