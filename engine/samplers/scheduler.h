/* Schedulers: what scheduler_config.json says, and the noise schedule that follows from it.
 *
 *   df_scheduler_read(&cfg, "models/starter/scheduler/scheduler_config.json", &err);
 *   df_scheduler_named(&cfg, "euler_a", &model_cfg, &err);
 *
 * A manifest's scheduler name keeps the model's betas, prediction type, offset and number of training steps and takes
 * the named class' own defaults for the rest (as diffusers' from_config does with a config that does not hold them;
 * a field that both classes know and the model's config states explicitly is kept). Names: models/README.md. */
#ifndef DF_ENGINE_SAMPLERS_SCHEDULER_H
#define DF_ENGINE_SAMPLERS_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef enum df_scheduler_class {
    DF_SCHEDULER_DDPM,
    DF_SCHEDULER_DDIM,
    DF_SCHEDULER_PNDM,
    DF_SCHEDULER_EULER,
    DF_SCHEDULER_EULER_ANCESTRAL,
    DF_SCHEDULER_DPMPP_MULTISTEP,
} df_scheduler_class;

typedef enum df_beta_schedule { DF_BETA_LINEAR, DF_BETA_SCALED_LINEAR, DF_BETA_SQUAREDCOS } df_beta_schedule;
typedef enum df_spacing { DF_SPACING_LEADING, DF_SPACING_TRAILING, DF_SPACING_LINSPACE } df_spacing;
typedef enum df_prediction { DF_PREDICT_EPSILON, DF_PREDICT_V, DF_PREDICT_SAMPLE } df_prediction;

/* Field by field what diffusers' classes take; the owner of engine/samplers adds what a class needs. */
typedef struct df_scheduler {
    df_scheduler_class klass;
    int n_train_timesteps;
    double beta_start, beta_end;
    df_beta_schedule beta_schedule;
    df_prediction prediction;
    df_spacing spacing;
    int steps_offset;
    bool set_alpha_to_one;
    bool skip_prk_steps;
    bool clip_sample;
    double clip_sample_range;
    bool use_karras_sigmas;
    int solver_order;
    bool solver_heun; /* DPM++: heun instead of midpoint */
    bool lower_order_final, euler_at_final;
    bool final_sigma_is_min; /* final_sigmas_type "sigma_min" instead of "zero" */
    bool rescale_zero_snr;
    bool variance_large; /* DDPM fixed_large instead of fixed_small */
    char name[32]; /* as in a manifest: "dpmpp_2m_karras"; metadata and PNG texts show it */
} df_scheduler;

/* An unknown class, or a field value that would change the picture and is not supported, is DF_EUNSUPPORTED with file,
 * field and value. */
df_code df_scheduler_read(df_scheduler *out, const char *path, df_err *err);
df_code df_scheduler_named(df_scheduler *out, const char *name, const char *model_config_path, df_err *err);
bool df_scheduler_name_known(const char *name);
const char *df_scheduler_names(void); /* "ddpm ddim pndm ...", for messages and --help */

/* alphas_cumprod[n_train_timesteps], f32 as the library computes it. */
void df_scheduler_alphas_cumprod(const df_scheduler *s, float *out);

/* out = sqrt(abar_t) * sample + sqrt(1 - abar_t) * noise; Ho et al. 2020, eq. 4. t in 0..n_train_timesteps-1. */
df_code df_scheduler_add_noise(const df_scheduler *s, const float *sample, const float *noise, int t, float *out,
                               size_t n, df_err *err);

#endif
