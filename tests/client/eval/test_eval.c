/* Every call of `diffarm eval` against the golden model, and what it says of bad input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/config/json_config.h"
#include "tests/client/eval/eval_call.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

static void test_tokenize(void **state) {
    (void)state;
    eval_call *c = eval_call_new();
    json_t *root = NULL;
    df_err err;
    if (df_json_load(&root, golden_path("starter_reference", "tokens.json"), &err)) fail_msg("%s", err.text);
    char *prompts = json_dumps(json_object_get(root, "prompts"), 0);
    eval_call_run(c, golden_source_path("models/starter"), "tokenize", "--prompts",
                  eval_call_file(c, "prompts.json", prompts), NULL);
    const df_tensor_view *ids = eval_call_view(c, "ids");
    const json_t *rows = json_object_get(root, "ids");
    assert_int_equal(ids->dtype, DF_I32);
    assert_int_equal(ids->dim[0], json_array_size(rows));
    assert_int_equal(ids->dim[1], 77);
    for (int64_t i = 0; i < ids->n_elements; i++) {
        const json_t *row = json_array_get(rows, (size_t)(i / 77));
        int32_t id;
        memcpy(&id, (const char *)ids->data + 4 * i, sizeof id);
        assert_int_equal(id, json_integer_value(json_array_get(row, (size_t)(i % 77))));
    }
    free(prompts);
    json_decref(root);
    eval_call_free(&c);
}

static void test_text_encode(void **state) {
    const char *backend = *state;
    golden *g = golden_open("sd15");
    eval_call *c = eval_call_new();
    size_t n;
    eval_call_give(c, "ids", golden_view(g, "text.ids"));
    eval_call_run(c, model_folder_new("sd15"), "text_encode", "--backend", backend, NULL);
    const float *last = eval_call_f32(c, "last_hidden_state", &n);
    golden_compare(g, "text.last_hidden_state", last, n, 2e-5);
    assert_int_equal(eval_call_view(c, "hidden.3")->dim[2], 32);

    /* eos_token_id is 2 here: the first largest id, which is the end token, 49407 */
    int32_t *ids = golden_i32(g, "text.ids", NULL);
    const float *pooled = eval_call_f32(c, "pooled", &n);
    assert_int_equal(n, 6 * 32);
    for (int64_t r = 0; r < 6; r++) {
        int64_t at = 0;
        while (ids[r * 77 + at] != 49407) at++;
        assert_memory_equal(pooled + r * 32, last + (r * 77 + at) * 32, 32 * sizeof *pooled);
    }
    free(ids);
    eval_call_free(&c);
    golden_close(&g);
}

/* A causal encoder: 20 tokens give the first 20 states of 77. */
static void test_text_encode_short(void **state) {
    (void)state;
    golden *g = golden_open("sd15");
    eval_call *c = eval_call_new();
    size_t n;
    int32_t *ids = golden_i32(g, "text.ids", NULL);
    float *ref = golden_f32(g, "text.last_hidden_state", NULL);
    int32_t cut[2 * 20];
    for (int r = 0; r < 2; r++) memcpy(cut + 20 * r, ids + 77 * (r + 1), sizeof cut / 2);
    eval_call_give_i32(c, "ids", cut, (int64_t[]) { 2, 20 }, 2);
    eval_call_run(c, model_folder_new("sd15"), "text_encode", NULL);
    const float *last = eval_call_f32(c, "last_hidden_state", &n);
    assert_int_equal(n, 2 * 20 * 32);
    assert_int_equal(eval_call_view(c, "hidden.0")->dim[1], 20);
    for (size_t r = 0; r < 2; r++)
        golden_compare_f32("first 20 states", last + r * 20 * 32, ref + (r + 1) * 77 * 32, 20 * 32, 2e-5);
    free(ids);
    free(ref);
    eval_call_free(&c);
    golden_close(&g);
}

static void check_unet(const golden *g, const char *backend, const float *t, int64_t n_t) {
    eval_call *c = eval_call_new();
    size_t n;
    eval_call_give(c, "sample", golden_view(g, "unet.sample"));
    eval_call_give(c, "encoder_hidden_states", golden_view(g, "unet.encoder_hidden_states"));
    eval_call_give_f32(c, "timestep", t, &n_t, 1);
    eval_call_run(c, model_folder_new("sd15"), "unet", "--backend", backend, "--threads", "2", NULL);
    const float *out = eval_call_f32(c, "out", &n);
    golden_compare(g, "unet.out.t500", out, n, 3e-5);
    eval_call_free(&c);
}

static void test_unet(void **state) {
    const char *backend = *state;
    golden *g = golden_open("sd15");
    check_unet(g, backend, (const float[]) { 500 }, 1);
    check_unet(g, backend, (const float[]) { 500, 500 }, 2);
    golden_close(&g);
}

static void test_unet_f64(void **state) {
    (void)state;
    golden *g = golden_open("sd15");
    eval_call *c = eval_call_new();
    size_t n;
    eval_call_give(c, "sample", golden_view(g, "unet.sample"));
    eval_call_give(c, "encoder_hidden_states", golden_view(g, "unet.encoder_hidden_states"));
    eval_call_give_f32(c, "timestep", (const float[]) { 981 }, (int64_t[]) { 1 }, 1);
    eval_call_run(c, model_folder_new("sd15"), "unet", "--backend", "reference", "--dtype", "f64", NULL);
    const float *out = eval_call_f32(c, "out", &n);
    golden_compare(g, "unet.out.t981", out, n, 3e-5);
    eval_call_free(&c);
    golden_close(&g);
}

static void test_vae(void **state) {
    const char *backend = *state;
    golden *g = golden_open("sd15");
    const char *model = model_folder_new("sd15");
    eval_call *c = eval_call_new();
    size_t n;
    eval_call_give(c, "image", golden_view(g, "vae.image"));
    eval_call_give(c, "z", golden_view(g, "vae.z"));
    eval_call_run(c, model, "vae_encode", "--backend", backend, NULL);
    const float *moments = eval_call_f32(c, "moments", &n);
    golden_compare(g, "vae.moments", moments, n, 2e-5);
    eval_call_run(c, model, "vae_decode", "--backend", backend, NULL);
    const float *image = eval_call_f32(c, "image", &n);
    golden_compare(g, "vae.decoded", image, n, 2e-5);
    eval_call_free(&c);
    golden_close(&g);
}

static void test_add_noise(void **state) {
    (void)state;
    golden *g = golden_open("schedules");
    eval_call *c = eval_call_new();
    size_t n, row = 2 * 4 * 6 * 5;
    int32_t *t = golden_i32(g, "add_noise.t", NULL);
    float *ref = golden_f32(g, "scaled_linear.add_noise", NULL);
    for (size_t i = 0; i < 6; i++) {
        eval_call_free(&c);
        c = eval_call_new();
        eval_call_give(c, "sample", golden_view(g, "x0"));
        eval_call_give(c, "noise", golden_view(g, "noise"));
        eval_call_give_i32(c, "timestep", t + i, (int64_t[]) { 1 }, 1);
        eval_call_run(c, golden_source_path("models/starter"), "add_noise", NULL);
        const float *out = eval_call_f32(c, "out", &n);
        assert_int_equal(n, row);
        golden_compare_f32("add_noise", out, ref + i * row, row, 1e-6);
    }
    free(t);
    free(ref);
    eval_call_free(&c);
    golden_close(&g);
}

static void refused(eval_call *c, int code, const char *word, const char *word2) {
    if (code != 2) fail_msg("exit code %d: %s", code, eval_call_message(c));
    if (!strstr(eval_call_message(c), word) || !strstr(eval_call_message(c), word2))
        fail_msg("'%s' or '%s' is not in: %s", word, word2, eval_call_message(c));
    assert_false(eval_call_has_output(c));
}

static void test_bad_usage(void **state) {
    (void)state;
    const char *model = golden_source_path("models/starter");
    eval_call *c = eval_call_new();
    refused(c, eval_call_try(c, model, "conjure", NULL), "conjure", "not known");
    refused(c, eval_call_try(c, model, "train_step", NULL), "train_step", "not available");
    refused(c, eval_call_try(c, model, "unet", "--backend", "abacus", NULL), "--backend", "abacus");
    refused(c, eval_call_try(c, model, "unet", "--dtype", "f64", NULL), "f64", "reference");
    refused(c, eval_call_try(c, model, "unet", "--threads", "two", NULL), "--threads", "two");
    refused(c, eval_call_try(c, model, "unet", "stray", NULL), "KEY=VALUE", "stray");
    refused(c, eval_call_try(c, model, "unet", "--set", "steps=4", NULL), "unet", "steps");
    refused(c, eval_call_try(c, model, "sample", "--set", "steps=4.5", NULL), "steps", "4.5");
    refused(c, eval_call_try(c, model, "sample", "--set", "steps=4", "guidance=warm", NULL), "guidance", "warm");
    refused(c, eval_call_try(c, model, "sample", "--set", "frames=3", NULL), "frames", "guidance_rescale");
    refused(c, eval_call_try(c, model, "sample", "--set", "task=video", NULL), "task", "video");
    refused(c, eval_call_try(c, model, "sample", "--set", "task=upscale", NULL), "task", "StableDiffusionPipeline");
    refused(c, eval_call_try(c, model, "text_encode_2", NULL), "StableDiffusionPipeline", "text_encoder_2");
    refused(c, eval_call_try(c, model, "sample", "--set", "task=inpaint", NULL), "image_u8", "missing");
    refused(c, eval_call_try(c, model, "tokenize", NULL), "--prompts", "tokenize");
    refused(c, eval_call_try(c, "/nowhere", "unet", NULL), "/nowhere", "eval");
    eval_call_free(&c);
}

static void test_bad_input(void **state) {
    (void)state;
    const char *model = golden_source_path("models/starter");
    static float zeros[2 * 77 * 128];
    eval_call *c = eval_call_new();
    eval_call_give_f32(c, "sample", zeros, (int64_t[]) { 2, 4, 8, 8 }, 4);
    eval_call_give_f32(c, "latents", zeros, (int64_t[]) { 2, 3, 8, 8 }, 4);
    eval_call_give_f32(c, "timestep", zeros, (int64_t[]) { 3 }, 1);
    eval_call_give_f32(c, "image", zeros, (int64_t[]) { 1, 3, 10, 16 }, 4);
    eval_call_give_f32(c, "noise", zeros, (int64_t[]) { 2, 4, 8, 4 }, 4);
    eval_call_give_i32(c, "ids", (const int32_t[]) { 0, 5000, 1 }, (int64_t[]) { 1, 3 }, 2);
    refused(c, eval_call_try(c, model, "vae_decode", NULL), "in.safetensors", "'z' [any, 4, any, any] is missing");
    refused(c, eval_call_try(c, model, "unet", NULL), "'timestep' is [3], [2] is needed", "in.safetensors");
    refused(c, eval_call_try(c, model, "sample", NULL), "'latents' is [2, 3, 8, 8]", "[any, 4, any, any]");
    refused(c, eval_call_try(c, model, "vae_encode", NULL), "'image'", "multiples of 4");
    refused(c, eval_call_try(c, model, "text_encode", NULL), "5000", "[0, 1]");
    refused(c, eval_call_try(c, model, "add_noise", NULL), "'noise' is [2, 4, 8, 4]", "[2, 4, 8, 8]");
    const char *not_strings = eval_call_file(c, "p.json", "[\"a\", 1]");
    refused(c, eval_call_try(c, model, "tokenize", "--prompts", not_strings, NULL), "p.json", "entry 1");
    eval_call_free(&c);
}

/* The sampler makes more draws than there are. */
static void test_missing_draw(void **state) {
    (void)state;
    static float zeros[77 * 128];
    eval_call *c = eval_call_new();
    eval_call_give_f32(c, "noise.0", zeros, (int64_t[]) { 1, 4, 4, 4 }, 4);
    eval_call_give_f32(c, "noise.1", zeros, (int64_t[]) { 1, 4, 4, 4 }, 4);
    eval_call_give_f32(c, "cond", zeros, (int64_t[]) { 1, 77, 128 }, 3);
    const char *model = golden_source_path("models/starter");
    int code = eval_call_try(c, model, "sample", "--set", "guidance=1", "steps=3", "scheduler=euler_a", NULL);
    refused(c, code, "'noise.2' is missing", "in.safetensors");
    eval_call_free(&c);
}

int main(int argc, char **argv) {
    if (eval_call_is_child(argc, argv)) return eval_call_child(argc, argv);
    static char cpu[] = "cpu", reference[] = "reference";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokenize),
        { "text_encode reference", test_text_encode, NULL, NULL, reference },
        { "text_encode cpu", test_text_encode, NULL, NULL, cpu },
        cmocka_unit_test(test_text_encode_short),
        { "unet reference", test_unet, NULL, NULL, reference },
        { "unet cpu", test_unet, NULL, NULL, cpu },
        cmocka_unit_test(test_unet_f64),
        { "vae reference", test_vae, NULL, NULL, reference },
        { "vae cpu", test_vae, NULL, NULL, cpu },
        cmocka_unit_test(test_add_noise),
        cmocka_unit_test(test_bad_usage),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_missing_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
