/* Text encoders through `diffarm eval`: every output that the goldens hold, from the ids that they hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/client/eval/eval_call.h"
#include "tests/support/golden.h"

static const double tolerance = 2e-5;

/* The golden's tensor holds rows first.. of the output. */
static const struct {
    const char *golden, *call, *ids, *output, *wanted;
    int64_t first;
} cases[] = {
    { "sd15", "text_encode", "text.ids", "last_hidden_state", "text.last_hidden_state", 0 },
    { "sd15", "text_encode", "text.ids", "hidden.0", "text.hidden.0", 1 },
    { "sd15", "text_encode", "text.ids", "hidden.1", "text.hidden.1", 1 },
    { "sd15", "text_encode", "text.ids", "hidden.2", "text.penultimate", 1 },
    { "sd15", "text_encode", "text.ids", "hidden.2", "text.hidden.2", 1 },
    { "sd15", "text_encode", "sample.ids.cond", "last_hidden_state", "sample.embeds.cond", 0 },
    { "sd15", "text_encode", "sample.ids.uncond", "last_hidden_state", "sample.embeds.uncond", 0 },
    { "sd2", "text_encode", "text.ids", "last_hidden_state", "text.last_hidden_state", 0 },
    { "sd2", "text_encode", "text.ids", "hidden.0", "text.hidden.0", 1 },
    { "sd2", "text_encode", "text.ids", "hidden.1", "text.hidden.1", 1 },
    { "sd2", "text_encode", "text.ids", "hidden.2", "text.hidden.2", 1 },
    { "sd2", "text_encode", "text.ids", "hidden.3", "text.penultimate", 1 },
    { "sd2", "text_encode", "text.ids", "hidden.3", "text.hidden.3", 1 },
    { "sdxl", "text_encode", "text1.ids", "last_hidden_state", "text1.last_hidden_state", 0 },
    { "sdxl", "text_encode", "text1.ids", "hidden.2", "text1.penultimate", 1 },
    { "sdxl", "text_encode_2", "text2.ids", "last_hidden_state", "text2.last_hidden_state", 0 },
    { "sdxl", "text_encode_2", "text2.ids", "hidden.2", "text2.penultimate", 1 },
    { "sdxl", "text_encode_2", "text2.ids", "pooled", "text2.pooled_projected", 0 },
    { "sd3", "text_encode", "text1.ids", "last_hidden_state", "text1.last_hidden_state", 0 },
    { "sd3", "text_encode", "text1.ids", "hidden.2", "text1.penultimate", 1 },
    { "sd3", "text_encode", "text1.ids", "pooled", "text1.pooled_projected", 0 },
    { "sd3", "text_encode_2", "text2.ids", "last_hidden_state", "text2.last_hidden_state", 0 },
    { "sd3", "text_encode_2", "text2.ids", "hidden.2", "text2.penultimate", 1 },
    { "sd3", "text_encode_2", "text2.ids", "pooled", "text2.pooled_projected", 0 },
    { "sd3", "text_encode_3", "t5.ids", "last_hidden_state", "t5.last_hidden_state", 0 },
    { "sd35", "text_encode", "text1.ids", "last_hidden_state", "text1.last_hidden_state", 0 },
    { "sd35", "text_encode", "text1.ids", "hidden.2", "text1.penultimate", 1 },
    { "sd35", "text_encode", "text1.ids", "pooled", "text1.pooled_projected", 0 },
    { "sd35", "text_encode_2", "text2.ids", "last_hidden_state", "text2.last_hidden_state", 0 },
    { "sd35", "text_encode_2", "text2.ids", "hidden.2", "text2.penultimate", 1 },
    { "sd35", "text_encode_2", "text2.ids", "pooled", "text2.pooled_projected", 0 },
    { "sd35", "text_encode_3", "t5.ids", "last_hidden_state", "t5.last_hidden_state", 0 },
    { "inpaint9", "text_encode", "ids.cond", "last_hidden_state", "embeds.cond", 0 },
    { "inpaint9", "text_encode", "ids.uncond", "last_hidden_state", "embeds.uncond", 0 },
    { "upscale", "text_encode", "ids", "last_hidden_state", "embeds", 0 },
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void check(const golden *g, size_t i, const char *backend) {
    eval_call *c = eval_call_new();
    eval_call_give(c, "ids", golden_view(g, cases[i].ids));
    eval_call_run(c, golden_path(cases[i].golden, ""), cases[i].call, "--backend", backend, "--threads", "2", NULL);
    const float *got = eval_call_f32(c, cases[i].output, NULL);
    const df_tensor_view *have = eval_call_view(c, cases[i].output), *want = golden_view(g, cases[i].wanted);
    int64_t row = have->n_elements / have->dim[0];
    assert_true(cases[i].first + want->dim[0] <= have->dim[0]);
    golden_compare(g, cases[i].wanted, got + cases[i].first * row, (size_t)(want->dim[0] * row), tolerance);
    eval_call_free(&c);
}

static void test_encoders(void **state) {
    static const char *const backends[] = { "reference", "cpu" };
    golden *g = golden_open(*state);
    for (size_t i = 0; i < N_CASES; i++)
        for (size_t b = 0; b < 2 && !strcmp(cases[i].golden, *state); b++) check(g, i, backends[b]);
    golden_close(&g);
}

int main(void) {
    static char sd15[] = "sd15", sd2[] = "sd2", sdxl[] = "sdxl", inpaint9[] = "inpaint9", upscale[] = "upscale",
                sd3[] = "sd3", sd35[] = "sd35";
    const struct CMUnitTest tests[] = {
        { "sd15", test_encoders, NULL, NULL, sd15 },       { "sd2", test_encoders, NULL, NULL, sd2 },
        { "sdxl", test_encoders, NULL, NULL, sdxl },       { "inpaint9", test_encoders, NULL, NULL, inpaint9 },
        { "upscale", test_encoders, NULL, NULL, upscale }, { "sd3", test_encoders, NULL, NULL, sd3 },
        { "sd35", test_encoders, NULL, NULL, sd35 },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
