/* The starter model from a prompt and a seed to a picture, against what diffusers drew: tokenizer, text encoder, noise,
 * sampler, U-Net and decoder, every value of every pixel within one level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "engine/config/json_config.h"
#include "engine/image/png_io.h"
#include "engine/noise/noise.h"
#include "tests/client/eval/eval_call.h"
#include "tests/support/golden.h"

enum { SIDE = 64, LATENT = 16, N_NOISE = 4 * LATENT * LATENT, TOKENS = 77, WIDTH = 128 };

/* One line of the manifest. */
typedef struct line {
    const char *name, *prompt, *negative, *scheduler;
    long long seed, steps;
    double guidance;
} line;

static const char *text_of(const json_t *o, const char *key) {
    const char *text = json_string_value(json_object_get(o, key));
    if (!text) fail_msg("manifest: no '%s'", key);
    return text;
}

static line line_of(const json_t *o) {
    return (line) {
        .name = text_of(o, "name"),
        .prompt = text_of(o, "prompt"),
        .negative = text_of(o, "negative"),
        .scheduler = text_of(o, "scheduler"),
        .seed = json_integer_value(json_object_get(o, "seed")),
        .steps = json_integer_value(json_object_get(o, "steps")),
        .guidance = json_number_value(json_object_get(o, "guidance")),
    };
}

/* cond and uncond, [1][TOKENS][WIDTH] each. */
static void encode(const line *l, const char *model, const char *backend, float *cond, float *uncond) {
    json_t *prompts = json_pack("[ss]", l->prompt, l->negative);
    char *text = json_dumps(prompts, 0);
    assert_non_null(text);
    eval_call *tokens = eval_call_new(), *states = eval_call_new();
    eval_call_run(tokens, model, "tokenize", "--prompts", eval_call_file(tokens, "prompts.json", text), NULL);
    eval_call_give(states, "ids", eval_call_view(tokens, "ids"));
    eval_call_run(states, model, "text_encode", "--backend", backend, NULL);
    const float *last = eval_call_f32(states, "last_hidden_state", NULL);
    memcpy(cond, last, sizeof *cond * TOKENS * WIDTH);
    memcpy(uncond, last + TOKENS * WIDTH, sizeof *uncond * TOKENS * WIDTH);
    eval_call_free(&tokens);
    eval_call_free(&states);
    free(text);
    json_decref(prompts);
}

static uint8_t *read_png(const char *name) {
    char file[64];
    char *png;
    size_t bytes;
    uint8_t *rgb;
    int width, height;
    df_err err;
    snprintf(file, sizeof file, "pictures/%s.png", name);
    if (df_file_read(golden_path("starter_reference", file), 1 << 20, &png, &bytes, &err) ||
        df_png_decode(&rgb, &width, &height, png, bytes, SIDE, &err))
        fail_msg("%s", err.text);
    free(png);
    assert_int_equal(width, SIDE);
    assert_int_equal(height, SIDE);
    return rgb;
}

static void compare_picture(const line *l, const uint8_t *got) {
    uint8_t *ref = read_png(l->name);
    int off = 0;
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        int d = abs(got[i] - ref[i]);
        if (d > 1)
            fail_msg("%s (%s, %s): pixel %d,%d channel %d is %d, diffusers has %d", l->name, l->prompt, l->scheduler,
                     i / 3 % SIDE, i / 3 / SIDE, i % 3, got[i], ref[i]);
        off += d;
    }
    print_message("%s %-28s %-9s %d of %d values off by one level\n", l->name, l->prompt, l->scheduler, off,
                  SIDE * SIDE * 3);
    free(ref);
}

static void draw(const line *l, const char *backend) {
    static float cond[TOKENS * WIDTH], uncond[TOKENS * WIDTH];
    float noise[N_NOISE];
    char settings[3][64];
    const char *model = golden_source_path("models/starter");
    encode(l, model, backend, cond, uncond);
    df_noise *z = df_noise_new(DF_NOISE_TORCH_CPU, (uint64_t)l->seed);
    assert_non_null(z);
    df_noise_normal(z, noise, N_NOISE);
    df_noise_free(&z);

    eval_call *c = eval_call_new();
    eval_call_give_f32(c, "latents", noise, (int64_t[]) { 1, 4, LATENT, LATENT }, 4);
    eval_call_give_f32(c, "cond", cond, (int64_t[]) { 1, TOKENS, WIDTH }, 3);
    eval_call_give_f32(c, "uncond", uncond, (int64_t[]) { 1, TOKENS, WIDTH }, 3);
    snprintf(settings[0], sizeof settings[0], "scheduler=%s", l->scheduler);
    snprintf(settings[1], sizeof settings[1], "steps=%lld", l->steps);
    snprintf(settings[2], sizeof settings[2], "guidance=%g", l->guidance);
    eval_call_run(c, model, "sample", "--backend", backend, "--threads", "2", "--set", settings[0], settings[1],
                  settings[2], NULL);
    compare_picture(l, eval_call_view(c, "image_u8")->data);
    eval_call_free(&c);
}

/* The first `most` lines of the manifest. */
static void draw_lines(const char *backend, int most) {
    FILE *f = fopen(golden_path("starter_reference", "manifest.jsonl"), "r");
    char text[4096];
    int n = 0;
    assert_non_null(f);
    for (; n < most && fgets(text, sizeof text, f); n++) {
        json_t *o = NULL;
        df_err err;
        if (df_json_parse(&o, text, strlen(text), "manifest.jsonl", &err)) fail_msg("%s", err.text);
        line l = line_of(o);
        draw(&l, backend);
        json_decref(o);
    }
    fclose(f);
    assert_int_equal(n, most);
}

static void test_cpu(void **state) {
    (void)state;
    draw_lines("cpu", 16);
}

static void test_reference(void **state) {
    (void)state;
    draw_lines("reference", 1);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cpu), cmocka_unit_test(test_reference) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
