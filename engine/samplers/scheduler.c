#include "engine/samplers/scheduler.h"

#include <math.h>
#include <stdlib.h>

#include "engine/samplers/betas.h"

/* Classes that divide by abar keep the last one just above 0 (the smallest f16). */
static bool needs_positive_abar(df_scheduler_class klass) {
    return klass == DF_SCHEDULER_EULER || klass == DF_SCHEDULER_EULER_ANCESTRAL ||
           klass == DF_SCHEDULER_DPMPP_MULTISTEP || klass == DF_SCHEDULER_UNIPC;
}

void df_scheduler_alphas_cumprod(const df_scheduler *s, float *out) {
    df_betas_fill(s, out);
    df_betas_cumprod(out, s->n_train_timesteps, out);
    if (s->rescale_zero_snr && needs_positive_abar(s->klass)) out[s->n_train_timesteps - 1] = 0x1p-24f;
}

df_code df_scheduler_add_noise(const df_scheduler *s, const float *sample, const float *noise, int t, float *out,
                               size_t n, df_err *err) {
    if (t < 0 || t >= s->n_train_timesteps)
        return df_err_set(err, DF_EINVAL, "add_noise: timestep %d is not one of 0..%d", t, s->n_train_timesteps - 1);
    float *abar = calloc((size_t)s->n_train_timesteps, sizeof *abar);
    if (!abar) return df_err_set(err, DF_ENOMEM, "add_noise: table of %d timesteps", s->n_train_timesteps);
    df_scheduler_alphas_cumprod(s, abar);
    float a = sqrtf(abar[t]), b = sqrtf(1.0f - abar[t]);
    free(abar);
    for (size_t i = 0; i < n; i++) out[i] = a * sample[i] + b * noise[i];
    return DF_OK;
}
