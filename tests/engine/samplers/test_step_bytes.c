/* The bytes of walks, held against those of loops written out for each class, before the samplers shared operations on
 * vectors. A change of order or rounding anywhere in a class shows here, where the goldens' tolerances hide it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/engine/samplers/step_cases.h"

/* FNV-1a. */
static uint64_t add_bytes(uint64_t hash, const float *x, size_t n) {
    const unsigned char *bytes = (const unsigned char *)x;
    for (size_t i = 0; i < n * sizeof *x; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t walk(const step_run *run, uint64_t hash) {
    enum { N = STEP_ELEMENTS };
    float x[N], in[N], out[N];
    int n_draws = 0;
    df_err err;
    df_sampler *s = NULL;
    if (df_sampler_new(&s, &run->config, run->n_steps, run->eta, N, &err)) fail_msg("%s: %s", run->name, err.text);
    df_sampler_draws_are_increments(s, run->increments);
    step_numbers(in, N, 1);
    step_numbers(x, N, 2);
    df_sampler_add_noise(s, run->first_call, in, x, x);
    hash = add_bytes(hash, x, N);
    for (int call = run->first_call; call < df_sampler_n_calls(s); call++) {
        step_numbers(out, N, step_output_seed(call));
        df_sampler_scale_input(s, call, x, in);
        if (df_sampler_step(s, call, out, x, step_draw, &n_draws, &err)) fail_msg("%s: %s", run->name, err.text);
        hash = add_bytes(add_bytes(hash, in, N), x, N);
    }
    df_sampler_free(&s);
    return hash;
}

static void every_class_keeps_its_bytes(void **state) {
    (void)state;
    int wrong = 0;
    for (int c = 0; c < step_n_cases(); c++) {
        step_run run;
        uint64_t hash = 0xcbf29ce484222325u;
        for (int kind = DF_PREDICT_EPSILON; kind <= DF_PREDICT_SAMPLE; kind++) {
            step_run_of(&run, c, (df_prediction)kind);
            hash = walk(&run, hash);
        }
        if (hash != run.recorded) print_error("%s: 0x%016jx\n", run.name, (uintmax_t)hash);
        wrong += hash != run.recorded;
    }
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_class_keeps_its_bytes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
