#include "engine/samplers/scheduler_fields.h"

#include <math.h>
#include <string.h>

typedef struct choice {
    const char *text;
    int value;
} choice;

static const choice beta_schedules[] = {
    { "linear", DF_BETA_LINEAR },
    { "scaled_linear", DF_BETA_SCALED_LINEAR },
    { "squaredcos_cap_v2", DF_BETA_SQUAREDCOS },
    { 0 },
};
static const choice predictions[] = {
    { "epsilon", DF_PREDICT_EPSILON },
    { "v_prediction", DF_PREDICT_V },
    { "sample", DF_PREDICT_SAMPLE },
    { 0 },
};
static const choice spacings[] = {
    { "leading", DF_SPACING_LEADING },
    { "trailing", DF_SPACING_TRAILING },
    { "linspace", DF_SPACING_LINSPACE },
    { 0 },
};
static const choice variance_types[] = { { "fixed_small", false }, { "fixed_large", true }, { 0 } };
static const choice algorithms[] = { { "dpmsolver++", false }, { "sde-dpmsolver++", true }, { 0 } };
static const choice dpm_solvers[] = { { "midpoint", false }, { "heun", true }, { 0 } };
/* What from_config takes over from other classes means this class' only one. */
static const choice singlestep_algorithms[] = {
    { "dpmsolver++", false },
    { "deis", false },
    { 0 },
};
static const choice singlestep_solvers[] = {
    { "midpoint", false }, { "heun", true }, { "logrho", false }, { "bh1", false }, { "bh2", false }, { 0 },
};
static const choice deis_algorithms[] = { { "deis", 0 }, { "dpmsolver", 0 }, { "dpmsolver++", 0 }, { 0 } };
static const choice deis_solvers[] = {
    { "logrho", 0 }, { "midpoint", 0 }, { "heun", 0 }, { "bh1", 0 }, { "bh2", 0 }, { 0 },
};
static const choice unipc_solvers[] = { { "bh2", false }, { "bh1", true }, { 0 } };
static const choice final_sigmas[] = { { "zero", false }, { "sigma_min", true }, { 0 } };

static void refuse(df_config *c, df_code code, const char *key, const char *value, const char *must) {
    if (!c->rc) c->rc = df_err_set(c->err, code, "%s: '%s' is '%s', %s", c->path, key, value, must);
}

static int read_choice(df_config *c, const char *key, const choice *choices, int otherwise) {
    const char *text = df_config_string(c, key, NULL);
    if (!text || c->rc) return otherwise;
    char known[256] = "supported: ";
    for (const choice *at = choices; at->text; at++) {
        if (!strcmp(at->text, text)) return at->value;
        if (at != choices) strncat(known, ", ", sizeof known - strlen(known) - 1);
        strncat(known, at->text, sizeof known - strlen(known) - 1);
    }
    refuse(c, DF_EUNSUPPORTED, key, text, known);
    return otherwise;
}

static double read_within(df_config *c, const char *key, double otherwise, double min, double max) {
    double value = df_config_double(c, key, otherwise);
    if (c->rc || (value >= min && value <= max)) return value; /* a NaN fails both */
    c->rc = df_err_set(c->err, DF_EINVAL, "%s: '%s' is %g, it must lie in %g..%g", c->path, key, value, min, max);
    return otherwise;
}

static double read_beta(df_config *c, const char *key, double otherwise) {
    double value = df_config_double(c, key, otherwise);
    if (c->rc || (value > 0 && value < 1)) return value;
    c->rc = df_err_set(c->err, DF_EINVAL, "%s: '%s' is %g, it must lie between 0 and 1", c->path, key, value);
    return otherwise;
}

static void read_betas(df_config *c, df_scheduler *s) {
    s->n_train_timesteps = (int)df_config_int(c, "num_train_timesteps", s->n_train_timesteps, 1, 100000);
    s->beta_start = read_beta(c, "beta_start", s->beta_start);
    s->beta_end = read_beta(c, "beta_end", s->beta_end);
    s->beta_schedule = read_choice(c, "beta_schedule", beta_schedules, s->beta_schedule);
    df_config_only_absent(c, "trained_betas");
    s->rescale_zero_snr = df_config_bool(c, "rescale_betas_zero_snr", s->rescale_zero_snr);
    if (!c->rc && s->rescale_zero_snr && s->n_train_timesteps < 2)
        refuse(c, DF_EINVAL, "rescale_betas_zero_snr", "true", "which needs 'num_train_timesteps' of 2 or more");
}

static void read_clean_sample(df_config *c, df_scheduler *s) {
    s->clip_sample = df_config_bool(c, "clip_sample", s->clip_sample);
    s->clip_sample_range = read_within(c, "clip_sample_range", s->clip_sample_range, 1e-6, 1e6);
    s->thresholding = df_config_bool(c, "thresholding", s->thresholding);
    s->threshold_ratio = read_within(c, "dynamic_thresholding_ratio", s->threshold_ratio, 0, 1);
    s->threshold_max = read_within(c, "sample_max_value", s->threshold_max, 1, 1e6);
}

void df_scheduler_read_model_fields(df_config *c, df_scheduler *s) {
    read_betas(c, s);
    df_config_only_bool(c, "predict_epsilon", true); /* of old DDPM configs */
    if (s->klass != DF_SCHEDULER_FLOW_EULER)
        s->prediction = read_choice(c, "prediction_type", predictions, s->prediction);
    s->steps_offset = (int)df_config_int(c, "steps_offset", s->steps_offset, 0, s->n_train_timesteps - 1);
    read_clean_sample(c, s);
    s->set_alpha_to_one = df_config_bool(c, "set_alpha_to_one", s->set_alpha_to_one);
}

void df_scheduler_read_spacing(df_config *c, df_scheduler *s) {
    s->spacing = read_choice(c, "timestep_spacing", spacings, s->spacing);
}

static void read_sigma_spacing(df_config *c, df_scheduler *s) {
    bool karras = df_config_bool(c, "use_karras_sigmas", false);
    bool exponential = df_config_bool(c, "use_exponential_sigmas", false);
    bool beta = df_config_bool(c, "use_beta_sigmas", false);
    if (karras + exponential + beta > 1)
        refuse(c, DF_EINVAL, beta ? "use_beta_sigmas" : "use_exponential_sigmas", "true",
               "but another spacing of sigmas is asked for as well");
    s->sigma_spacing = karras        ? DF_SIGMAS_KARRAS
                       : exponential ? DF_SIGMAS_EXPONENTIAL
                       : beta        ? DF_SIGMAS_BETA
                                     : DF_SIGMAS_OF_TIMESTEPS;
}

static void read_final_sigma(df_config *c, df_scheduler *s) {
    s->final_sigma_is_min = read_choice(c, "final_sigmas_type", final_sigmas, s->final_sigma_is_min);
}

static void read_euler(df_config *c, df_scheduler *s) {
    read_sigma_spacing(c, s);
    read_final_sigma(c, s);
    df_config_only_string(c, "interpolation_type", "linear");
    s->sigma_min = read_within(c, "sigma_min", 0, 0, 1e6);
    s->sigma_max = read_within(c, "sigma_max", 0, 0, 1e6);
    df_config_only_string(c, "timestep_type", "discrete");
}

static void read_multistep(df_config *c, df_scheduler *s) {
    read_sigma_spacing(c, s);
    s->solver_order = (int)df_config_int(c, "solver_order", s->solver_order, 1, 3);
    s->lower_order_final = df_config_bool(c, "lower_order_final", s->lower_order_final);
    df_config_only_bool(c, "use_flow_sigmas", false);
    df_config_only_bool(c, "use_dynamic_shifting", false);
}

static void read_lambda_min(df_config *c) {
    double lambda_min = df_config_double(c, "lambda_min_clipped", -INFINITY);
    if (!c->rc && !(lambda_min < -100)) /* below every lambda of f32 tables: nothing is clipped */
        refuse(c, DF_EUNSUPPORTED, "lambda_min_clipped", "finite", "only -Infinity is supported");
}

static void read_dpmpp_variance(df_config *c) {
    if (df_config_has(c, "variance_type"))
        read_choice(c, "variance_type", variance_types, 0); /* a learned variance would double the channels */
}

static void read_dpmpp(df_config *c, df_scheduler *s) {
    read_multistep(c, s);
    read_final_sigma(c, s);
    s->solver_sde = read_choice(c, "algorithm_type", algorithms, s->solver_sde);
    s->solver_heun = read_choice(c, "solver_type", dpm_solvers, s->solver_heun);
    s->euler_at_final = df_config_bool(c, "euler_at_final", s->euler_at_final);
    df_config_only_bool(c, "use_lu_lambdas", false);
    read_lambda_min(c);
    read_dpmpp_variance(c);
}

static void read_dpmpp_singlestep(df_config *c, df_scheduler *s) {
    read_multistep(c, s);
    read_final_sigma(c, s);
    read_choice(c, "algorithm_type", singlestep_algorithms, 0);
    s->solver_heun = read_choice(c, "solver_type", singlestep_solvers, s->solver_heun);
    read_lambda_min(c);
    read_dpmpp_variance(c);
}

static void read_deis(df_config *c, df_scheduler *s) {
    read_multistep(c, s);
    read_choice(c, "algorithm_type", deis_algorithms, 0);
    read_choice(c, "solver_type", deis_solvers, 0);
}

static void read_unipc(df_config *c, df_scheduler *s) {
    read_multistep(c, s);
    read_final_sigma(c, s);
    s->solver_bh1 = read_choice(c, "solver_type", unipc_solvers, s->solver_bh1);
    df_config_only_bool(c, "predict_x0", true);
    df_config_only_absent(c, "solver_p");
    if (df_config_array_len(c, "disable_corrector"))
        refuse(c, DF_EUNSUPPORTED, "disable_corrector", "a list of steps", "only an empty list is supported");
}

static void read_distilled(df_config *c, df_scheduler *s) {
    s->original_steps = (int)df_config_int(c, "original_inference_steps", s->original_steps, 1, s->n_train_timesteps);
    s->timestep_scaling = read_within(c, "timestep_scaling", s->timestep_scaling, 1e-6, 1e6);
}

static void read_flow(df_config *c, df_scheduler *s) {
    s->flow_shift = read_within(c, "shift", s->flow_shift, 1e-6, 1e6);
    df_config_only_bool(c, "use_dynamic_shifting", false);
    df_config_only_bool(c, "use_karras_sigmas", false);
    df_config_only_bool(c, "use_exponential_sigmas", false);
    df_config_only_bool(c, "use_beta_sigmas", false);
    df_config_only_bool(c, "invert_sigmas", false);
    df_config_only_bool(c, "stochastic_sampling", false);
    df_config_only_absent(c, "shift_terminal");
}

void df_scheduler_read_class_fields(df_config *c, df_scheduler *s) {
    if (s->klass != DF_SCHEDULER_DPMPP_SINGLESTEP) df_scheduler_read_spacing(c, s); /* it has none */
    switch (s->klass) {
    case DF_SCHEDULER_DDPM:
        s->variance_large = read_choice(c, "variance_type", variance_types, s->variance_large);
        break;
    case DF_SCHEDULER_PNDM: s->skip_prk_steps = df_config_bool(c, "skip_prk_steps", s->skip_prk_steps); break;
    case DF_SCHEDULER_EULER: read_euler(c, s); break;
    case DF_SCHEDULER_LMS:
    case DF_SCHEDULER_HEUN:
    case DF_SCHEDULER_KDPM2:
    case DF_SCHEDULER_KDPM2_ANCESTRAL: read_sigma_spacing(c, s); break;
    case DF_SCHEDULER_DPMPP_SDE:
        read_sigma_spacing(c, s);
        df_config_only_absent(c, "noise_sampler_seed"); /* of torchsde's tree */
        break;
    case DF_SCHEDULER_DPMPP_SINGLESTEP: read_dpmpp_singlestep(c, s); break;
    case DF_SCHEDULER_DEIS: read_deis(c, s); break;
    case DF_SCHEDULER_DPMPP_MULTISTEP: read_dpmpp(c, s); break;
    case DF_SCHEDULER_UNIPC: read_unipc(c, s); break;
    case DF_SCHEDULER_LCM:
    case DF_SCHEDULER_TCD: read_distilled(c, s); break;
    case DF_SCHEDULER_FLOW_EULER: read_flow(c, s); break;
    default: break;
    }
}
