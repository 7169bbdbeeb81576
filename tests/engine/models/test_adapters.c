/* Models with adapters against the golden: the outputs of sd15 with each LoRA merged at two weights, and the ids and
 * states of prompts with textual inversions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/engine/models/component.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

static df_model *open_with(const df_adapter_use *use, int n) {
    const df_model_options how = { .adapters = use, .n_adapters = n };
    df_model *m = NULL;
    df_err err;
    if (df_model_open_with(&m, model_folder_new("sd15"), &how, &err)) fail_msg("%s", err.text);
    return m;
}

static void check_unet(const golden *g, const df_model *m, const char *name, const backend_case *b) {
    const df_tensor_view *t = golden_view(g, "unet.sample");
    float timestep[2] = { 500, 500 }, *x = golden_f32(g, "unet.sample", NULL);
    float *text = golden_f32(g, "unet.encoder_hidden_states", NULL);
    component c = component_open(m, DF_UNET, (int)t->dim[2], (int)t->dim[3], b, t->dim[0]);
    component_set(&c, "sample", x);
    component_set(&c, "timestep", timestep);
    component_set(&c, "encoder_hidden_states", text);
    component_run(&c);
    size_t n;
    float *out = component_get(&c, "out", &n);
    golden_compare(g, name, out, n, 3e-5);
    free(out);
    free(text);
    free(x);
    component_close(&c);
}

static void check_text(const golden *g, const df_model *m, const int32_t *ids, int64_t n_prompts, const char *name,
                       const backend_case *b) {
    component c = component_open(m, DF_TEXT_ENCODER, 0, 0, b, n_prompts);
    component_set_ids(&c, "ids", ids);
    component_run(&c);
    size_t n;
    float *last = component_get(&c, "last_hidden_state", &n);
    golden_compare(g, name, last, n, 2e-5);
    free(last);
    component_close(&c);
}

static void test_loras(void **state) {
    static const char *const files[][2] = { { "lora_peft.safetensors", "peft" },
                                            { "lora_diffusers.safetensors", "peft" },
                                            { "lora_kohya.safetensors", "kohya" } };
    static const double weights[] = { 1.0, 0.6 };
    golden *g = golden_open("lora");
    int32_t *ids = golden_i32(g, "ids", NULL);
    for (size_t i = 0; i < 6; i++) {
        const char *const *file = files[i / 2];
        const df_adapter_use use = { .path = golden_path("lora", file[0]), .weight = weights[i % 2] };
        df_model *m = open_with(&use, 1);
        char name[64];
        snprintf(name, sizeof name, "%s.scale%.1f.unet.out", file[1], weights[i % 2]);
        check_unet(g, m, name, *state);
        snprintf(name, sizeof name, "%s.scale%.1f.text", file[1], weights[i % 2]);
        check_text(g, m, ids, 2, name, *state);
        df_model_close(&m);
    }
    free(ids);
    golden_close(&g);
}

/* The folder of the full CLIP vocabulary is not part of the source tree. */
static void need_tokenizer(void) {
    if (!access(golden_path("sd15", "tokenizer"), R_OK | X_OK)) return;
    print_message("sd15/tokenizer is not at hand\n");
    skip();
}

static void test_textual_inversion(void **state) {
    golden *g = golden_open("lora");
    need_tokenizer();
    const df_adapter_use use[] = {
        { .kind = DF_ADAPTER_EMBEDDING, .path = golden_path("lora", "ti_diffusers.safetensors") },
        { .kind = DF_ADAPTER_EMBEDDING, .path = golden_path("lora", "ti_a1111.safetensors"), .name = "<cat-toy>" },
    };
    df_model *m = open_with(use, 2);
    const json_t *prompts = json_object_get(json_object_get(golden_json(g), "textual_inversion"), "prompts");
    int64_t n = (int64_t)json_array_size(prompts), tokens = golden_view(g, "ti.ids")->dim[1];
    int32_t *ids = calloc((size_t)(n * tokens), sizeof *ids);
    df_err err;
    assert_non_null(ids);
    assert_int_equal(n, 3);
    for (int64_t i = 0; i < n; i++)
        if (df_model_tokenize(m, DF_TEXT_ENCODER, json_string_value(json_array_get(prompts, (size_t)i)),
                              ids + i * tokens, (int)tokens, NULL, &err))
            fail_msg("%s", err.text);
    golden_compare_i32(g, "ti.ids", ids, (size_t)(n * tokens));
    check_text(g, m, ids, n, "ti.text", *state);
    free(ids);
    df_model_close(&m);
    golden_close(&g);
}

int main(void) {
    static backend_case cpu = { "cpu", DF_F32, "cpu" }, f32 = { "reference", DF_F32, "reference" };
    const struct CMUnitTest tests[] = {
        { "loras reference", test_loras, NULL, NULL, &f32 },
        { "loras cpu", test_loras, NULL, NULL, &cpu },
        { "textual inversion reference", test_textual_inversion, NULL, NULL, &f32 },
        { "textual inversion cpu", test_textual_inversion, NULL, NULL, &cpu },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
