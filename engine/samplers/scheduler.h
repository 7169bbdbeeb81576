/* Schedulers: what scheduler_config.json says, and the noise schedule that follows from it.
 *
 *   df_scheduler_read(&cfg, "models/starter/scheduler/scheduler_config.json", &err);
 *   df_scheduler_named(&cfg, "euler_a", "models/starter/scheduler/scheduler_config.json", &err);
 *
 * A manifest's scheduler name on a model whose config names the same class is that config (with the name's own options
 * set: Karras sigmas or not). On a model of another class it keeps what belongs to the model (number of training
 * steps, betas, prediction type, offset, clipping, trailing spacing) and takes the named class' values for the rest.
 * Names and rules: models/README.md, section "Scheduler names".
 * Reference: diffusers 0.42, src/diffusers/schedulers. Threads: plain values, nothing is shared. */
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
    DF_SCHEDULER_LMS,
    DF_SCHEDULER_HEUN,
    DF_SCHEDULER_UNIPC,
    DF_SCHEDULER_LCM,
    DF_SCHEDULER_TCD,
    DF_SCHEDULER_FLOW_EULER,
    DF_SCHEDULER_DPMPP_SDE,
    DF_SCHEDULER_DPMPP_SINGLESTEP,
    DF_SCHEDULER_DEIS,
    DF_SCHEDULER_KDPM2,
    DF_SCHEDULER_KDPM2_ANCESTRAL,
    DF_SCHEDULER_CLASSES
} df_scheduler_class;

typedef enum df_beta_schedule { DF_BETA_LINEAR, DF_BETA_SCALED_LINEAR, DF_BETA_SQUAREDCOS } df_beta_schedule;
typedef enum df_spacing { DF_SPACING_LEADING, DF_SPACING_TRAILING, DF_SPACING_LINSPACE } df_spacing;
typedef enum df_prediction { DF_PREDICT_EPSILON, DF_PREDICT_V, DF_PREDICT_SAMPLE } df_prediction;
typedef enum df_sigma_spacing {
    DF_SIGMAS_OF_TIMESTEPS,
    DF_SIGMAS_KARRAS,
    DF_SIGMAS_EXPONENTIAL,
    DF_SIGMAS_BETA
} df_sigma_spacing;

#define DF_SCHEDULER_NAME_BYTES 32

/* Field by field what diffusers' classes take; a class ignores what it does not know. */
typedef struct df_scheduler {
    df_scheduler_class klass;

    /* the noise schedule */
    int n_train_timesteps;
    double beta_start, beta_end;
    df_beta_schedule beta_schedule;
    bool rescale_zero_snr; /* zero terminal signal-to-noise ratio, Lin et al. 2023 */

    /* what the model predicts, and what is done to a predicted clean sample */
    df_prediction prediction;
    bool clip_sample;
    double clip_sample_range;
    bool thresholding; /* dynamic thresholding, Saharia et al. 2022 */
    double threshold_ratio, threshold_max;

    /* which timesteps are visited */
    df_spacing spacing;
    int steps_offset;
    int original_steps; /* LCM, TCD: steps of the distilled schedule */
    double timestep_scaling; /* LCM */

    /* sigma tables: Euler, Heun, LMS, DPM2, DPM++, DEIS, UniPC */
    df_sigma_spacing sigma_spacing;
    double sigma_min, sigma_max; /* ends of Karras, exponential and beta spacing; 0: those of the table */
    bool final_sigma_is_min; /* final_sigmas_type "sigma_min" instead of "zero" */
    double flow_shift; /* flow matching */

    /* options of single classes */
    bool set_alpha_to_one; /* DDIM, PNDM, LCM: abar before timestep 0 is 1 instead of abar[0] */
    bool skip_prk_steps; /* PNDM: no Runge-Kutta warm-up */
    bool variance_large; /* DDPM: fixed_large instead of fixed_small */
    int solver_order; /* DPM++, DEIS, UniPC: 1..3 */
    bool solver_heun; /* DPM++: heun instead of midpoint */
    bool solver_sde; /* DPM++: sde-dpmsolver++ */
    bool solver_bh1; /* UniPC: bh1 instead of bh2 */
    bool lower_order_final, euler_at_final;

    char name[DF_SCHEDULER_NAME_BYTES]; /* "dpmpp_2m_karras"; metadata and PNG texts show it */
} df_scheduler;

/* DF_EUNSUPPORTED with file, field and value: an unknown class, or a value that would change the picture and is not
 * built. DF_EINVAL or DF_EFORMAT: a value of the wrong type or out of range. */
df_code df_scheduler_read(df_scheduler *out, const char *path, df_err *err);

/* DF_EINVAL: no such name (the nearest one is told), or one that cannot drive this model. */
df_code df_scheduler_named(df_scheduler *out, const char *name, const char *model_config_path, df_err *err);
bool df_scheduler_name_known(const char *name); /* a name of the manifest */
const char *df_scheduler_names(void); /* "ddpm ddim pndm ..." for messages and --help */

/* alphas_cumprod[n_train_timesteps], f32 as the library computes it. Not for flow matching, which has none. */
void df_scheduler_alphas_cumprod(const df_scheduler *s, float *out);

/* A sample as noisy as it is at timestep t, in one call; forward.h says how, and does it at many levels. */
df_code df_scheduler_add_noise(const df_scheduler *s, const float *sample, const float *noise, int t, float *out,
                               size_t n, df_err *err);

#endif
