/* SDXL from prompts by the renderer, against `eval` that is given diffusers' own text states. The library's runs tell
 * the U-Net of sizes that no manifest can ask for, so they cannot be drawn as they are; eval can take the default ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/client/eval/eval_call.h"
#include "tests/cluster/album.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

enum { TOKENS = 77, WIDTH = 72, POOLED = 24, HIGH = 128, WIDE = 96 };
static const float sizes[6] = { HIGH, WIDE, 0, 0, HIGH, WIDE };

static df_code draw(void *ctx, float *out, size_t n, df_err *err) {
    (void)err;
    size_t have;
    float *x = golden_f32(ctx, "sample.latents", &have);
    assert_int_equal(have, n);
    memcpy(out, x, n * sizeof *out);
    free(x);
    return DF_OK;
}

/* negative: the golden's; else the absent one, which is zeros. */
static void evaluate(eval_call *c, const golden *g, const char *model, bool negative) {
    static const float zeros[TOKENS * WIDTH];
    eval_call_give(c, "latents", golden_view(g, "sample.latents"));
    eval_call_give(c, "cond", golden_view(g, "run.euler.embeds.cond"));
    eval_call_give(c, "pooled_cond", golden_view(g, "run.euler.embeds.pooled_cond"));
    if (negative) {
        eval_call_give(c, "uncond", golden_view(g, "run.euler.embeds.uncond"));
        eval_call_give(c, "pooled_uncond", golden_view(g, "run.euler.embeds.pooled_uncond"));
    } else {
        eval_call_give_f32(c, "uncond", zeros, (int64_t[]) { 1, TOKENS, WIDTH }, 3);
        eval_call_give_f32(c, "pooled_uncond", zeros, (int64_t[]) { 1, POOLED }, 2);
    }
    eval_call_give_f32(c, "time_ids", sizes, (int64_t[]) { 1, 6 }, 2);
    eval_call_run(c, model, "sample", "--threads", "1", "--set", "steps=6", "guidance=5", NULL);
}

static df_request request_of(const golden *g, const df_model *m, const char *negative) {
    const json_t *run = json_object_get(json_object_get(golden_json(g), "runs"), "run.euler");
    const json_t *call = json_object_get(run, "call");
    return (df_request) {
        .prompt = json_string_value(json_object_get(call, "prompt")),
        .negative = negative ? json_string_value(json_object_get(call, "negative_prompt")) : NULL,
        .width = WIDE,
        .height = HIGH,
        .steps = 6,
        .guidance = 5,
        .scheduler = *df_model_scheduler(m),
        .draw = draw,
        .draw_ctx = (void *)(uintptr_t)g,
    };
}

static void compare(const album_shot *s, const uint8_t *ref) {
    int n_off = 0;
    assert_int_equal(s->n_failed, 0);
    for (int i = 0; i < 3 * WIDE * HIGH; i++) {
        int off = s->rgb[i] - ref[i];
        if (off < -1 || off > 1) fail_msg("value %d is %d, eval has %d", i, s->rgb[i], ref[i]);
        n_off += off != 0;
    }
    assert_true(n_off <= 3 * WIDE * HIGH / 200);
}

static void test_sdxl(void **state) {
    (void)state;
    static const album_setup setups[] = {
        { &df_backend_cpu, 1, 4, 1, DF_F32 },
        { &df_backend_cpu, 3, 1, 4, DF_F32 },
    };
    golden *g = golden_open("sdxl");
    const char *path = model_folder_new("sdxl");
    df_model *m = NULL;
    df_err err;
    if (df_model_open(&m, path, &err)) fail_msg("%s", err.text);
    df_request q[4] = { request_of(g, m, "yes"), request_of(g, m, NULL), request_of(g, m, NULL),
                        request_of(g, m, NULL) };
    q[2].negative = ""; /* the same as none */
    q[3].guidance = 1;
    eval_call *with = eval_call_new(), *without = eval_call_new();
    evaluate(with, g, path, true);
    evaluate(without, g, path, false);
    album first = { 0 };
    for (int k = 0; k < 2; k++) {
        album a = { 0 };
        album_render(m, &setups[k], q, 4, &a);
        compare(&a.shot[0], eval_call_view(with, "image_u8")->data);
        compare(&a.shot[1], eval_call_view(without, "image_u8")->data);
        album_assert_same(&a.shot[1], &a.shot[2], 2, &setups[k]);
        for (int i = 0; k && i < 4; i++) album_assert_same(&first.shot[i], &a.shot[i], i, &setups[k]);
        if (k)
            album_free(&a);
        else
            first = a;
    }
    assert_memory_not_equal(first.shot[0].rgb, first.shot[1].rgb, 3 * WIDE * HIGH);
    album_free(&first);
    eval_call_free(&with);
    eval_call_free(&without);
    df_model_close(&m);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_sdxl) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
