#include "engine/samplers/scheduler_classes.h"

#include <stdio.h>
#include <string.h>

#define COMMON                                                                                                         \
    .n_train_timesteps = 1000, .clip_sample_range = 1.0, .threshold_ratio = 0.995, .threshold_max = 1.0,               \
    .flow_shift = 1.0
#define BETAS .beta_start = 0.0001, .beta_end = 0.02
#define LATENT_BETAS .beta_start = 0.00085, .beta_end = 0.012
#define MULTISTEP .solver_order = 2, .lower_order_final = true
#define LEADING .spacing = DF_SPACING_LEADING
#define LINSPACE .spacing = DF_SPACING_LINSPACE
#define DISTILLED                                                                                                      \
    COMMON, LATENT_BETAS, LEADING, .beta_schedule = DF_BETA_SCALED_LINEAR, .set_alpha_to_one = true,                   \
                                   .original_steps = 50, .timestep_scaling = 10.0

static const df_scheduler_class_spec specs[DF_SCHEDULER_CLASSES] = {
    [DF_SCHEDULER_DDPM] = { "DDPMScheduler", { COMMON, BETAS, LEADING, .clip_sample = true } },
    [DF_SCHEDULER_DDIM] = { "DDIMScheduler",
                            { COMMON, BETAS, LEADING, .clip_sample = true, .set_alpha_to_one = true } },
    [DF_SCHEDULER_PNDM] = { "PNDMScheduler", { COMMON, BETAS, LEADING } },
    [DF_SCHEDULER_EULER] = { "EulerDiscreteScheduler", { COMMON, BETAS, LINSPACE } },
    [DF_SCHEDULER_EULER_ANCESTRAL] = { "EulerAncestralDiscreteScheduler", { COMMON, BETAS, LINSPACE } },
    [DF_SCHEDULER_DPMPP_MULTISTEP] = { "DPMSolverMultistepScheduler", { COMMON, BETAS, LINSPACE, MULTISTEP } },
    [DF_SCHEDULER_LMS] = { "LMSDiscreteScheduler", { COMMON, BETAS, LINSPACE } },
    [DF_SCHEDULER_HEUN] = { "HeunDiscreteScheduler", { COMMON, LATENT_BETAS, LINSPACE } },
    [DF_SCHEDULER_UNIPC] = { "UniPCMultistepScheduler", { COMMON, BETAS, LINSPACE, MULTISTEP } },
    [DF_SCHEDULER_LCM] = { "LCMScheduler", { DISTILLED } },
    [DF_SCHEDULER_TCD] = { "TCDScheduler", { DISTILLED } },
    [DF_SCHEDULER_FLOW_EULER] = { "FlowMatchEulerDiscreteScheduler", { COMMON, BETAS } },
    [DF_SCHEDULER_DPMPP_SDE] = { "DPMSolverSDEScheduler", { COMMON, LATENT_BETAS, LINSPACE } },
    [DF_SCHEDULER_DPMPP_SINGLESTEP] = { "DPMSolverSinglestepScheduler",
                                        { COMMON, BETAS, LINSPACE, .solver_order = 2 } },
    [DF_SCHEDULER_DEIS] = { "DEISMultistepScheduler",
                            { COMMON, BETAS, LINSPACE, MULTISTEP, .final_sigma_is_min = true } },
    [DF_SCHEDULER_KDPM2] = { "KDPM2DiscreteScheduler", { COMMON, LATENT_BETAS, LINSPACE } },
    [DF_SCHEDULER_KDPM2_ANCESTRAL] = { "KDPM2AncestralDiscreteScheduler", { COMMON, LATENT_BETAS, LINSPACE } },
};

df_scheduler df_scheduler_defaults(df_scheduler_class klass) {
    df_scheduler s = specs[klass].defaults;
    s.klass = klass;
    return s;
}

int df_scheduler_class_named(const char *class_name) {
    for (int k = 0; k < DF_SCHEDULER_CLASSES; k++)
        if (!strcmp(specs[k].class_name, class_name)) return k;
    return -1;
}

const char *df_scheduler_class_names(char *out, size_t bytes) {
    size_t used = 0;
    out[0] = '\0';
    for (int k = 0; k < DF_SCHEDULER_CLASSES && used < bytes; k++) {
        int n = snprintf(out + used, bytes - used, "%s%s", k ? ", " : "", specs[k].class_name);
        used += n > 0 ? (size_t)n : 0;
    }
    return out;
}
