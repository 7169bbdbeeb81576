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
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

static const double tolerance = 1e-4;

typedef struct run_case {
    const char *run, *backend, *dtype;
} run_case;

/* The run's scheduler as a file of its own. */
static const char *scheduler_file(eval_call *c, const json_t *run) {
    json_t *config = json_deep_copy(json_object_get(run, "scheduler_config"));
    json_object_set(config, "_class_name", json_object_get(run, "scheduler"));
    char *text = json_dumps(config, JSON_INDENT(1));
    assert_non_null(text);
    const char *path = eval_call_file(c, "scheduler.json", text);
    free(text);
    json_decref(config);
    return path;
}

static double call_number(const json_t *run, const char *key, double otherwise) {
    const json_t *value = json_object_get(json_object_get(run, "call"), key);
    return value ? json_number_value(value) : otherwise;
}

static void give_noise(eval_call *c, const golden *g, const char *run) {
    char from[128], to[32];
    for (int i = 0; snprintf(from, sizeof from, "%s.noise.%d", run, i), golden_has(g, from); i++) {
        snprintf(to, sizeof to, "noise.%d", i);
        eval_call_give(c, to, golden_view(g, from));
    }
}

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

static void test_run(void **state) {
    const run_case *rc = *state;
    char run[64], settings[5][512];
    golden *g = golden_open("sd15");
    eval_call *c = eval_call_new();
    const char *model = model_folder_new("sd15");
    snprintf(run, sizeof run, "run.%s", rc->run);
    const json_t *about = json_object_get(json_object_get(golden_json(g), "runs"), run);
    assert_non_null(about);

    if (strncmp(rc->run, "batch2", 6) == 0)
        give_batch2(c, g, model);
    else
        give_single(c, g);
    give_noise(c, g, run);
    snprintf(settings[0], sizeof settings[0], "scheduler=%s", scheduler_file(c, about));
    snprintf(settings[1], sizeof settings[1], "steps=%g", call_number(about, "num_inference_steps", 0));
    snprintf(settings[2], sizeof settings[2], "guidance=%g", call_number(about, "guidance_scale", 0));
    snprintf(settings[3], sizeof settings[3], "guidance_rescale=%g", call_number(about, "guidance_rescale", 0));
    snprintf(settings[4], sizeof settings[4], "eta=%g", call_number(about, "eta", 0));
    eval_call_run(c, model, "sample", "--backend", rc->backend, "--dtype", rc->dtype, "--threads", "2", "--set",
                  settings[0], settings[1], settings[2], settings[3], settings[4], NULL);

    compare(g, c, run, "timesteps", 2e-6);
    compare(g, c, run, "model_output", tolerance);
    compare(g, c, run, "latents", tolerance);
    compare_picture(g, c, run);
    eval_call_free(&c);
    golden_close(&g);
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

#define RUN(run, backend, dtype)                                                                                       \
    {                                                                                                                  \
        run " " backend " " dtype, test_run, NULL, NULL, &(run_case) {                                                 \
            run, backend, dtype                                                                                        \
        }                                                                                                              \
    }
#define RUN_BOTH(run) RUN(run, "reference", "f32"), RUN(run, "cpu", "f32")

int main(void) {
    static char cpu[] = "cpu", reference[] = "reference";
    const struct CMUnitTest tests[] = {
        RUN_BOTH("ddim"),
        RUN_BOTH("ddim_eta1"),
        RUN_BOTH("pndm"),
        RUN_BOTH("euler"),
        RUN_BOTH("euler_karras"),
        RUN_BOTH("euler_a"),
        RUN_BOTH("dpmpp_2m"),
        RUN_BOTH("dpmpp_2m_karras"),
        RUN_BOTH("ddpm"),
        RUN_BOTH("ddim_trailing"),
        RUN_BOTH("euler_trailing"),
        RUN_BOTH("batch2_noguidance"),
        RUN_BOTH("batch2_rescale"),
        RUN("heun", "cpu", "f32"),
        RUN("lms", "cpu", "f32"),
        RUN("unipc", "cpu", "f32"),
        RUN("lcm", "cpu", "f32"),
        RUN("tcd", "cpu", "f32"),
        RUN("tcd_eta03", "cpu", "f32"),
        RUN("dpmpp_2m_sde", "cpu", "f32"),
        RUN("dpmpp_2m_sde_karras", "cpu", "f32"),
        RUN("dpmpp_3m", "cpu", "f32"),
        RUN("ddim", "reference", "f64"),
        RUN("dpmpp_2m", "reference", "f64"),
        cmocka_unit_test(test_first_draw_is_start),
        { "rows alone reference", test_rows_alone, NULL, NULL, reference },
        { "rows alone cpu", test_rows_alone, NULL, NULL, cpu },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
