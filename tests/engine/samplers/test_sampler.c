/* Properties that every class of sampler has, and the peculiarities of some. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/samplers/sampler.h"
#include "tests/support/golden.h"

typedef struct counter {
    int n;
} counter;

static df_code draw_alternating(void *ctx, float *out, size_t n, df_err *err) {
    counter *c = ctx;
    (void)err;
    c->n++;
    for (size_t i = 0; i < n; i++) out[i] = i % 2 ? 1.0f : -1.0f;
    return DF_OK;
}

static df_scheduler latent_scheduler(df_scheduler_class klass) {
    return (df_scheduler) { .klass = klass,
                            .n_train_timesteps = 1000,
                            .beta_start = 0.00085,
                            .beta_end = 0.012,
                            .beta_schedule = DF_BETA_SCALED_LINEAR,
                            .clip_sample_range = 1,
                            .spacing = DF_SPACING_LINSPACE,
                            .skip_prk_steps = true,
                            .solver_order = 2,
                            .lower_order_final = true,
                            .original_steps = 1000,
                            .timestep_scaling = 10,
                            .flow_shift = 1,
                            .name = "test" };
}

/* What a perfect model says at x: the clean sample is `clean`, everywhere the same walk ends in it. */
static void predict_clean(const df_scheduler *config, const df_sampler *s, int call, const float *x, float clean,
                          float *out, size_t n) {
    float zeros[8] = { 0 }, ones[8], a[8], b[8];
    for (size_t i = 0; i < n; i++) ones[i] = 1;
    df_sampler_add_noise(s, call, ones, zeros, a); /* x = a * clean + b * noise */
    df_sampler_add_noise(s, call, zeros, ones, b);
    for (size_t i = 0; i < n; i++) {
        float noise = (x[i] - a[i] * clean) / b[i];
        bool variance_exploding = a[i] == 1 && b[i] != 0 && config->klass != DF_SCHEDULER_FLOW_EULER;
        float norm = sqrtf(1 + b[i] * b[i]);
        if (config->klass == DF_SCHEDULER_FLOW_EULER)
            out[i] = noise - clean;
        else if (config->prediction == DF_PREDICT_EPSILON)
            out[i] = noise;
        else if (config->prediction == DF_PREDICT_SAMPLE)
            out[i] = clean;
        else
            out[i] = variance_exploding ? noise / norm - b[i] / norm * clean : a[i] * noise - b[i] * clean;
    }
}

static bool is_two_part(df_scheduler_class klass) {
    return klass == DF_SCHEDULER_KDPM2 || klass == DF_SCHEDULER_KDPM2_ANCESTRAL || klass == DF_SCHEDULER_DPMPP_SDE;
}

static void walk(const df_scheduler *config, int n_steps, double eta, bool ends_exactly) {
    enum { N = 8 };
    static const float clean = 0.375f;
    float x[N], out[N], before[N];
    counter c = { 0 };
    df_err err;
    df_sampler *s = NULL;
    if (df_sampler_new(&s, config, n_steps, eta, N, &err))
        fail_msg("class %d, spacing %d, %d steps: %s", config->klass, config->spacing, n_steps, err.text);
    for (int i = 0; i < N; i++) x[i] = df_sampler_init_sigma(s) * (i % 2 ? 0.5f : -1.25f);
    int n_calls = df_sampler_n_calls(s);
    assert_true(n_calls >= n_steps);
    for (int call = 0; call < n_calls; call++) {
        float t = df_sampler_timestep(s, call);
        assert_true(t >= 0 && (t < (float)config->n_train_timesteps || config->klass == DF_SCHEDULER_FLOW_EULER));
        /* DPM2 rounds the timesteps of Karras sigmas, not those in the middle of steps */
        assert_true(call == 0 || t <= df_sampler_timestep(s, call - 1) + (is_two_part(config->klass) ? 0.5f : 0));
        predict_clean(config, s, call, x, clean, out, N);
        memcpy(before, x, sizeof x);
        df_sampler_scale_input(s, call, before, before);
        assert_true(isfinite(before[0]));
        if (df_sampler_step(s, call, out, x, draw_alternating, &c, &err)) fail_msg("%s", err.text);
        for (int i = 0; i < N; i++)
            if (!isfinite(x[i])) fail_msg("class %d, %d steps: not finite after call %d", config->klass, n_steps, call);
    }
    for (int i = 0; ends_exactly && i < N; i++)
        if (fabsf(x[i] - clean) > 2e-3f)
            fail_msg("class %d, prediction %d, spacing %d, %d steps: a perfect model ends at %g, not %g", config->klass,
                     config->prediction, config->spacing, n_steps, (double)x[i], (double)clean);
    df_sampler_free(&s);
}

static const int step_counts[] = { 1, 2, 3, 7, 20, 61, 999 };
enum { N_COUNTS = sizeof step_counts / sizeof step_counts[0] };

/* Given a model that knows the clean sample, classes that go on to noise level 0 arrive at it, whatever the number of
 * steps, the spacing and the kind of prediction. The others (whose last step
 * goes to abar[0], or that extrapolate) at least stay finite. */
static void a_perfect_model_is_followed(void **state) {
    (void)state;
    for (int klass = 0; klass < DF_SCHEDULER_CLASSES; klass++)
        for (int spacing = 0; spacing <= DF_SPACING_LINSPACE; spacing++)
            for (int kind = 0; kind <= DF_PREDICT_SAMPLE; kind++)
                for (int i = 0; i < N_COUNTS; i++) {
                    df_scheduler config = latent_scheduler(klass);
                    config.spacing = spacing;
                    config.prediction = kind;
                    config.set_alpha_to_one = true;
                    bool exact = klass != DF_SCHEDULER_PNDM && klass != DF_SCHEDULER_TCD && klass != DF_SCHEDULER_LMS &&
                                 klass != DF_SCHEDULER_DEIS;
                    if (klass == DF_SCHEDULER_DDIM && spacing == DF_SPACING_TRAILING) exact = false;
                    walk(&config, step_counts[i], 0, exact);
                }
}

static void a_thousand_steps_are_possible(void **state) {
    (void)state;
    for (int klass = 0; klass < DF_SCHEDULER_CLASSES; klass++) {
        df_scheduler config = latent_scheduler(klass);
        for (int sigmas = DF_SIGMAS_OF_TIMESTEPS; sigmas <= DF_SIGMAS_BETA; sigmas++) {
            config.sigma_spacing = sigmas;
            walk(&config, 1000, 0, false);
        }
    }
}

static void solver_options_stay_finite(void **state) {
    (void)state;
    static const df_scheduler_class classes[] = { DF_SCHEDULER_DPMPP_MULTISTEP, DF_SCHEDULER_UNIPC,
                                                  DF_SCHEDULER_DPMPP_SINGLESTEP, DF_SCHEDULER_DEIS };
    for (size_t k = 0; k < sizeof classes / sizeof classes[0]; k++)
        for (int options = 0; options < 96; options++) {
            df_scheduler config = latent_scheduler(classes[k]);
            config.solver_order = options % 3 + 1;
            config.solver_heun = config.solver_bh1 = options / 3 & 1;
            config.lower_order_final = options / 6 & 1;
            config.final_sigma_is_min = options / 12 & 1;
            config.solver_sde = options / 24 & 1;
            config.euler_at_final = options / 48 & 1;
            walk(&config, 1, 0, false);
            walk(&config, 5, 0, false);
            walk(&config, 17, 0, false);
        }
}

static void noise_is_drawn_when_due(void **state) {
    (void)state;
    static const struct {
        df_scheduler_class klass;
        double eta;
        bool sde;
        int draws; /* in 5 steps */
    } cases[] = {
        { DF_SCHEDULER_DDIM, 0, false, 0 },  { DF_SCHEDULER_DDIM, 0.5, false, 5 },
        { DF_SCHEDULER_DDPM, 0, false, 4 }, /* none at timestep 0 */
        { DF_SCHEDULER_EULER, 1, false, 0 }, { DF_SCHEDULER_EULER_ANCESTRAL, 0, false, 5 },
        { DF_SCHEDULER_PNDM, 1, false, 0 },  { DF_SCHEDULER_DPMPP_MULTISTEP, 0, false, 0 },
        { DF_SCHEDULER_HEUN, 1, false, 0 },  { DF_SCHEDULER_DPMPP_MULTISTEP, 0, true, 5 },
        { DF_SCHEDULER_LCM, 0, false, 4 },   { DF_SCHEDULER_TCD, 0.3, false, 4 },
        { DF_SCHEDULER_TCD, 0, false, 0 },   { DF_SCHEDULER_DPMPP_SDE, 0, false, 8 },
        { DF_SCHEDULER_KDPM2, 0, false, 0 }, { DF_SCHEDULER_KDPM2_ANCESTRAL, 0, false, 4 },
        { DF_SCHEDULER_DEIS, 0, false, 0 },  { DF_SCHEDULER_DPMPP_SINGLESTEP, 0, false, 0 },
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        df_scheduler config = latent_scheduler(cases[k].klass);
        config.solver_sde = cases[k].sde;
        float x[4] = { 1, -1, 0.5f, 2 }, out[4] = { 0.5f, 0, 1, -1 };
        counter c = { 0 };
        df_err err;
        df_sampler *s;
        assert_int_equal(df_sampler_new(&s, &config, 5, cases[k].eta, 4, &err), DF_OK);
        for (int call = 0; call < df_sampler_n_calls(s); call++)
            assert_int_equal(df_sampler_step(s, call, out, x, draw_alternating, &c, &err), DF_OK);
        assert_int_equal(c.n, cases[k].draws);
        df_sampler_free(&s);
    }
}

/* Image to image with the multistep method whose order follows the place in the table, not the slopes at hand. Numbers
 * of diffusers 0.42.1: LMSDiscreteScheduler(scaled_linear, 0.00085, 0.012), 8 steps, set_begin_index(3). */
static void lms_begins_further_down(void **state) {
    (void)state;
    static const float out[] = { 0.5f, -0.25f, 0.75f, 0.1f, -0.6f };
    static const double expected[] = { 0.43929195404052734, 0.7897471785545349, 0.2201520800590515, 0.8385464549064636,
                                       0.8561814427375793 };
    df_scheduler config = latent_scheduler(DF_SCHEDULER_LMS);
    float x = 1;
    counter c = { 0 };
    df_err err;
    df_sampler *s;
    assert_int_equal(df_sampler_new(&s, &config, 8, 0, 1, &err), DF_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(df_sampler_step(s, 3 + i, &out[i], &x, draw_alternating, &c, &err), DF_OK);
        assert_true(fabs(x - expected[i]) < 2e-6);
    }
    df_sampler_free(&s);
}

typedef struct given_draws {
    const float *next;
} given_draws;

static df_code draw_given(void *ctx, float *out, size_t n, df_err *err) {
    given_draws *d = ctx;
    (void)err;
    memcpy(out, d->next, n * sizeof *out);
    d->next += n;
    return DF_OK;
}

/* Independent draws become the increments W(start) - W(middle) and W(start) - W(end) of one Brownian motion, each of
 * unit variance: the second is made of the first and of what is drawn for the rest of the way. */
static void sde_draws_become_brownian_increments(void **state) {
    (void)state;
    enum { N = 2, STEPS = 4, DRAWS = 2 * (STEPS - 1) };
    static const float z[DRAWS][N] = { { 0.3f, -1.1f }, { 1.7f, 0.2f }, { -0.6f, 0.9f },
                                       { -1.3f, 2.1f }, { 0.1f, 0.4f }, { 0.8f, -0.7f } };
    static const float out[N] = { 0.25f, -0.5f };
    float joined[DRAWS][N], x[2][N] = { { 3, -2 }, { 3, -2 } };
    df_err err;
    df_scheduler config = latent_scheduler(DF_SCHEDULER_DPMPP_SDE);
    for (int way = 0; way < 2; way++) {
        df_sampler *s;
        int n_sigmas;
        assert_int_equal(df_sampler_new(&s, &config, STEPS, 0, N, &err), DF_OK);
        const float *sigmas = df_sampler_sigmas(s, &n_sigmas);
        for (int k = 0; k < DRAWS; k += 2) {
            double start = (double)sigmas[k], end = (double)sigmas[k + 1], middle = sqrt(start * end);
            for (int i = 0; i < N; i++) {
                double before = sqrt(start - middle) * (double)z[k][i],
                       after = sqrt(middle - end) * (double)z[k + 1][i];
                joined[k][i] = (float)(before / sqrt(start - middle));
                joined[k + 1][i] = (float)((before + after) / sqrt(start - end));
            }
        }
        df_sampler_draws_are_increments(s, way == 1);
        given_draws d = { way ? joined[0] : z[0] };
        for (int call = 0; call < df_sampler_n_calls(s); call++)
            assert_int_equal(df_sampler_step(s, call, out, x[way], draw_given, &d, &err), DF_OK);
        df_sampler_free(&s);
    }
    golden_compare_f32("joined draws", x[0], x[1], N, 1e-6);
}

static df_code draw_fails(void *ctx, float *out, size_t n, df_err *err) {
    (void)ctx, (void)out, (void)n;
    return df_err_set(err, DF_EIO, "no noise today");
}

static void errors_are_told(void **state) {
    (void)state;
    df_err err;
    df_sampler *s = NULL;
    df_scheduler config = latent_scheduler(DF_SCHEDULER_EULER_ANCESTRAL);
    float x[4] = { 0 }, out[4] = { 0 };
    assert_int_equal(df_sampler_new(&s, &config, 0, 0, 4, &err), DF_EINVAL);
    assert_int_equal(df_sampler_new(&s, &config, 1001, 0, 4, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "1 to 1000"));
    assert_int_equal(df_sampler_new(&s, &config, 5, 1.5, 4, &err), DF_EINVAL);
    assert_int_equal(df_sampler_new(&s, &config, 5, (double)NAN, 4, &err), DF_EINVAL);
    assert_null(s);

    assert_int_equal(df_sampler_new(&s, &config, 5, 0, 4, &err), DF_OK);
    assert_int_equal(df_sampler_step(s, 0, out, x, draw_fails, NULL, &err), DF_EIO);
    assert_int_equal(df_sampler_step(s, 0, out, x, NULL, NULL, &err), DF_EINVAL);
    assert_int_equal(df_sampler_step(s, 5, out, x, draw_fails, NULL, &err), DF_EINVAL);
    df_sampler_free(&s);
    df_sampler_free(&s);

    config.klass = DF_SCHEDULER_DDIM;
    assert_int_equal(df_sampler_new(&s, &config, 5, 0, 4, &err), DF_OK);
    assert_int_equal(df_sampler_step(s, 0, out, x, NULL, NULL, &err), DF_OK);
    assert_int_equal(df_sampler_step(s, 0, out, x, NULL, NULL, &err), DF_EINVAL); /* again */
    assert_int_equal(df_sampler_step(s, 2, out, x, NULL, NULL, &err), DF_EINVAL); /* one left out */
    assert_int_equal(df_sampler_step(s, 1, out, x, NULL, NULL, &err), DF_OK);
    df_sampler_free(&s);

    config.spacing = DF_SPACING_LEADING;
    config.steps_offset = 1;
    assert_int_equal(df_sampler_new(&s, &config, 1000, 0, 4, &err), DF_EINVAL); /* would begin at timestep 1000 */
    assert_non_null(strstr(err.text, "steps_offset"));
    config.klass = DF_SCHEDULER_PNDM;
    assert_int_equal(df_sampler_new(&s, &config, 1000, 0, 4, &err), DF_EINVAL);
    config.skip_prk_steps = false;
    assert_int_equal(df_sampler_new(&s, &config, 3, 0, 4, &err), DF_EINVAL);
    config.klass = DF_SCHEDULER_DPMPP_MULTISTEP;
    assert_int_equal(df_sampler_new(&s, &config, 1000, 0, 4, &err), DF_EINVAL);
    config.klass = DF_SCHEDULER_LCM;
    config.original_steps = 50;
    assert_int_equal(df_sampler_new(&s, &config, 51, 0, 4, &err), DF_EINVAL);
    config = latent_scheduler(DF_SCHEDULER_KDPM2);
    assert_int_equal(df_sampler_new(&s, &config, 5, 0, 4, &err), DF_OK);
    assert_int_equal(df_sampler_step(s, 3, out, x, NULL, NULL, &err), DF_EINVAL); /* the middle of a step */
    assert_int_equal(df_sampler_step(s, 2, out, x, NULL, NULL, &err), DF_OK);
    df_sampler_free(&s);
    config = latent_scheduler(DF_SCHEDULER_DDIM);
    config.rescale_zero_snr = true;
    config.spacing = DF_SPACING_TRAILING;
    assert_int_equal(df_sampler_new(&s, &config, 5, 0, 4, &err), DF_EINVAL); /* epsilon says nothing about pure noise */
    config.prediction = DF_PREDICT_V;
    assert_int_equal(df_sampler_new(&s, &config, 5, 0, 4, &err), DF_OK);
    df_sampler_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perfect_model_is_followed),
        cmocka_unit_test(a_thousand_steps_are_possible),
        cmocka_unit_test(solver_options_stay_finite),
        cmocka_unit_test(noise_is_drawn_when_due),
        cmocka_unit_test(lms_begins_further_down),
        cmocka_unit_test(errors_are_told),
        cmocka_unit_test(sde_draws_become_brownian_increments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
