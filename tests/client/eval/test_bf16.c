/* How far a component in bf16 is from the library's in f32, on the golden models; on a GPU in f32 and f16 too.
 *
 * A result in bf16 carries the roundings of all layers before it, 2^-8 of an activation each; what they add up to
 * depends on the model. The limits are therefore twice what was measured when this was written (docs/numerics.md has
 * the numbers). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/backend/backend.h"
#include "tests/client/eval/eval_call.h"
#include "tests/client/eval/golden_runs.h"
#include "tests/engine/models/model_folder.h"
#include "tests/support/golden.h"

/* Of the error: over the reference's rms, and over its largest element. */
typedef struct error {
    double rms, worst;
} error;

static const struct {
    const char *call;
    error limit;
} calls[] = {
    { "text_encode", { 1.5e-2, 2.4e-2 } }, { "text_encode_2", { 1.5e-2, 2.4e-2 } }, { "unet", { 2.8e-2, 3.8e-2 } },
    { "transformer", { 1.6e-2, 1.8e-2 } }, { "text_encode_3", { 1.5e-2, 2.4e-2 } }, { "vae_encode", { 3e-2, 3.5e-2 } },
    { "vae_decode", { 3e-2, 3.5e-2 } },
};

/* On which backend, and which part of the limit there is: a rounding to f16 is an eighth of one to bf16. Rounding of
 * f32 sums is the limit of the other golden tests, 3e-5. */
static const struct subject {
    const char *backend, *dtype;
    double part;
} on_cpu[] = { { "cpu", "bf16", 1 } },
  on_cuda[] = { { "cuda", "bf16", 1 }, { "cuda", "f16", 0x1p-3 }, { "cuda", "f32", 1e-3 } };

typedef struct bf16_case {
    const char *golden, *call;
    const char *given, *input; /* the golden's tensor as an input of the call */
    float timestep; /* of a denoiser, which takes more; 0: it is none */
    const char *want, *output;
} bf16_case;

static const bf16_case cases[] = {
    { "sd15", "text_encode", "text.ids", "ids", 0, "text.last_hidden_state", "last_hidden_state" },
    { "sd15", "unet", "unet.sample", "sample", 981, "unet.out.t981", "out" },
    { "sd15", "unet", "unet.sample", "sample", 1, "unet.out.t1", "out" },
    { "sd15", "vae_encode", "vae.image", "image", 0, "vae.moments", "moments" },
    { "sd15", "vae_decode", "vae.z", "z", 0, "vae.decoded", "image" },
    { "sd2", "text_encode", "text.ids", "ids", 0, "text.last_hidden_state", "last_hidden_state" },
    { "sd2", "unet", "unet.sample", "sample", 981, "unet.out.t981", "out" },
    { "sd2", "unet", "unet.sample", "sample", 1, "unet.out.t1", "out" },
    { "sd2", "vae_decode", "vae.z", "z", 0, "vae.decoded", "image" },
    { "sdxl", "text_encode", "text1.ids", "ids", 0, "text1.last_hidden_state", "last_hidden_state" },
    { "sdxl", "text_encode_2", "text2.ids", "ids", 0, "text2.last_hidden_state", "last_hidden_state" },
    { "sdxl", "unet", "unet.sample", "sample", 981, "unet.out.t981", "out" },
    { "sdxl", "unet", "unet.sample", "sample", 500, "unet.out.t500", "out" },
    { "sdxl", "unet", "unet.sample", "sample", 1, "unet.out.t1", "out" },
    { "sdxl", "vae_encode", "vae.image", "image", 0, "vae.moments", "moments" },
    { "sdxl", "vae_decode", "vae.z", "z", 0, "vae.decoded", "image" },
    { "sd35", "text_encode_3", "t5.ids", "ids", 0, "t5.last_hidden_state", "last_hidden_state" },
    { "sd35", "transformer", "mmdit.sample", "sample", 1000, "mmdit.out.t1000", "out" },
    { "sd35", "transformer", "mmdit.sample", "sample", 500.5f, "mmdit.out.t500.5", "out" },
    { "sd35", "transformer", "mmdit.sample", "sample", 8.929f, "mmdit.out.t8.929", "out" },
    { "sd35", "vae_decode", "vae.z", "z", 0, "vae.decoded", "image" },
};

static error limit_of(const bf16_case *c) {
    size_t i = 0;
    while (strcmp(calls[i].call, c->call)) i++;
    return calls[i].limit;
}

static error error_of(const float *got, const float *want, size_t n) {
    double errors = 0, squares = 0, worst = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)want[i]);
        errors += d * d;
        squares += (double)want[i] * (double)want[i];
        if (!(d <= worst)) worst = d; /* also catches NaN */
        largest = fmax(largest, fabs((double)want[i]));
    }
    return (error) { sqrt(errors / squares), worst / largest };
}

/* What a denoiser takes beside its sample: golden's tensor, input of the call. */
static const char *const more[5][2] = {
    { "unet.encoder_hidden_states", "encoder_hidden_states" },
    { "unet.text_embeds", "pooled" },
    { "unet.time_ids", "time_ids" },
    { "mmdit.encoder_hidden_states", "encoder_hidden_states" },
    { "mmdit.pooled", "pooled" },
};

static void give(eval_call *call, const bf16_case *c, const golden *g) {
    eval_call_give(call, c->input, golden_view(g, c->given));
    for (int i = 0; i < 5; i++)
        if (!strncmp(c->given, more[i][0], strcspn(c->given, ".")) && golden_has(g, more[i][0]) && c->timestep > 0)
            eval_call_give(call, more[i][1], golden_view(g, more[i][0]));
    if (c->timestep > 0) eval_call_give_f32(call, "timestep", &c->timestep, (int64_t[]) { 1 }, 1);
}

static void check(const bf16_case *c, const struct subject *s) {
    golden *g = golden_open(c->golden);
    eval_call *call = eval_call_new();
    size_t n, n_want;
    give(call, c, g);
    eval_call_run(call, model_folder_new(c->golden), c->call, "--backend", s->backend, "--dtype", s->dtype, "--threads",
                  "2", NULL);
    const float *got = eval_call_f32(call, c->output, &n);
    float *want = golden_f32(g, c->want, &n_want);
    assert_int_equal(n, n_want);
    error e = error_of(got, want, n), limit = limit_of(c);
    limit.rms *= s->part;
    limit.worst *= s->part;
    print_message("%-4s %-5s %-13s %-24s rms %.2e of %.2e, worst %.2e of %.2e\n", s->dtype, c->golden, c->call, c->want,
                  e.rms, limit.rms, e.worst, limit.worst);
    assert_true(e.rms <= limit.rms && e.worst <= limit.worst);
    free(want);
    eval_call_free(&call);
    golden_close(&g);
}

static void test_on_cpu(void **state) {
    if (df_backend_can_compute_in(df_backend_find("cpu"), DF_BF16, NULL)) skip();
    check(*state, on_cpu);
}

static void test_on_cuda(void **state) {
    for (size_t i = 0; i < sizeof on_cuda / sizeof *on_cuda; i++) check(*state, &on_cuda[i]);
}

int main(void) {
    enum { N = sizeof cases / sizeof *cases };
    static char names[N][96];
    static struct CMUnitTest tests[N];
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "%s %s %s", cases[i].golden, cases[i].call, cases[i].want);
        tests[i] = (struct CMUnitTest) { names[i], golden_runs_on_cuda ? test_on_cuda : test_on_cpu, NULL, NULL,
                                         (void *)(uintptr_t)&cases[i] };
    }
    return _cmocka_run_group_tests("bf16", tests, N, NULL, NULL);
}
