/* `diffarm eval` for the models that take no text: pixels (ddpm), latents with a codebook (ldm_uncond), a picture made
 * larger (ldm_sr), classes (dit). Every component, and every sampling run with its random draws given. */
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

static const double denoiser_tolerance = 3e-5, autoencoder_tolerance = 2e-5, run_tolerance = 1e-4;

/* Components */

static void check_denoiser(const char *model, const char *call, const char *prefix, const char *backend) {
    static const char *const timesteps[] = { "981", "500", "1" };
    golden *g = golden_open(model);
    char sample[32], ref[32];
    snprintf(sample, sizeof sample, "%s.sample", prefix);
    for (int i = 0; i < 3; i++) {
        eval_call *c = eval_call_new();
        float t = strtof(timesteps[i], NULL);
        size_t n;
        eval_call_give(c, "sample", golden_view(g, sample));
        eval_call_give_f32(c, "timestep", &t, (int64_t[]) { 1 }, 1);
        if (golden_has(g, "dit.class_labels")) eval_call_give(c, "class_labels", golden_view(g, "dit.class_labels"));
        eval_call_run(c, model_folder_new(model), call, "--backend", backend, "--threads", "2", NULL);
        snprintf(ref, sizeof ref, "%s.out.t%s", prefix, timesteps[i]);
        const float *out = eval_call_f32(c, "out", &n);
        golden_compare(g, ref, out, n, denoiser_tolerance);
        eval_call_free(&c);
    }
    golden_close(&g);
}

static void test_denoisers(void **state) {
    check_denoiser("ddpm", "unet", "unet", *state);
    check_denoiser("ldm_uncond", "unet", "unet", *state);
    check_denoiser("ldm_sr", "unet", "unet", *state);
    check_denoiser("dit", "transformer", "dit", *state);
}

static void check_half(const golden *g, const char *model, const char *backend, const char *call,
                       const char *const names[4]) {
    eval_call *c = eval_call_new();
    size_t n;
    eval_call_give(c, names[0], golden_view(g, names[1]));
    eval_call_run(c, model, call, "--backend", backend, "--threads", "2", NULL);
    const float *out = eval_call_f32(c, names[2], &n);
    golden_compare(g, names[3], out, n, autoencoder_tolerance);
    eval_call_free(&c);
}

static void test_codebooks(void **state) {
    static const char *const models[] = { "ldm_uncond", "ldm_sr" };
    static const char *const encode[] = { "image", "vq.image", "encoded", "vq.encoded" };
    static const char *const decode[] = { "z", "vq.z", "image", "vq.decoded" };
    for (int i = 0; i < 2; i++) {
        golden *g = golden_open(models[i]);
        const char *model = model_folder_new(models[i]);
        check_half(g, model, *state, "vae_encode", encode);
        check_half(g, model, *state, "vae_decode", decode);
        golden_close(&g);
    }
}

/* Whole runs */

static void give_inputs(eval_call *c, const golden *g, const char *run, const json_t *about) {
    golden_run_give_noise(c, g, run);
    if (golden_has(g, "image_u8")) eval_call_give(c, "image_u8", golden_view(g, "image_u8"));
    const json_t *labels = json_object_get(json_object_get(about, "call"), "class_labels");
    static int32_t ids[4]; /* borrowed until the call has run */
    size_t n = json_array_size(labels);
    assert_true(n <= 4);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(labels, i));
    if (n) eval_call_give_i32(c, "class_labels", ids, (int64_t[]) { (int64_t)n }, 1);
}

/* [calls][rows]...: where the golden has twice the rows (labels, then the null class) its first half is ours. */
static void compare_steps(const golden *g, const eval_call *c, const char *run, const char *what) {
    char name[128];
    size_t n;
    snprintf(name, sizeof name, "%s.%s", run, what);
    if (!golden_has(g, name)) return;
    const float *got = eval_call_f32(c, what, &n);
    const df_tensor_view *have = eval_call_view(c, what), *want = golden_view(g, name);
    assert_int_equal(have->dim[0], want->dim[0]);
    int64_t halves = want->dim[1] / have->dim[1];
    size_t calls = (size_t)have->dim[0], row = n / calls;
    float *ref = golden_f32(g, name, NULL);
    for (size_t i = 0; halves == 2 && i < calls; i++) memmove(ref + i * row, ref + i * 2 * row, row * sizeof *ref);
    assert_true(halves == 1 || halves == 2);
    golden_compare_f32(name, got, ref, n, golden_bound(g, name, run_tolerance));
    free(ref);
}

static void compare_end(const golden *g, const eval_call *c, const char *run) {
    char name[128];
    size_t n;
    snprintf(name, sizeof name, "%s.timesteps", run);
    const float *timesteps = eval_call_f32(c, "timesteps", &n);
    golden_compare(g, name, timesteps, n, 2e-6);
    snprintf(name, sizeof name, "%s.decoded", run);
    if (golden_has(g, name)) {
        const float *decoded = eval_call_f32(c, "decoded", &n);
        golden_compare(g, name, decoded, n, run_tolerance);
    }
    snprintf(name, sizeof name, "%s.image_u8", run);
    const df_tensor_view *image = eval_call_view(c, "image_u8"), *want = golden_view(g, name);
    for (int i = 0; i < 4; i++) assert_int_equal(image->dim[i], want->dim[i]);
    golden_compare_u8(g, name, image->data, (size_t)image->n_elements);
}

static eval_call *sample(const golden *g, const golden_run *rc, const char *ranks) {
    char settings[4][512];
    const json_t *about = golden_run_about(g, rc->run);
    eval_call *c = eval_call_new();
    give_inputs(c, g, rc->run, about);
    snprintf(settings[0], sizeof settings[0], "scheduler=%s", golden_run_scheduler(c, about));
    snprintf(settings[1], sizeof settings[1], "steps=%g", golden_run_number(about, "num_inference_steps", 0));
    snprintf(settings[2], sizeof settings[2], "guidance=%g", golden_run_number(about, "guidance_scale", 1));
    snprintf(settings[3], sizeof settings[3], "eta=%g", golden_run_number(about, "eta", 0));
    eval_call_run(c, model_folder_new(rc->golden), "sample", "--backend", rc->backend, "--threads", "2", "--pipeline",
                  ranks, "--set", settings[0], settings[1], settings[2], settings[3], NULL);
    return c;
}

static void test_run(void **state) {
    const golden_run *rc = *state;
    golden *g = golden_open(rc->golden);
    eval_call *c = sample(g, rc, "1");
    compare_steps(g, c, rc->run, "model_output");
    compare_steps(g, c, rc->run, "latents");
    compare_end(g, c, rc->run);
    eval_call_free(&c);
    golden_close(&g);
}

/* Cut into stages the networks give the same bytes. */
static void test_ranks(void **state) {
    const golden_run *rc = *state;
    golden *g = golden_open(rc->golden);
    eval_call *one = sample(g, rc, "1");
    const df_tensor_view *want = eval_call_view(one, "latents"), *picture = eval_call_view(one, "decoded");
    for (int ranks = 2; ranks <= 4; ranks++) {
        char text[16];
        snprintf(text, sizeof text, "%d", ranks);
        eval_call *many = sample(g, rc, text);
        assert_memory_equal(eval_call_view(many, "latents")->data, want->data,
                            (size_t)want->n_elements * sizeof(float));
        assert_memory_equal(eval_call_view(many, "decoded")->data, picture->data,
                            (size_t)picture->n_elements * sizeof(float));
        eval_call_free(&many);
    }
    eval_call_free(&one);
    golden_close(&g);
}

/* What the user can have wrong */

static void test_refuses(void **state) {
    (void)state;
    golden *g = golden_open("dit");
    const char *model = model_folder_new("dit");
    const int32_t beyond[3] = { 3, 1001, 41 };
    const float t = 500;
    eval_call *c = eval_call_new();
    eval_call_give(c, "sample", golden_view(g, "dit.sample"));
    eval_call_give_f32(c, "timestep", &t, (int64_t[]) { 1 }, 1);
    eval_call_give_i32(c, "class_labels", beyond, (int64_t[]) { 3 }, 1);
    assert_int_equal(eval_call_try(c, model, "transformer", NULL), 2);
    assert_non_null(strstr(eval_call_message(c), "1001"));
    assert_non_null(strstr(eval_call_message(c), "0 to 1000"));
    assert_false(eval_call_has_output(c));
    eval_call_free(&c);

    c = eval_call_new();
    eval_call_give(c, "z", golden_view(g, "dit.sample"));
    assert_int_equal(eval_call_try(c, model_folder_new("ddpm"), "vae_decode", NULL), 2);
    assert_false(eval_call_has_output(c));
    eval_call_free(&c);
    golden_close(&g);
}

int main(int argc, char **argv) {
    if (eval_call_is_child(argc, argv)) return eval_call_child(argc, argv);
    static char cpu[] = "cpu", reference[] = "reference";
    static golden_run on_ranks[] = {
        { .golden = "ddpm", .run = "run.ddpm_large", .backend = "cpu" },
        { .golden = "ldm_uncond", .run = "run.ddim", .backend = "cpu" },
        { .golden = "ldm_sr", .run = "run.ddim", .backend = "cpu" },
        { .golden = "dit", .run = "run.ddim_cfg4", .backend = "cpu" },
    };
    static const char *const cases[] = { "ddpm", "ldm_uncond", "ldm_sr", "dit" };
    const struct CMUnitTest more[] = {
        { "denoisers reference", test_denoisers, NULL, NULL, reference },
        { "denoisers cpu", test_denoisers, NULL, NULL, cpu },
        { "codebooks reference", test_codebooks, NULL, NULL, reference },
        { "codebooks cpu", test_codebooks, NULL, NULL, cpu },
        { "ddpm on ranks", test_ranks, NULL, NULL, &on_ranks[0] },
        { "ldm_uncond on ranks", test_ranks, NULL, NULL, &on_ranks[1] },
        { "ldm_sr on ranks", test_ranks, NULL, NULL, &on_ranks[2] },
        { "dit on ranks", test_ranks, NULL, NULL, &on_ranks[3] },
        cmocka_unit_test(test_refuses),
    };
    static golden_runs runs;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) golden_runs_add(&runs, cases[i], NULL, test_run);
    golden_runs_append(&runs, more, sizeof more / sizeof *more);
    return golden_runs_test(&runs);
}
