/* Results do not depend on how many ranks compute them: threads of one process, or processes under mpirun. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/client/eval/eval_call.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

/* Five rows: more than a micro-batch. */
enum { N = 5, LATENT = 4 * 12 * 16, TEXT = 77 * 32 };

static void give_rows(eval_call *c, const golden *g) {
    static float sample[N * LATENT], text[N * TEXT], timestep[N] = { 981, 500, 321, 40, 1 };
    float *x = golden_f32(g, "unet.sample", NULL), *h = golden_f32(g, "unet.encoder_hidden_states", NULL);
    for (int r = 0; r < N; r++) {
        memcpy(sample + r * LATENT, x + r % 2 * LATENT, LATENT * sizeof *x);
        memcpy(text + r * TEXT, h + r / 2 % 2 * TEXT, TEXT * sizeof *h);
    }
    eval_call_give_f32(c, "sample", sample, (int64_t[]) { N, 4, 12, 16 }, 4);
    eval_call_give_f32(c, "encoder_hidden_states", text, (int64_t[]) { N, 77, 32 }, 3);
    eval_call_give_f32(c, "timestep", timestep, (int64_t[]) { N }, 1);
    free(x);
    free(h);
}

static float *result_of(const eval_call *c) {
    float *out = malloc(sizeof(float) * N * LATENT);
    assert_non_null(out);
    memcpy(out, eval_call_f32(c, "out", NULL), sizeof(float) * N * LATENT);
    return out;
}

static void test_threads(void **state) {
    const char *backend = *state;
    golden *g = golden_open("sd15");
    const char *model = model_folder_new("sd15");
    eval_call *c = eval_call_new();
    give_rows(c, g);
    eval_call_run(c, model, "unet", "--backend", backend, "--threads", "1", NULL);
    float *alone = result_of(c);
    static const char *const ranks[] = { "1", "2", "3", "4" };
    for (size_t i = 0; i < 4; i++) {
        eval_call_run(c, model, "unet", "--backend", backend, "--threads", "1", "--pipeline", ranks[i], NULL);
        assert_memory_equal(eval_call_f32(c, "out", NULL), alone, sizeof(float) * N * LATENT);
    }
    free(alone);
    eval_call_free(&c);
    golden_close(&g);
}

/* Runs c on one rank, then on 1 to 4 of a pipeline; the output keeps its bytes. */
static void compare_ranks(eval_call *c, const char *model, const char *call, const char *output, const char *backend) {
    static const char *const ranks[] = { "1", "2", "3", "4" };
    eval_call_run(c, model, call, "--backend", backend, "--threads", "1", NULL);
    size_t bytes = (size_t)eval_call_view(c, output)->n_elements * df_dtype_bytes(eval_call_view(c, output)->dtype);
    void *alone = malloc(bytes);
    assert_non_null(alone);
    memcpy(alone, eval_call_view(c, output)->data, bytes);
    for (size_t i = 0; i < 4; i++) {
        eval_call_run(c, model, call, "--backend", backend, "--threads", "1", "--pipeline", ranks[i], NULL);
        assert_memory_equal(eval_call_view(c, output)->data, alone, bytes);
    }
    free(alone);
    eval_call_free(&c);
}

/* Two streams of tokens, three text encoders. */
static void test_sd35(void **state) {
    static const char *const given[][2] = { { "latents", "sample.latents" },
                                            { "cond", "run.flow.embeds.cond" },
                                            { "uncond", "run.flow.embeds.uncond" },
                                            { "pooled_cond", "run.flow.embeds.pooled_cond" },
                                            { "pooled_uncond", "run.flow.embeds.pooled_uncond" } };
    golden *g = golden_open("sd35");
    eval_call *run = eval_call_new(), *text = eval_call_new();
    for (size_t i = 0; i < 5; i++) eval_call_give(run, given[i][0], golden_view(g, given[i][1]));
    compare_ranks(run, golden_path("sd35", ""), "sample", "image_u8", *state);
    eval_call_give(text, "ids", golden_view(g, "t5.ids"));
    compare_ranks(text, golden_path("sd35", ""), "text_encode_3", "last_hidden_state", *state);
    golden_close(&g);
}

static void test_mpirun(void **state) {
    (void)state;
    golden *g = golden_open("sd15");
    const char *model = model_folder_new("sd15");
    eval_call *c = eval_call_new();
    give_rows(c, g);
    eval_call_run(c, model, "unet", "--threads", "1", NULL);
    float *alone = result_of(c);
    int code = eval_call_mpirun(c, "2", model, "unet", "--threads", "1", "--pipeline", "2", NULL);
    if (code) fail_msg("exit code %d: %s", code, eval_call_message(c));
    eval_call_take(c);
    assert_memory_equal(eval_call_f32(c, "out", NULL), alone, sizeof(float) * N * LATENT);
    free(alone);
    eval_call_free(&c);
    golden_close(&g);
}

/* An error that rank 0 finds alone ends the other ranks too, and is told. */
static void test_mpirun_bad_input(void **state) {
    (void)state;
    eval_call *c = eval_call_new();
    const char *model = golden_source_path("models/starter");
    assert_int_equal(eval_call_mpirun(c, "2", model, "vae_decode", "--threads", "1", NULL), 2);
    assert_non_null(strstr(eval_call_message(c), "'z' [any, 4, any, any] is missing"));
    assert_false(eval_call_has_output(c));
    assert_int_equal(eval_call_mpirun(c, "2", model, "vae_decode", "--pipeline", "3", NULL), 2);
    assert_non_null(strstr(eval_call_message(c), "--pipeline 3"));
    eval_call_free(&c);
}

int main(int argc, char **argv) {
    if (eval_call_is_child(argc, argv)) return eval_call_child(argc, argv);
    static char cpu[] = "cpu", reference[] = "reference";
    const struct CMUnitTest tests[] = {
        { "threads reference", test_threads, NULL, NULL, reference },
        { "threads cpu", test_threads, NULL, NULL, cpu },
        { "sd35 reference", test_sd35, NULL, NULL, reference },
        { "sd35 cpu", test_sd35, NULL, NULL, cpu },
        cmocka_unit_test(test_mpirun),
        cmocka_unit_test(test_mpirun_bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
