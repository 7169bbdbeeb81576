/* Every other family and task through `diffarm eval`, against runs of diffusers with every random draw given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/client/eval/eval_call.h"
#include "tests/client/eval/golden_runs.h"
#include "tests/client/eval/sd3_text.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

/* Texts, sizes and starts that a case keeps under its own names: golden (%s: the run), input of eval. */
typedef struct family {
    const char *model, *task;
    const char *give[10][2];
} family;

static const family sd2 = { "sd2", "txt2img", { { "sample.latents", "latents" } } };
static const family sdxl = { "sdxl",
                             "txt2img",
                             { { "sample.latents", "latents" },
                               { "%s.embeds.cond", "cond" },
                               { "%s.embeds.uncond", "uncond" },
                               { "%s.embeds.pooled_cond", "pooled_cond" },
                               { "%s.embeds.pooled_uncond", "pooled_uncond" },
                               { "%s.time_ids.cond", "time_ids" },
                               { "%s.time_ids.uncond", "time_ids_uncond" } } };
/* Its prompts are in no other run. */
static const family sdxl_zeros = {
    "sdxl",
    "txt2img",
    { { "sample.latents", "latents" }, { "%s.time_ids.cond", "time_ids" }, { "%s.time_ids.uncond", "time_ids_uncond" } }
};
static const family inpaint9 = {
    "inpaint9",
    "inpaint",
    { { "embeds.cond", "cond" }, { "embeds.uncond", "uncond" }, { "image_u8", "image_u8" }, { "mask_u8", "mask_u8" } }
};
static const family inpaint4 = { "sd15", "inpaint", { { "image_u8", "image_u8" }, { "mask_u8", "mask_u8" } } };
static const family img2img = { "sd15", "img2img", { { "image_u8", "image_u8" } } };
static const family sd3 = { "sd3", "txt2img", { { "sample.latents", "latents" } } };
static const family sd35 = { "sd35", "txt2img", { { "sample.latents", "latents" } } };
static const family upscale = { "upscale", "upscale", { { "image_u8", "image_u8" } } };

/* A row of a golden tensor [n][tokens][width] as an input of its own. */
static void give_row(eval_call *c, const char *to, const golden *g, const char *from, int64_t row) {
    const df_tensor_view *t = golden_view(g, from);
    df_tensor_view one = *t;
    one.dim[0] = 1;
    one.n_elements = t->n_elements / t->dim[0];
    one.data = (const char *)t->data + row * one.n_elements * (int64_t)df_dtype_bytes(t->dtype);
    eval_call_give(c, to, &one);
}

/* Where a case does not keep the states of its prompts they are encoded here. */
static void give_encoded(eval_call *c, const char *model, const char *const prompts[2]) {
    static float states[2][77 * 64]; /* given, so they outlive the call */
    json_t *list = json_pack("[ss]", prompts[0], prompts[1]);
    char *text = json_dumps(list, 0);
    assert_non_null(text);
    eval_call *tokens = eval_call_new(), *encoder = eval_call_new();
    eval_call_run(tokens, model, "tokenize", "--prompts", eval_call_file(tokens, "prompts.json", text), NULL);
    eval_call_give(encoder, "ids", eval_call_view(tokens, "ids"));
    eval_call_run(encoder, model, "text_encode", "--backend", "reference", NULL);
    const df_tensor_view *t = eval_call_view(encoder, "last_hidden_state");
    const float *last = eval_call_f32(encoder, "last_hidden_state", NULL);
    size_t row = (size_t)(t->dim[1] * t->dim[2]);
    assert_true(row <= sizeof states[0] / sizeof(float));
    for (int i = 0; i < 2; i++) {
        memcpy(states[i], last + (size_t)i * row, row * sizeof *last);
        eval_call_give_f32(c, i ? "uncond" : "cond", states[i], (int64_t[]) { 1, t->dim[1], t->dim[2] }, 3);
    }
    eval_call_free(&encoder);
    eval_call_free(&tokens);
    free(text);
    json_decref(list);
}

/* What SDXL's U-Net is told of a prompt: hidden[-2] of both encoders side by side, and the pooled state of the second;
 * the negative prompt is absent, which is zeros. */
static void give_sdxl_pair(eval_call *c, const char *model, const char *first, const char *second) {
    enum { T = 77, D1 = 32, D2 = 40, P = 24 };
    static float cond[T * (D1 + D2)], pooled[P];
    static const float zeros[T * (D1 + D2)];
    json_t *list = json_pack("[ss]", first, second);
    char *text = json_dumps(list, 0);
    assert_non_null(text);
    eval_call *tokens = eval_call_new(), *one = eval_call_new(), *two = eval_call_new();
    eval_call_run(tokens, model, "tokenize", "--prompts", eval_call_file(tokens, "prompts.json", text), NULL);
    eval_call_give(one, "ids", eval_call_view(tokens, "ids"));
    eval_call_run(one, model, "text_encode", NULL);
    eval_call_give(two, "ids", eval_call_view(tokens, "ids_2"));
    eval_call_run(two, model, "text_encode_2", NULL);
    const float *a = eval_call_f32(one, "hidden.2", NULL), *b = eval_call_f32(two, "hidden.2", NULL) + T * D2;
    for (int t = 0; t < T; t++) {
        memcpy(cond + t * (D1 + D2), a + t * D1, D1 * sizeof *a);
        memcpy(cond + t * (D1 + D2) + D1, b + t * D2, D2 * sizeof *b);
    }
    memcpy(pooled, eval_call_f32(two, "pooled", NULL) + P, sizeof pooled);
    eval_call_give_f32(c, "cond", cond, (int64_t[]) { 1, T, D1 + D2 }, 3);
    eval_call_give_f32(c, "uncond", zeros, (int64_t[]) { 1, T, D1 + D2 }, 3);
    eval_call_give_f32(c, "pooled_cond", pooled, (int64_t[]) { 1, P }, 2);
    eval_call_give_f32(c, "pooled_uncond", zeros, (int64_t[]) { 1, P }, 2);
    eval_call_free(&tokens);
    eval_call_free(&one);
    eval_call_free(&two);
    free(text);
    json_decref(list);
}

/* run: "run.flow_noT5" goes without the third text encoder. */
static void give_text(eval_call *c, const family *f, const golden *g, const char *model, const char *run,
                      const json_t *about) {
    const json_t *call = json_object_get(about, "call");
    const char *negative = json_string_value(json_object_get(call, "negative_prompt"));
    const char *prompts[2] = { json_string_value(json_object_get(call, "prompt")), negative ? negative : "" };
    if (f == &upscale) {
        give_row(c, "uncond", g, "embeds", 0);
        give_row(c, "cond", g, "embeds", 1);
    } else if (f == &sd2 || f == &inpaint4 || f == &img2img) {
        assert_non_null(prompts[0]);
        give_encoded(c, model, prompts);
    } else if (f == &sdxl_zeros) {
        give_sdxl_pair(c, model, prompts[0], json_string_value(json_object_get(call, "prompt_2")));
    } else if (f == &sd3 || f == &sd35) {
        sd3_text_give(c, model, call, strcmp(run, "run.flow_noT5") != 0);
    }
}

static void give_inputs(eval_call *c, const family *f, const golden *g, const char *run) {
    char name[128];
    for (int i = 0; i < 10 && f->give[i][0]; i++) {
        snprintf(name, sizeof name, f->give[i][0][0] == '%' ? "%s%s" : "%.0s%s", run,
                 f->give[i][0] + (f->give[i][0][0] == '%' ? 2 : 0));
        if (strncmp(name, "run.", 4) == 0 && !golden_has(g, name)) /* kept once for runs of the same prompts */
            snprintf(name, sizeof name, "run.euler%s", f->give[i][0] + 2);
        eval_call_give(c, f->give[i][1], golden_view(g, name));
    }
    golden_run_give_noise(c, g, run);
}

static void compare(const golden *g, const eval_call *c, const char *run, const char *what, double bound) {
    char name[128];
    size_t n;
    snprintf(name, sizeof name, "%s.%s", run, what);
    const float *got = eval_call_f32(c, what, &n);
    golden_compare(g, name, got, n, bound);
}

static void compare_picture(const golden *g, const eval_call *c, const char *run, double bound) {
    char name[128];
    snprintf(name, sizeof name, "%s.image_u8", run);
    const df_tensor_view *image = eval_call_view(c, "image_u8");
    golden_compare_u8(g, name, image->data, (size_t)image->n_elements);
    snprintf(name, sizeof name, "%s.decoded", run);
    if (golden_has(g, name)) compare(g, c, run, "decoded", bound);
}

/* The golden's own keys, the values' rules and the names of eval. */
static const struct {
    const char *key, *name;
    double otherwise;
} numbers[] = {
    { "num_inference_steps", "steps", 0 },
    { "guidance_scale", "guidance", 0 },
    { "guidance_rescale", "guidance_rescale", 0 },
    { "eta", "eta", 0 },
    { "strength", "strength", 1 },
    { "noise_level", "noise_level", 0 },
};
enum { N_NUMBERS = sizeof numbers / sizeof numbers[0] };

static void test_run(void **state) {
    const golden_run *rc = *state;
    const family *f = rc->family;
    if (f == &sdxl && !strcmp(rc->run, "run.euler_zeros")) f = &sdxl_zeros;
    char settings[2 + N_NUMBERS][512];
    golden *g = golden_open(rc->golden);
    eval_call *c = eval_call_new();
    const char *model = golden_path(f->model, "");
    const json_t *about = golden_run_about(g, rc->run);
    give_inputs(c, f, g, rc->run);
    give_text(c, f, g, model, rc->run, about);
    snprintf(settings[0], sizeof settings[0], "scheduler=%s", golden_run_scheduler(c, about));
    snprintf(settings[1], sizeof settings[1], "task=%s", f->task);
    for (int i = 0; i < N_NUMBERS; i++)
        snprintf(settings[2 + i], sizeof settings[0], "%s=%g", numbers[i].name,
                 golden_run_number(about, numbers[i].key, numbers[i].otherwise));
    eval_call_run(c, model, "sample", "--backend", rc->backend, "--threads", "2", "--set", settings[0], settings[1],
                  settings[2], settings[3], settings[4], settings[5], settings[6], settings[7], NULL);
    compare(g, c, rc->run, "timesteps", 2e-6);
    compare(g, c, rc->run, "model_output", rc->tolerance);
    compare(g, c, rc->run, "latents", rc->tolerance);
    compare_picture(g, c, rc->run, rc->tolerance);
    eval_call_free(&c);
    golden_close(&g);
}

int main(void) {
    static golden_runs runs;
    golden_runs_add(&runs, "sdxl", &sdxl, test_run);
    golden_runs_add(&runs, "sd35", &sd35, test_run);
    if (golden_runs_on_cuda) return golden_runs_test(&runs); /* slow: one of each kind of network */
    golden_runs_add(&runs, "sd2", &sd2, test_run);
    golden_runs_add(&runs, "inpaint9", &inpaint9, test_run);
    golden_runs_add(&runs, "upscale", &upscale, test_run);
    golden_runs_add(&runs, "sd3", &sd3, test_run);
    golden_runs_add(&runs, "inpaint4", &inpaint4, test_run);
    golden_runs_add(&runs, "img2img", &img2img, test_run);
    return golden_runs_test(&runs);
}
