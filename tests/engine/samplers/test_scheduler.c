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
#include "engine/samplers/betas.h"
#include "engine/samplers/sampler.h"
#include "tests/support/golden.h"

static const char *write_config(const char *text) {
    static char path[512];
    df_err err;
    snprintf(path, sizeof path, "%s/scheduler_config.json", golden_temp_dir());
    if (df_file_write(path, text, strlen(text), &err)) fail_msg("%s", err.text);
    return path;
}

static df_scheduler read_text(const char *text) {
    df_scheduler s;
    df_err err;
    if (df_scheduler_read(&s, write_config(text), &err)) fail_msg("%s", err.text);
    return s;
}

/* ---- tables ---- */

static void tables_match(void **state) {
    (void)state;
    static const char *const names[] = { "linear", "scaled_linear", "squaredcos_cap_v2" };
    golden *g = golden_open("schedules");
    size_t n, n_t;
    float *x0 = golden_f32(g, "x0", &n), *noise = golden_f32(g, "noise", &n);
    int32_t *t = golden_i32(g, "add_noise.t", &n_t);
    float betas[1000], *noised = malloc(n_t * n * sizeof *noised);
    for (int k = 0; k < 6; k++) {
        bool zero_snr = k % 2;
        bool latent = k / 2 == DF_BETA_SCALED_LINEAR;
        df_scheduler s = { .klass = DF_SCHEDULER_DDPM,
                           .n_train_timesteps = 1000,
                           .beta_start = latent ? 0.00085 : 0.0001,
                           .beta_end = latent ? 0.012 : 0.02,
                           .beta_schedule = k / 2,
                           .rescale_zero_snr = zero_snr };
        char name[64], prefix[48];
        snprintf(prefix, sizeof prefix, "%s%s", names[k / 2], zero_snr ? ".zero_snr" : "");
        df_betas_fill(&s, betas);
        snprintf(name, sizeof name, "%s.betas", prefix);
        /* With zero_snr the reference's square roots are not all rounded correctly (vector library). One unit in their
         * last place is 3e-6 in late betas, ratios of squares of small differences, and 1e-5 in sqrt(1 - abar) where
         * abar is within 4e-5 of 1, as the cosine's first is. */
        golden_compare(g, name, betas, 1000, zero_snr ? 4e-6 : 0);
        df_scheduler_alphas_cumprod(&s, betas);
        snprintf(name, sizeof name, "%s.alphas_cumprod", prefix);
        golden_compare(g, name, betas, 1000, zero_snr ? 2e-6 : 0);
        for (size_t i = 0; i < n_t; i++)
            assert_int_equal(df_scheduler_add_noise(&s, x0, noise, t[i], noised + i * n, n, NULL), DF_OK);
        snprintf(name, sizeof name, "%s.add_noise", prefix);
        golden_compare(g, name, noised, n_t * n, zero_snr && k / 2 == DF_BETA_SQUAREDCOS ? 2e-5 : 1e-6);
    }
    df_scheduler s = { .n_train_timesteps = 10, .beta_start = 0.1, .beta_end = 0.2 };
    assert_int_equal(df_scheduler_add_noise(&s, x0, noise, 10, noised, n, NULL), DF_EINVAL);
    assert_int_equal(df_scheduler_add_noise(&s, x0, noise, -1, noised, n, NULL), DF_EINVAL);
    free(x0), free(noise), free(t), free(noised);
    golden_close(&g);
}

typedef struct class_case {
    const char *name, *class_name;
} class_case;

static const class_case classes[] = {
    { "ddim", "DDIMScheduler" },
    { "ddpm", "DDPMScheduler" },
    { "pndm", "PNDMScheduler" },
    { "euler", "EulerDiscreteScheduler" },
    { "euler_a", "EulerAncestralDiscreteScheduler" },
    { "dpmpp", "DPMSolverMultistepScheduler" },
    { "heun", "HeunDiscreteScheduler" },
    { "lms", "LMSDiscreteScheduler" },
    { "unipc", "UniPCMultistepScheduler" },
    { "dpmpp_sde", "DPMSolverSDEScheduler" },
    { "dpmpp_2s", "DPMSolverSinglestepScheduler" },
    { "deis", "DEISMultistepScheduler" },
    { "kdpm2", "KDPM2DiscreteScheduler" },
    { "kdpm2_a", "KDPM2AncestralDiscreteScheduler" },
};

/* One schedule of the reference: timesteps, and sigmas and init_noise_sigma where it has them. */
static void compare_schedule(const golden *g, const char *prefix, const df_scheduler *config, int n_steps,
                             double tolerance) {
    char name[96];
    df_sampler *s;
    df_err err;
    int n_sigmas;
    if (df_sampler_new(&s, config, n_steps, 0, 1, &err)) fail_msg("%s: %s", prefix, err.text);
    float timesteps[128];
    for (int i = 0; i < df_sampler_n_calls(s); i++) timesteps[i] = df_sampler_timestep(s, i);
    snprintf(name, sizeof name, "%s.timesteps", prefix);
    golden_compare(g, name, timesteps, (size_t)df_sampler_n_calls(s), tolerance);
    const float *sigmas = df_sampler_sigmas(s, &n_sigmas);
    snprintf(name, sizeof name, "%s.sigmas", prefix);
    if (golden_has(g, name)) golden_compare(g, name, sigmas, (size_t)n_sigmas, tolerance);
    snprintf(name, sizeof name, "%s.init_noise_sigma", prefix);
    float init = df_sampler_init_sigma(s);
    if (golden_has(g, name)) golden_compare(g, name, &init, 1, tolerance);
    df_sampler_free(&s);
}

static const char betas_of_sd[] = "\"beta_start\": 0.00085, \"beta_end\": 0.012, \"beta_schedule\": \"scaled_linear\"";

static void spacings_match(void **state) {
    (void)state;
    static const struct {
        const char *name, *spacing;
        int offset;
    } spacings[] = { { "leading0", "leading", 0 },
                     { "leading1", "leading", 1 },
                     { "trailing", "trailing", 0 },
                     { "linspace", "linspace", 0 } };
    static const int steps[] = { 8, 20, 50 };
    golden *g = golden_open("schedules");
    for (size_t c = 0; c < sizeof classes / sizeof classes[0]; c++)
        for (int k = 0; k < 4; k++)
            for (int i = 0; i < 3; i++) {
                char text[512], prefix[64];
                snprintf(text, sizeof text,
                         "{\"_class_name\": \"%s\", %s, \"timestep_spacing\": \"%s\", \"steps_offset\": %d, "
                         "\"skip_prk_steps\": true}",
                         classes[c].class_name, betas_of_sd, spacings[k].spacing, spacings[k].offset);
                df_scheduler s = read_text(text);
                snprintf(prefix, sizeof prefix, "%s.%s.%d", classes[c].name, spacings[k].name, steps[i]);
                if (s.klass == DF_SCHEDULER_DPMPP_SINGLESTEP && k < 3) continue; /* it has linspace alone */
                compare_schedule(g, prefix, &s, steps[i], 2e-6);
            }
    golden_close(&g);
}

static void respaced_sigmas_match(void **state) {
    (void)state;
    golden *g = golden_open("schedules");
    int compared = 0;
    for (size_t c = 0; c < sizeof classes / sizeof classes[0]; c++)
        for (int k = 0; k < 6; k++) {
            static const char *const kinds[] = { "karras", "exponential", "beta" };
            const char *kind = kinds[k / 2];
            int n_steps = k % 2 ? 20 : 8;
            char text[512], prefix[64], name[96];
            snprintf(prefix, sizeof prefix, "%s.%s.%d", classes[c].name, kind, n_steps);
            snprintf(name, sizeof name, "%s.sigmas", prefix);
            if (!golden_has(g, name)) continue;
            snprintf(text, sizeof text, "{\"_class_name\": \"%s\", %s, \"use_%s_sigmas\": true}", classes[c].class_name,
                     betas_of_sd, kind);
            df_scheduler s = read_text(text);
            compare_schedule(g, prefix, &s, n_steps, 1e-5);
            compared++;
        }
    assert_int_equal(compared, 54); /* nine classes, three kinds, two counts */
    golden_close(&g);
}

static void distilled_flow_and_warm_up_match(void **state) {
    (void)state;
    golden *g = golden_open("schedules");
    df_scheduler s = read_text("{\"_class_name\": \"LCMScheduler\"}");
    compare_schedule(g, "lcm.4", &s, 4, 0);
    compare_schedule(g, "lcm.8", &s, 8, 0);
    s = read_text("{\"_class_name\": \"TCDScheduler\"}");
    compare_schedule(g, "tcd.4", &s, 4, 0);
    s = read_text("{\"_class_name\": \"PNDMScheduler\"}");
    compare_schedule(g, "pndm.prk.10", &s, 10, 0);
    for (int shift = 1; shift <= 3; shift += 2) {
        char text[128], prefix[32];
        snprintf(text, sizeof text, "{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\", \"shift\": %d.0}", shift);
        s = read_text(text);
        static const int steps[] = { 4, 6, 28 };
        for (int i = 0; i < 3; i++) {
            snprintf(prefix, sizeof prefix, "flow.shift%d.%d", shift, steps[i]);
            compare_schedule(g, prefix, &s, steps[i], 2e-6);
        }
    }
    golden_close(&g);
}

/* numpy.arange(1000, 0, -1000/61) has 62 elements: the last would be timestep -1. */
static void trailing_never_spills_over(void **state) {
    (void)state;
    df_scheduler s = read_text("{\"_class_name\": \"DDIMScheduler\", \"timestep_spacing\": \"trailing\"}");
    df_err err;
    df_sampler *sampler;
    assert_int_equal(df_sampler_new(&sampler, &s, 61, 0, 1, &err), DF_OK);
    assert_int_equal(df_sampler_n_calls(sampler), 61);
    assert_true(df_sampler_timestep(sampler, 0) == 999 && df_sampler_timestep(sampler, 60) == 15);
    df_sampler_free(&sampler);
}

/* ---- configs ---- */

static void reads_the_starter_model(void **state) {
    (void)state;
    df_scheduler s;
    df_err err;
    const char *path = golden_source_path("models/starter/scheduler/scheduler_config.json");
    assert_int_equal(df_scheduler_read(&s, path, &err), DF_OK);
    assert_int_equal(s.klass, DF_SCHEDULER_DPMPP_MULTISTEP);
    assert_int_equal(s.n_train_timesteps, 1000);
    assert_true(s.beta_start == 0.00085 && s.beta_end == 0.012 && s.beta_schedule == DF_BETA_SCALED_LINEAR);
    assert_true(s.solver_order == 2 && !s.solver_heun && !s.solver_sde && s.lower_order_final && !s.euler_at_final);
    assert_true(s.spacing == DF_SPACING_LINSPACE && s.steps_offset == 1 && !s.final_sigma_is_min);
    assert_string_equal(s.name, "dpmpp_2m");
}

static void names_what_a_config_says(void **state) {
    (void)state;
    assert_string_equal(read_text("{\"_class_name\": \"PNDMScheduler\"}").name, "pndm");
    assert_string_equal(
        read_text("{\"_class_name\": \"DPMSolverMultistepScheduler\", \"algorithm_type\": \"sde-dpmsolver++\", "
                  "\"solver_order\": 3, \"use_karras_sigmas\": true, \"lambda_min_clipped\": -Infinity}")
            .name,
        "dpmpp_3m_sde_karras");
    assert_string_equal(
        read_text("{\"_class_name\": \"EulerDiscreteScheduler\", \"use_exponential_sigmas\": true}").name,
        "euler_exponential");
}

/* {class, field, value, code}: the message names the file and the field. */
static void refuses_what_it_cannot_do(void **state) {
    (void)state;
    static const struct {
        const char *klass, *key, *value;
        df_code code;
    } cases[] = {
        { "EDMEulerScheduler", "_class_name", NULL, DF_EUNSUPPORTED },
        { "DDIMScheduler", "num_train_timesteps", "0", DF_EINVAL },
        { "DDIMScheduler", "num_train_timesteps", "100001", DF_EINVAL },
        { "DDIMScheduler", "num_train_timesteps", "\"1000\"", DF_EINVAL },
        { "DDIMScheduler", "num_train_timesteps", "1e3", DF_EINVAL },
        { "DDIMScheduler", "beta_start", "0", DF_EINVAL },
        { "DDIMScheduler", "beta_end", "1.0", DF_EINVAL },
        { "DDIMScheduler", "beta_end", "NaN", DF_EINVAL },
        { "DDIMScheduler", "beta_start", "Infinity", DF_EINVAL },
        { "DDIMScheduler", "beta_start", "\"small\"", DF_EINVAL },
        { "DDIMScheduler", "beta_schedule", "\"sigmoid\"", DF_EUNSUPPORTED },
        { "DDIMScheduler", "beta_schedule", "7", DF_EINVAL },
        { "DDIMScheduler", "trained_betas", "[0.1, 0.2]", DF_EUNSUPPORTED },
        { "DDIMScheduler", "prediction_type", "\"flow_prediction\"", DF_EUNSUPPORTED },
        { "DDIMScheduler", "timestep_spacing", "\"random\"", DF_EUNSUPPORTED },
        { "DDIMScheduler", "steps_offset", "-1", DF_EINVAL },
        { "DDIMScheduler", "steps_offset", "1000", DF_EINVAL },
        { "DDIMScheduler", "clip_sample", "1", DF_EINVAL },
        { "DDIMScheduler", "clip_sample_range", "0", DF_EINVAL },
        { "DDIMScheduler", "dynamic_thresholding_ratio", "1.5", DF_EINVAL },
        { "DDIMScheduler", "sample_max_value", "0.5", DF_EINVAL },
        { "DDPMScheduler", "variance_type", "\"learned_range\"", DF_EUNSUPPORTED },
        { "PNDMScheduler", "skip_prk_steps", "\"yes\"", DF_EINVAL },
        { "EulerDiscreteScheduler", "use_beta_sigmas", "1", DF_EINVAL },
        { "DPMSolverSDEScheduler", "noise_sampler_seed", "7", DF_EUNSUPPORTED },
        { "DPMSolverSinglestepScheduler", "algorithm_type", "\"sde-dpmsolver++\"", DF_EUNSUPPORTED },
        { "DEISMultistepScheduler", "algorithm_type", "\"sde-dpmsolver++\"", DF_EUNSUPPORTED },
        { "DEISMultistepScheduler", "solver_order", "0", DF_EINVAL },
        { "EulerDiscreteScheduler", "interpolation_type", "\"log_linear\"", DF_EUNSUPPORTED },
        { "EulerDiscreteScheduler", "timestep_type", "\"continuous\"", DF_EUNSUPPORTED },
        { "EulerDiscreteScheduler", "final_sigmas_type", "\"one\"", DF_EUNSUPPORTED },
        { "DPMSolverMultistepScheduler", "algorithm_type", "\"deis\"", DF_EUNSUPPORTED },
        { "DPMSolverMultistepScheduler", "algorithm_type", "\"dpmsolver\"", DF_EUNSUPPORTED },
        { "DPMSolverMultistepScheduler", "solver_type", "\"logrho\"", DF_EUNSUPPORTED },
        { "DPMSolverMultistepScheduler", "solver_order", "4", DF_EINVAL },
        { "DPMSolverMultistepScheduler", "use_lu_lambdas", "true", DF_EUNSUPPORTED },
        { "DPMSolverMultistepScheduler", "use_flow_sigmas", "true", DF_EUNSUPPORTED },
        { "DPMSolverMultistepScheduler", "lambda_min_clipped", "-5.1", DF_EUNSUPPORTED },
        { "DPMSolverMultistepScheduler", "variance_type", "\"learned\"", DF_EUNSUPPORTED },
        { "UniPCMultistepScheduler", "predict_x0", "false", DF_EUNSUPPORTED },
        { "UniPCMultistepScheduler", "disable_corrector", "[0]", DF_EUNSUPPORTED },
        { "LCMScheduler", "original_inference_steps", "0", DF_EINVAL },
        { "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting", "true", DF_EUNSUPPORTED },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256], quoted[64];
        df_scheduler s;
        df_err err = { 0 };
        if (cases[i].value)
            snprintf(text, sizeof text, "{\"_class_name\": \"%s\", \"%s\": %s}", cases[i].klass, cases[i].key,
                     cases[i].value);
        else
            snprintf(text, sizeof text, "{\"_class_name\": \"%s\"}", cases[i].klass);
        df_code rc = df_scheduler_read(&s, write_config(text), &err);
        snprintf(quoted, sizeof quoted, "'%s'", cases[i].key);
        if (rc != cases[i].code || !strstr(err.text, quoted) || !strstr(err.text, "scheduler_config.json"))
            fail_msg("%s gave %s: %s", text, df_code_name(rc), err.text);
    }
    df_scheduler s;
    df_err err;
    assert_int_equal(df_scheduler_read(&s, write_config("{}"), &err), DF_EUNSUPPORTED);
    assert_int_equal(df_scheduler_read(&s, write_config("[1]"), &err), DF_EFORMAT);
    assert_int_equal(df_scheduler_read(&s, write_config("{\"_class_name\": "), &err), DF_EFORMAT);
    assert_int_equal(df_scheduler_read(&s, "no/such/file.json", &err), DF_ENOTFOUND);
}

static void ignores_what_does_no_harm(void **state) {
    (void)state;
    df_scheduler s = read_text("{\"_class_name\": \"EulerDiscreteScheduler\", \"_diffusers_version\": \"0.42.1\", "
                               "\"skip_prk_steps\": true, \"trained_betas\": null, \"sigma_min\": null, "
                               "\"use_beta_sigmas\": false, \"a_field_of_tomorrow\": [1, 2]}");
    assert_int_equal(s.klass, DF_SCHEDULER_EULER);
    assert_true(s.beta_start == 0.0001 && s.spacing == DF_SPACING_LINSPACE);
}

/* ---- names of a manifest ---- */

static df_scheduler named(const char *name, const char *config_path) {
    df_scheduler s;
    df_err err;
    if (df_scheduler_named(&s, name, config_path, &err)) fail_msg("%s", err.text);
    assert_string_equal(s.name, name);
    return s;
}

/* What models/README.md promises for the reference pictures. */
static void names_on_the_starter_model(void **state) {
    (void)state;
    const char *path = golden_source_path("models/starter/scheduler/scheduler_config.json");
    static const struct {
        const char *name;
        df_scheduler_class klass;
        df_spacing spacing;
    } cases[] = {
        { "ddpm", DF_SCHEDULER_DDPM, DF_SPACING_LEADING },
        { "ddim", DF_SCHEDULER_DDIM, DF_SPACING_LEADING },
        { "pndm", DF_SCHEDULER_PNDM, DF_SPACING_LEADING },
        { "lms", DF_SCHEDULER_LMS, DF_SPACING_LINSPACE },
        { "euler", DF_SCHEDULER_EULER, DF_SPACING_LINSPACE },
        { "euler_a", DF_SCHEDULER_EULER_ANCESTRAL, DF_SPACING_LINSPACE },
        { "heun", DF_SCHEDULER_HEUN, DF_SPACING_LINSPACE },
        { "dpmpp_2m", DF_SCHEDULER_DPMPP_MULTISTEP, DF_SPACING_LINSPACE },
        { "dpmpp_2m_karras", DF_SCHEDULER_DPMPP_MULTISTEP, DF_SPACING_LINSPACE },
        { "unipc", DF_SCHEDULER_UNIPC, DF_SPACING_LINSPACE },
        { "dpmpp_2s", DF_SCHEDULER_DPMPP_SINGLESTEP, DF_SPACING_LINSPACE },
        { "dpmpp_sde", DF_SCHEDULER_DPMPP_SDE, DF_SPACING_LINSPACE },
        { "kdpm2", DF_SCHEDULER_KDPM2, DF_SPACING_LINSPACE },
        { "kdpm2_a", DF_SCHEDULER_KDPM2_ANCESTRAL, DF_SPACING_LINSPACE },
        { "deis", DF_SCHEDULER_DEIS, DF_SPACING_LINSPACE },
        { "lcm", DF_SCHEDULER_LCM, DF_SPACING_LEADING },
        { "tcd", DF_SCHEDULER_TCD, DF_SPACING_LEADING },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        df_scheduler s = named(cases[i].name, path);
        assert_int_equal(s.klass, cases[i].klass);
        assert_int_equal(s.spacing, cases[i].spacing);
        assert_true(s.beta_start == 0.00085 && s.beta_end == 0.012 && s.beta_schedule == DF_BETA_SCALED_LINEAR);
        assert_int_equal(s.steps_offset, 1);
        assert_false(s.clip_sample);
        assert_false(s.set_alpha_to_one);
        assert_true(s.skip_prk_steps || s.klass != DF_SCHEDULER_PNDM);
        assert_int_equal(s.sigma_spacing, strstr(cases[i].name, "karras") ? DF_SIGMAS_KARRAS : DF_SIGMAS_OF_TIMESTEPS);
    }
}

static void names_keep_what_is_the_models(void **state) {
    (void)state;
    const char *path = write_config("{\"_class_name\": \"DDIMScheduler\", \"prediction_type\": \"v_prediction\", "
                                    "\"rescale_betas_zero_snr\": true, \"timestep_spacing\": \"trailing\", "
                                    "\"num_train_timesteps\": 500, \"clip_sample\": true, \"clip_sample_range\": 2.0, "
                                    "\"set_alpha_to_one\": false, \"beta_end\": 0.03}");
    df_scheduler s = named("euler", path); /* another class: the model's own, and trailing */
    assert_true(s.prediction == DF_PREDICT_V && s.rescale_zero_snr && s.n_train_timesteps == 500 && s.beta_end == 0.03);
    assert_int_equal(s.spacing, DF_SPACING_TRAILING);
    s = named("ddpm", path);
    assert_true(s.clip_sample && s.clip_sample_range == 2.0);
    s = named("ddim", path); /* its own class: its own config */
    assert_true(s.spacing == DF_SPACING_TRAILING && s.clip_sample && !s.set_alpha_to_one);
    path = write_config("{\"_class_name\": \"DDIMScheduler\"}");
    s = named("ddim", path);
    assert_true(s.clip_sample && s.set_alpha_to_one); /* the class' defaults, as nothing is stated */

    path = write_config("{\"_class_name\": \"DPMSolverMultistepScheduler\", \"use_karras_sigmas\": true, "
                        "\"solver_order\": 3, \"algorithm_type\": \"sde-dpmsolver++\", \"euler_at_final\": true}");
    s = named("dpmpp_2m", path);
    assert_true(s.sigma_spacing == DF_SIGMAS_OF_TIMESTEPS && s.solver_order == 2 && !s.solver_sde && s.euler_at_final);
    assert_int_equal(named("dpmpp_2m_karras", path).sigma_spacing, DF_SIGMAS_KARRAS);

    /* a class that is not built still has betas to lend, and LCM's are its own unless stated */
    path = write_config("{\"_class_name\": \"EDMEulerScheduler\", \"beta_end\": 0.05}");
    assert_true(named("euler", path).beta_end == 0.05);
    path = write_config("{\"_class_name\": \"LCMScheduler\"}");
    s = named("ddim", path);
    assert_true(s.beta_schedule == DF_BETA_SCALED_LINEAR && s.beta_start == 0.00085);
}

static void names_that_cannot_be(void **state) {
    (void)state;
    df_scheduler s;
    df_err err;
    const char *path = write_config("{\"_class_name\": \"PNDMScheduler\"}");
    assert_int_equal(df_scheduler_named(&s, "dppmpp_2m", path, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "did you mean 'dpmpp_2m'"));
    assert_int_equal(df_scheduler_named(&s, "eulera", path, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "did you mean 'euler"));
    assert_int_equal(df_scheduler_named(&s, "", path, &err), DF_EINVAL);
    assert_null(strstr(err.text, "did you mean"));
    char monster[300];
    memset(monster, 'x', sizeof monster - 1);
    monster[sizeof monster - 1] = '\0';
    assert_int_equal(df_scheduler_named(&s, monster, path, &err), DF_EINVAL);
    assert_int_equal(df_scheduler_named(&s, "flow_euler", path, &err), DF_EINVAL);
    assert_int_equal(
        df_scheduler_named(&s, "euler", write_config("{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\"}"), &err),
        DF_EINVAL);
    assert_non_null(strstr(err.text, "flow"));
    assert_int_equal(df_scheduler_named(&s, "euler", write_config("{\"_class_name\": 3}"), &err), DF_EINVAL);
    assert_int_equal(df_scheduler_named(&s, "euler", "no/such/file.json", &err), DF_ENOTFOUND);
}

/* Every listed name is known and the other way round. */
static void the_list_of_names_is_whole(void **state) {
    (void)state;
    static const char *const manifest[] = {
        "ddpm",     "ddim",      "pndm",  "lms",     "euler", "heun",  "euler_a", "dpmpp_2m", "dpmpp_2m_karras",
        "dpmpp_2s", "dpmpp_sde", "kdpm2", "kdpm2_a", "deis",  "unipc", "lcm",     "tcd",      "flow_euler"
    };
    char list[256];
    snprintf(list, sizeof list, " %s ", df_scheduler_names());
    for (size_t i = 0; i < sizeof manifest / sizeof manifest[0]; i++) {
        char word[40];
        snprintf(word, sizeof word, " %s ", manifest[i]);
        assert_true(strstr(list, word) && df_scheduler_name_known(manifest[i]));
    }
    assert_false(df_scheduler_name_known("ddim "));
    int known = 0;
    for (char *word = strtok(list, " "); word; word = strtok(NULL, " ")) known += df_scheduler_name_known(word);
    assert_int_equal(known, 18);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_match),
        cmocka_unit_test(spacings_match),
        cmocka_unit_test(respaced_sigmas_match),
        cmocka_unit_test(distilled_flow_and_warm_up_match),
        cmocka_unit_test(trailing_never_spills_over),
        cmocka_unit_test(reads_the_starter_model),
        cmocka_unit_test(names_what_a_config_says),
        cmocka_unit_test(refuses_what_it_cannot_do),
        cmocka_unit_test(ignores_what_does_no_harm),
        cmocka_unit_test(names_on_the_starter_model),
        cmocka_unit_test(names_keep_what_is_the_models),
        cmocka_unit_test(names_that_cannot_be),
        cmocka_unit_test(the_list_of_names_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
