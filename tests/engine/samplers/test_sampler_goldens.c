/* Every sampling run of the goldens, fed with the model outputs and the draws of the reference. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "engine/samplers/sampler.h"
#include "tests/support/golden.h"

typedef struct draws {
    const golden *g;
    const json_t *sources; /* which code took each draw */
    char run[64];
    size_t next, row;
} draws;

static bool is_of_sampler(const char *source) {
    return !strncmp(source, "scheduling_", 11) || !strcmp(source, "brownian.sample");
}

/* The row's part of the run's next draw that the scheduler took. */
static df_code draw_golden(void *ctx, float *out, size_t n, df_err *err) {
    draws *d = ctx;
    for (; d->next < json_array_size(d->sources); d->next++) {
        const char *source = json_string_value(json_array_get(d->sources, d->next));
        if (!source || !is_of_sampler(source)) continue;
        char name[128];
        size_t have;
        snprintf(name, sizeof name, "%s.noise.%zu", d->run, d->next++);
        float *noise = golden_f32(d->g, name, &have);
        assert_true(have % n == 0 && d->row < have / n);
        memcpy(out, noise + d->row * n, n * sizeof *out);
        free(noise);
        return DF_OK;
    }
    return df_err_set(err, DF_EINVAL, "%s: more draws than the reference took", d->run);
}

static bool more_draws(draws *d) {
    for (size_t i = d->next; i < json_array_size(d->sources); i++)
        if (is_of_sampler(json_string_value(json_array_get(d->sources, i)))) return true;
    return false;
}

static df_scheduler read_config(const json_t *run) {
    char path[512];
    df_scheduler s;
    df_err err;
    snprintf(path, sizeof path, "%s/scheduler_config.json", golden_temp_dir());
    json_t *config = json_deep_copy(json_object_get(run, "scheduler_config"));
    json_object_set(config, "_class_name", json_object_get(run, "scheduler"));
    char *text = json_dumps(config, 0);
    if (df_file_write(path, text, strlen(text), &err) || df_scheduler_read(&s, path, &err)) fail_msg("%s", err.text);
    free(text);
    json_decref(config);
    return s;
}

static double number(const json_t *run, const char *key, double otherwise) {
    const json_t *value = json_object_get(json_object_get(run, "call"), key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static void compare_tables(const golden *g, const char *run, const df_sampler *s, int begin, int n_calls) {
    char name[128];
    int n_sigmas;
    float *timesteps = malloc((size_t)n_calls * sizeof *timesteps);
    for (int i = 0; i < n_calls; i++) timesteps[i] = df_sampler_timestep(s, begin + i);
    snprintf(name, sizeof name, "%s.timesteps", run);
    golden_compare(g, name, timesteps, (size_t)n_calls, 2e-6);
    free(timesteps);
    const float *sigmas = df_sampler_sigmas(s, &n_sigmas);
    snprintf(name, sizeof name, "%s.sigmas", run);
    if (golden_has(g, name)) golden_compare(g, name, sigmas, (size_t)n_sigmas, 1e-5);
}

typedef struct run_data {
    const char *name;
    const json_t *about;
    float *init, *outputs, *latents; /* [rows][n], [calls][rows][n] twice */
    size_t rows, n;
    int n_calls;
} run_data;

/* Each row of the reference's batch has a sampler of its own. */
static void replay_row(const golden *g, const run_data *run, size_t row) {
    df_err err;
    df_sampler *s = NULL;
    df_scheduler config = read_config(run->about);
    int n_steps = (int)number(run->about, "num_inference_steps", 0);
    if (df_sampler_new(&s, &config, n_steps, number(run->about, "eta", 0), run->n, &err))
        fail_msg("%s: %s", run->name, err.text);
    int begin = df_sampler_n_calls(s) - run->n_calls; /* image to image leaves the first calls out */
    assert_true(begin >= 0);
    df_sampler_draws_are_increments(s, true);
    if (row == 0) compare_tables(g, run->name, s, begin, run->n_calls);

    draws d = { .g = g, .sources = json_object_get(run->about, "noise_draws"), .row = row };
    snprintf(d.run, sizeof d.run, "%s", run->name);
    float *x = run->init + row * run->n;
    for (int i = 0; i < run->n_calls; i++) {
        size_t at = ((size_t)i * run->rows + row) * run->n;
        if (df_sampler_step(s, begin + i, run->outputs + at, x, draw_golden, &d, &err))
            fail_msg("%s: %s", run->name, err.text);
        memcpy(run->latents + at, x, run->n * sizeof *x);
    }
    assert_false(more_draws(&d));
    df_sampler_free(&s);
}

static void replay(const golden *g, const char *name, const json_t *about, double tolerance) {
    char tensor[128];
    size_t n_init, n_all, n_latents;
    run_data run = { .name = name, .about = about };
    snprintf(tensor, sizeof tensor, "%s.init", name);
    run.init = golden_f32(g, tensor, &n_init);
    run.rows = (size_t)golden_view(g, tensor)->dim[0];
    run.n = n_init / run.rows;
    snprintf(tensor, sizeof tensor, "%s.model_output", name);
    run.outputs = golden_f32(g, tensor, &n_all);
    run.n_calls = (int)(n_all / n_init);
    snprintf(tensor, sizeof tensor, "%s.latents", name);
    run.latents = golden_f32(g, tensor, &n_latents);
    assert_int_equal(n_latents, n_all);
    memset(run.latents, 0, n_all * sizeof *run.latents);
    for (size_t row = 0; row < run.rows; row++) replay_row(g, &run, row);
    golden_compare(g, tensor, run.latents, n_all, tolerance);
    free(run.init);
    free(run.outputs);
    free(run.latents);
}

/* Euler from a terminal SNR of zero starts at sigma 4096, where f32 has little left below the noise. */
static double tolerance_of(const json_t *about) {
    const json_t *config = json_object_get(about, "scheduler_config");
    const char *class_name = json_string_value(json_object_get(about, "scheduler"));
    bool zero_snr = json_is_true(json_object_get(config, "rescale_betas_zero_snr"));
    return zero_snr && class_name && !strncmp(class_name, "Euler", 5) ? 3e-4 : 1e-4;
}

static void replay_all(const char *folder, int expected) {
    golden *g = golden_open(folder);
    const char *run;
    json_t *about;
    int n = 0;
    json_object_foreach((json_t *)json_object_get(golden_json(g), "runs"), run, about) {
        replay(g, run, about, tolerance_of(about));
        n++;
    }
    assert_int_equal(n, expected);
    golden_close(&g);
}

static void replays_sd15(void **state) {
    (void)state;
    replay_all("sd15", 27);
}

/* v-prediction, the Runge-Kutta warm-up, zero terminal SNR */
static void replays_sd2(void **state) {
    (void)state;
    replay_all("sd2", 15);
}

static void replays_sdxl(void **state) {
    (void)state;
    replay_all("sdxl", 5);
}

/* walks that begin half-way */
static void replays_img2img(void **state) {
    (void)state;
    replay_all("img2img", 8);
}

/* clipping, thresholding, the large variance */
static void replays_ddpm(void **state) {
    (void)state;
    replay_all("ddpm", 3);
}

static void replays_dit(void **state) {
    (void)state;
    replay_all("dit", 3);
}

static void replays_unconditional(void **state) {
    (void)state;
    replay_all("ldm_uncond", 2);
}

/* classes, schedules, spacings, predictions and solver options in many combinations */
static void replays_grid(void **state) {
    (void)state;
    golden *g = golden_open("sampler_grid");
    int n = (int)json_object_size(json_object_get(golden_json(g), "runs"));
    golden_close(&g);
    assert_true(n > 270);
    replay_all("sampler_grid", n);
}

static void replays_flow_matching(void **state) {
    (void)state;
    replay_all("sd3", 4);
}

/* Noising for a walk that begins half-way, where the golden holds all its inputs: the encoded picture was stored as
 * `prepared` by the inpainting runs, elsewhere the sampler's own forms must agree with each other. */
static void noises_as_the_class_scales(void **state) {
    (void)state;
    golden *g = golden_open("schedules");
    size_t n, n_t;
    float *x0 = golden_f32(g, "x0", &n), *noise = golden_f32(g, "noise", &n),
          *t = golden_f32(g, "euler.add_noise.t", &n_t);
    float *out = malloc(n_t * n * sizeof *out);
    df_err err;
    df_sampler *s;
    df_scheduler config = { .klass = DF_SCHEDULER_EULER,
                            .n_train_timesteps = 1000,
                            .beta_start = 0.00085,
                            .beta_end = 0.012,
                            .beta_schedule = DF_BETA_SCALED_LINEAR,
                            .spacing = DF_SPACING_LINSPACE };
    assert_int_equal(df_sampler_new(&s, &config, 10, 0, n, &err), DF_OK);
    for (size_t i = 0; i < n_t; i++)
        for (int call = 0; call < df_sampler_n_calls(s); call++)
            if (df_sampler_timestep(s, call) == t[i]) df_sampler_add_noise(s, call, x0, noise, out + i * n);
    golden_compare(g, "euler.add_noise", out, n_t * n, 1e-6);

    float *scaled = malloc(10 * n * sizeof *scaled);
    for (int call = 0; call < 10; call++) df_sampler_scale_input(s, call, x0, scaled + (size_t)call * n);
    golden_compare(g, "euler.scale_model_input", scaled, 10 * n, 1e-6);
    df_sampler_free(&s);

    float *direct = malloc(n * sizeof *direct);
    for (int klass = DF_SCHEDULER_DDIM; klass <= DF_SCHEDULER_DPMPP_MULTISTEP; klass += 5) { /* both forms of VP */
        config.klass = klass;
        config.solver_order = 2;
        assert_int_equal(df_sampler_new(&s, &config, 10, 0, n, &err), DF_OK);
        df_sampler_add_noise(s, 3, x0, noise, out);
        assert_int_equal(df_scheduler_add_noise(&config, x0, noise, (int)df_sampler_timestep(s, 3), direct, n, &err),
                         DF_OK);
        golden_compare_f32("add_noise at call 3", out, direct, n, 1e-6);
        df_sampler_free(&s);
    }
    free(x0), free(noise), free(t), free(out), free(scaled), free(direct);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replays_sd15),          cmocka_unit_test(replays_sd2),
        cmocka_unit_test(replays_sdxl),          cmocka_unit_test(replays_img2img),
        cmocka_unit_test(replays_ddpm),          cmocka_unit_test(replays_dit),
        cmocka_unit_test(replays_unconditional), cmocka_unit_test(replays_grid),
        cmocka_unit_test(replays_flow_matching), cmocka_unit_test(noises_as_the_class_scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
