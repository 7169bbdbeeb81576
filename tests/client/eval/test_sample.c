/* Whole sampling runs against those of diffusers, with every random draw given: `diffarm eval --call sample`. */
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
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

static const double tolerance = 1e-4;

/* The text states of batch2_*: "a photo ..." and "a dog", both against the empty prompt. Only the first and the last
 * are in the golden; the other is encoded here from its ids. */
static void give_batch2(eval_call *c, const golden *g, const char *model) {
    enum { START = 49406, END = 49407, A = 320, DOG = 1929, ROW = 77 * 32 };
    static float cond[2 * ROW], uncond[2 * ROW];
    int32_t ids[77];
    for (int i = 0; i < 77; i++) ids[i] = i == 0 ? START : i == 1 ? A : i == 2 ? DOG : END;
    eval_call *dog = eval_call_new();
    eval_call_give_i32(dog, "ids", ids, (int64_t[]) { 1, 77 }, 2);
    eval_call_run(dog, model, "text_encode", "--backend", "reference", NULL);
    float *prompts = golden_f32(g, "text.last_hidden_state", NULL);
    memcpy(cond, prompts + ROW, sizeof cond / 2);
    memcpy(cond + ROW, eval_call_f32(dog, "last_hidden_state", NULL), sizeof cond / 2);
    for (int r = 0; r < 2; r++) memcpy(uncond + r * ROW, prompts, sizeof uncond / 2);
    free(prompts);
    eval_call_free(&dog);
    eval_call_give_f32(c, "cond", cond, (int64_t[]) { 2, 77, 32 }, 3);
    eval_call_give_f32(c, "uncond", uncond, (int64_t[]) { 2, 77, 32 }, 3);
    eval_call_give(c, "latents", golden_view(g, "batch2.latents"));
}

static void give_single(eval_call *c, const golden *g) {
    eval_call_give(c, "cond", golden_view(g, "sample.embeds.cond"));
    eval_call_give(c, "uncond", golden_view(g, "sample.embeds.uncond"));
    eval_call_give(c, "latents", golden_view(g, "sample.latents"));
}

static void compare(const golden *g, const eval_call *c, const char *run, const char *what, double bound) {
    char name[128];
    size_t n;
    snprintf(name, sizeof name, "%s.%s", run, what);
    const float *got = eval_call_f32(c, what, &n);
    golden_compare(g, name, got, n, bound);
}

static void compare_picture(const golden *g, const eval_call *c, const char *run) {
    char name[128];
    snprintf(name, sizeof name, "%s.image_u8", run);
    const df_tensor_view *image = eval_call_view(c, "image_u8");
    assert_int_equal(image->dtype, DF_U8);
    assert_int_equal(image->dim[1], 96);
    assert_int_equal(image->dim[3], 3);
    golden_compare_u8(g, name, image->data, (size_t)image->n_elements);
    snprintf(name, sizeof name, "%s.decoded", run);
    if (golden_has(g, name)) compare(g, c, run, "decoded", tolerance);
}

static void run_and_compare(const char *run, const char *backend, const char *dtype) {
    char settings[5][512];
    golden *g = golden_open("sd15");
    eval_call *c = eval_call_new();
    const char *model = model_folder_new("sd15");
    const json_t *about = golden_run_about(g, run);
    if (strncmp(run, "run.batch2", 10) == 0)
        give_batch2(c, g, model);
    else
        give_single(c, g);
    golden_run_give_noise(c, g, run);
    snprintf(settings[0], sizeof settings[0], "scheduler=%s", golden_run_scheduler(c, about));
    snprintf(settings[1], sizeof settings[1], "steps=%g", golden_run_number(about, "num_inference_steps", 0));
    snprintf(settings[2], sizeof settings[2], "guidance=%g", golden_run_number(about, "guidance_scale", 0));
    snprintf(settings[3], sizeof settings[3], "guidance_rescale=%g", golden_run_number(about, "guidance_rescale", 0));
    snprintf(settings[4], sizeof settings[4], "eta=%g", golden_run_number(about, "eta", 0));
    eval_call_run(c, model, "sample", "--backend", backend, "--dtype", dtype, "--threads", "2", "--set", settings[0],
                  settings[1], settings[2], settings[3], settings[4], NULL);
    compare(g, c, run, "timesteps", 2e-6);
    compare(g, c, run, "model_output", tolerance);
    compare(g, c, run, "latents", tolerance);
    compare_picture(g, c, run);
    eval_call_free(&c);
    golden_close(&g);
}

static void test_run(void **state) {
    const golden_run *r = *state;
    run_and_compare(r->run, r->backend, "f32");
}

static void test_run_f64(void **state) {
    run_and_compare(*state, "reference", "f64");
}

/* Without `latents` the first draw is the start and the sampler takes those behind it: the same bytes. */
static void test_first_draw_is_start(void **state) {
    (void)state;
    golden *g = golden_open("sd15");
    const char *model = model_folder_new("sd15");
    eval_call *given = eval_call_new(), *drawn = eval_call_new();
    eval_call *both[] = { given, drawn };
    for (int i = 0; i < 2; i++) {
        eval_call_give(both[i], "cond", golden_view(g, "sample.embeds.cond"));
        eval_call_give(both[i], i ? "noise.0" : "latents", golden_view(g, "sample.latents"));
        eval_call_give(both[i], i ? "noise.1" : "noise.0", golden_view(g, "run.euler_a.noise.0"));
        eval_call_give(both[i], i ? "noise.2" : "noise.1", golden_view(g, "run.euler_a.noise.1"));
        eval_call_run(both[i], model, "sample", "--set", "scheduler=euler_a", "steps=2", "guidance=1", NULL);
    }
    const df_tensor_view *a = eval_call_view(given, "decoded"), *b = eval_call_view(drawn, "decoded");
    assert_int_equal(a->n_elements, b->n_elements);
    assert_memory_equal(a->data, b->data, (size_t)a->n_elements * sizeof(float));
    eval_call_free(&given);
    eval_call_free(&drawn);
    golden_close(&g);
}

/* A row gives the same bytes alone as beside another. */
static void test_rows_alone(void **state) {
    const char *backend = *state;
    golden *g = golden_open("sd15");
    const char *model = model_folder_new("sd15");
    float *latents = golden_f32(g, "batch2.latents", NULL), *text = golden_f32(g, "unet.encoder_hidden_states", NULL);
    size_t row = 4 * 12 * 16, text_row = 77 * 32;
    eval_call *pair = eval_call_new();
    eval_call_give_f32(pair, "latents", latents, (int64_t[]) { 2, 4, 12, 16 }, 4);
    eval_call_give_f32(pair, "cond", text, (int64_t[]) { 2, 77, 32 }, 3);
    eval_call_run(pair, model, "sample", "--backend", backend, "--set", "scheduler=ddim", "steps=2", "guidance=1",
                  NULL);
    const float *both = eval_call_f32(pair, "decoded", NULL);
    for (size_t r = 0; r < 2; r++) {
        eval_call *single = eval_call_new();
        size_t n;
        eval_call_give_f32(single, "latents", latents + r * row, (int64_t[]) { 1, 4, 12, 16 }, 4);
        eval_call_give_f32(single, "cond", text + r * text_row, (int64_t[]) { 1, 77, 32 }, 3);
        eval_call_run(single, model, "sample", "--backend", backend, "--set", "scheduler=ddim", "steps=2", "guidance=1",
                      NULL);
        const float *alone = eval_call_f32(single, "decoded", &n);
        assert_memory_equal(alone, both + r * n, n * sizeof *alone);
        eval_call_free(&single);
    }
    free(latents);
    free(text);
    eval_call_free(&pair);
    golden_close(&g);
}

int main(void) {
    static char cpu[] = "cpu", reference[] = "reference", cuda[] = "cuda", ddim[] = "run.ddim",
                dpmpp_2m[] = "run.dpmpp_2m";
    static golden_runs runs;
    const struct CMUnitTest more[] = {
        { "ddim f64", test_run_f64, NULL, NULL, ddim },
        { "dpmpp_2m f64", test_run_f64, NULL, NULL, dpmpp_2m },
        cmocka_unit_test(test_first_draw_is_start),
        { "rows alone reference", test_rows_alone, NULL, NULL, reference },
        { "rows alone cpu", test_rows_alone, NULL, NULL, cpu },
    };
    const struct CMUnitTest on_cuda[] = { { "rows alone cuda", test_rows_alone, NULL, NULL, cuda } };
    golden_runs_add(&runs, "sd15", NULL, test_run);
    if (golden_runs_on_cuda)
        golden_runs_append(&runs, on_cuda, sizeof on_cuda / sizeof *on_cuda);
    else
        golden_runs_append(&runs, more, sizeof more / sizeof *more);
    return golden_runs_test(&runs);
}
