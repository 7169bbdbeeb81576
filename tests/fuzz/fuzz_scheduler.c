/* Any bytes as scheduler_config.json; what is accepted takes a few steps, by its own class and by names. */
#include <math.h>

#include "engine/samplers/forward.h"
#include "engine/samplers/sampler.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_folder.h"

enum { STEPS = 5, N = 4 };

long fuzz_accepted;

static df_code draw(void *ctx, float *out, size_t n, df_err *err) {
    (void)ctx, (void)err;
    for (size_t i = 0; i < n; i++) out[i] = i % 2 ? -0.5f : 0.5f;
    return DF_OK;
}

static void walk(const df_scheduler *sched) {
    float x[N] = { 1, -1, 0.5f, 0 }, in[N], out[N];
    df_sampler *s = NULL;
    df_err err = { 0 };
    df_code rc = df_sampler_new(&s, sched, STEPS, 0, N, &err);
    FUZZ_CHECK((rc == DF_OK) == (s != NULL) && (rc == DF_OK || (err.code == rc && err.text[0])));
    for (int call = 0; !rc && call < df_sampler_n_calls(s); call++) {
        FUZZ_CHECK(isfinite(df_sampler_timestep(s, call)));
        df_sampler_add_noise(s, call, x, x, out);
        df_sampler_scale_input(s, call, x, in);
        for (int i = 0; i < N; i++) out[i] = 0.1f * in[i];
        rc = df_sampler_step(s, call, out, x, draw, NULL, &err);
        FUZZ_CHECK(rc == DF_OK || (err.code == rc && err.text[0]));
    }
    df_sampler_free(&s);
}

static void noise(const df_scheduler *sched) {
    df_forward_level levels[4];
    if (df_forward_levels(levels, sched, 4, NULL)) return;
    FUZZ_CHECK(levels[0].signal == 1 && levels[0].noise == 0 && levels[3].t == sched->n_train_timesteps - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = { "ddim", "euler_a", "dpmpp_2m_karras", "unipc", "flow_euler", "lcm" };
    df_scheduler sched;
    df_err err = { 0 };
    const char *path = fuzz_put("scheduler_config.json", data, size);
    df_code rc = df_scheduler_read(&sched, path, &err);
    FUZZ_CHECK(rc == DF_OK || (err.code == rc && err.text[0]));
    if (rc) return 0;
    fuzz_accepted++;
    noise(&sched);
    walk(&sched);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!df_scheduler_named(&sched, names[i], path, &err)) walk(&sched);
    return 0;
}
