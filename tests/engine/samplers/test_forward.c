#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/samplers/forward.h"
#include "tests/support/golden.h"

static const df_scheduler latent = { .klass = DF_SCHEDULER_DDIM,
                                     .n_train_timesteps = 1000,
                                     .beta_start = 0.00085,
                                     .beta_end = 0.012,
                                     .beta_schedule = DF_BETA_SCALED_LINEAR };

static void diffusion_matches(void **state) {
    (void)state;
    golden *g = golden_open("schedules");
    size_t n, n_t;
    float *x0 = golden_f32(g, "x0", &n), *noise = golden_f32(g, "noise", &n);
    int32_t *t = golden_i32(g, "add_noise.t", &n_t);
    float *noised = malloc(n_t * n * sizeof *noised);
    assert_non_null(noised);
    for (size_t i = 0; i < n_t; i++) {
        df_forward_level level;
        assert_int_equal(df_forward_level_at(&level, &latent, t[i], NULL), DF_OK);
        df_forward_noise(&level, x0, noise, noised + i * n, n);
    }
    golden_compare(g, "scaled_linear.add_noise", noised, n_t * n, 1e-6);
    free(x0), free(noise), free(t), free(noised);
    golden_close(&g);
}

/* The golden names a noise level by what the model is told, sigma * 1000. */
static int timestep_of_sigma(const df_scheduler *s, float told) {
    for (int t = 0; t < s->n_train_timesteps; t++) {
        df_forward_level level;
        assert_int_equal(df_forward_level_at(&level, s, t, NULL), DF_OK);
        if (fabsf(level.noise * 1000 - told) <= 2e-6f * 1000) return t;
    }
    fail_msg("no timestep has sigma %g", (double)told / 1000);
    return -1;
}

static void flow_matches(void **state) {
    (void)state;
    golden *g = golden_open("schedules");
    size_t n, n_t;
    float *x0 = golden_f32(g, "x0", &n), *noise = golden_f32(g, "noise", &n);
    for (int shift = 1; shift <= 3; shift += 2) {
        df_scheduler s = { .klass = DF_SCHEDULER_FLOW_EULER, .n_train_timesteps = 1000, .flow_shift = shift };
        char name[64];
        snprintf(name, sizeof name, "flow.shift%d.scale_noise.t", shift);
        float *told = golden_f32(g, name, &n_t), *noised = malloc(n_t * n * sizeof *noised);
        assert_non_null(noised);
        for (size_t i = 0; i < n_t; i++) {
            df_forward_level level;
            assert_int_equal(df_forward_level_at(&level, &s, timestep_of_sigma(&s, told[i]), NULL), DF_OK);
            assert_true(isnan(level.abar));
            df_forward_noise(&level, x0, noise, noised + i * n, n);
        }
        snprintf(name, sizeof name, "flow.shift%d.scale_noise", shift);
        golden_compare(g, name, noised, n_t * n, 1e-6);
        free(told), free(noised);
    }
    free(x0), free(noise);
    golden_close(&g);
}

static void levels_are_evenly_spaced(void **state) {
    (void)state;
    df_forward_level levels[1001];
    static const int five[] = { DF_FORWARD_CLEAN, 249, 499, 749, 999 };
    assert_int_equal(df_forward_levels(levels, &latent, 5, NULL), DF_OK);
    for (int i = 0; i < 5; i++) assert_int_equal(levels[i].t, five[i]);
    assert_int_equal(df_forward_levels(levels, &latent, 2, NULL), DF_OK);
    assert_int_equal(levels[1].t, 999);
    assert_int_equal(df_forward_levels(levels, &latent, 1001, NULL), DF_OK);
    for (int i = 0; i < 1001; i++) assert_int_equal(levels[i].t, i - 1);
    for (int i = 1; i < 1001; i++) assert_true(df_forward_snr(&levels[i]) < df_forward_snr(&levels[i - 1]));
}

/* Clean is exactly clean, signal and noise keep the variance, and the ratio is abar / (1 - abar). */
static void levels_keep_their_promises(void **state) {
    (void)state;
    df_forward_level levels[9];
    float x[2] = { 1.5f, -2 };
    static const float epsilon[2] = { 1e30f, 7 };
    assert_int_equal(df_forward_levels(levels, &latent, 9, NULL), DF_OK);
    df_forward_noise(&levels[0], x, epsilon, x, 2); /* in place */
    assert_true(x[0] == 1.5f && x[1] == -2 && isinf(df_forward_snr(&levels[0])));
    for (int i = 1; i < 9; i++) {
        const df_forward_level *l = &levels[i];
        double abar = (double)l->abar;
        assert_true(fabs(pow((double)l->signal, 2) + pow((double)l->noise, 2) - 1) < 1e-6);
        assert_true(fabs(df_forward_snr(l) * (1 - abar) / abar - 1) < 1e-5);
    }
}

static void what_is_out_of_range_is_refused(void **state) {
    (void)state;
    df_forward_level level[4];
    df_err err;
    assert_int_equal(df_forward_level_at(level, &latent, 1000, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "timestep 1000 is not one of 0..999"));
    assert_int_equal(df_forward_level_at(level, &latent, -1, &err), DF_EINVAL);
    assert_int_equal(df_forward_levels(level, &latent, 1, &err), DF_EINVAL);
    assert_int_equal(df_forward_levels(level, &latent, 1002, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "from 2 to 1001"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diffusion_matches),
        cmocka_unit_test(flow_matches),
        cmocka_unit_test(levels_are_evenly_spaced),
        cmocka_unit_test(levels_keep_their_promises),
        cmocka_unit_test(what_is_out_of_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
