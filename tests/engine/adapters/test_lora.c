/* LoRA files of the goldens, added to the weights of sd15: the merged weight of the library, several at once, and what
 * does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/models/model.h"
#include "tests/support/golden.h"

#define WEIGHT "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
enum { SIDE = 32 };

static df_code open_with(df_model **m, const df_adapter_use *use, int n, df_err *err) {
    const df_model_options how = { .adapters = use, .n_adapters = n, .tokenizer_optional = true };
    return df_model_open_with(m, golden_dir("sd15"), &how, err);
}

/* The weight of attn1.to_q as a stage reads it; caller frees. */
static float *merged(const df_adapter_use *use, int n) {
    df_model *m = NULL;
    df_err err;
    float *w = malloc(SIDE * SIDE * sizeof *w);
    if (open_with(&m, use, n, &err)) fail_msg("%s", err.text);
    const df_weights *weights = df_model_weights(m, DF_DENOISER);
    if (df_weights_read_f32(weights, WEIGHT, (int64_t[]) { SIDE, SIDE }, 2, w, &err)) fail_msg("%s", err.text);
    df_model_close(&m);
    return w;
}

static df_adapter_use lora(const char *file, double weight) {
    return (df_adapter_use) { .kind = DF_ADAPTER_LORA, .path = golden_path("lora", file), .weight = weight };
}

static void merges_as_the_library(void **state) {
    static const char *const cases[][2] = {
        { "lora_peft.safetensors", "peft.merged." WEIGHT },
        { "lora_diffusers.safetensors", "peft.merged." WEIGHT },
        { "lora_kohya.safetensors", "kohya.merged." WEIGHT },
    };
    (void)state;
    golden *g = golden_open("lora");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const df_adapter_use use = lora(cases[i][0], 1);
        float *w = merged(&use, 1);
        golden_compare(g, cases[i][1], w, SIDE * SIDE, 2e-6);
        free(w);
    }
    golden_close(&g);
}

/* base + 0.5 * (peft - base) - 2 * (kohya - base) */
static void several_add_up(void **state) {
    (void)state;
    golden *g = golden_open("lora");
    const df_adapter_use both[] = { lora("lora_peft.safetensors", 0.5), lora("lora_kohya.safetensors", -2) };
    float *base = merged(NULL, 0), *got = merged(both, 2), want[SIDE * SIDE];
    float *peft = golden_f32(g, "peft.merged." WEIGHT, NULL), *kohya = golden_f32(g, "kohya.merged." WEIGHT, NULL);
    for (int i = 0; i < SIDE * SIDE; i++) want[i] = base[i] + 0.5f * (peft[i] - base[i]) - 2.0f * (kohya[i] - base[i]);
    golden_compare_f32("both", got, want, SIDE * SIDE, 2e-6);
    free(base);
    free(got);
    free(peft);
    free(kohya);
    golden_close(&g);
}

static void refused(const df_adapter_use *use, const char *says) {
    df_model *m = NULL;
    df_err err;
    assert_int_not_equal(open_with(&m, use, 1, &err), DF_OK);
    assert_null(m);
    if (!strstr(err.text, says)) fail_msg("%s", err.text);
}

/* Copies the golden's file with one tensor left out or renamed. */
static const char *edited(const char *drop, const char *rename_to) {
    static char path[512];
    df_safetensors *f = NULL;
    df_err err;
    df_safetensors_writer *w = df_safetensors_writer_new();
    snprintf(path, sizeof path, "%s/edited.safetensors", golden_temp_dir());
    assert_int_equal(df_safetensors_open(&f, golden_path("lora", "lora_peft.safetensors"), &err), DF_OK);
    for (int i = 0; i < df_safetensors_count(f); i++) {
        const df_tensor_view *t = df_safetensors_at(f, i);
        const char *name = strcmp(t->name, drop) ? t->name : rename_to;
        if (name) assert_int_equal(df_safetensors_writer_add(w, name, t->dtype, t->dim, t->rank, t->data, &err), DF_OK);
    }
    assert_int_equal(df_safetensors_writer_write(w, path, &err), DF_OK);
    df_safetensors_writer_free(&w);
    df_safetensors_close(&f);
    return path;
}

static void what_does_not_fit_is_told(void **state) {
    static const char key[] = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight";
    (void)state;
    df_adapter_use use = lora("lora_peft.safetensors", 1);
    use.path = edited(key, NULL);
    refused(&use, "has no down beside it");
    use.path = edited(key, "unet.down_blocks.0.attn.hada_w1_a");
    refused(&use, "only plain LoRA");
    use.path = edited(key, "nonsense");
    refused(&use, "'nonsense' is no key of a LoRA");
    use.path = golden_path("sd15", "unet/diffusion_pytorch_model.safetensors");
    refused(&use, "is no key of a LoRA");
    use = lora("lora_peft.safetensors", 1);
    use.sha256 = "00";
    refused(&use, "has changed since");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_as_the_library),
        cmocka_unit_test(several_add_up),
        cmocka_unit_test(what_does_not_fit_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
