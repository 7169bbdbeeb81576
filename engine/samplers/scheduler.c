#include "engine/samplers/scheduler.h"

#include "engine/samplers/betas.h"
#include "engine/samplers/forward.h"

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
    df_forward_level level;
    df_code rc = df_forward_level_at(&level, s, t, err);
    if (!rc) df_forward_noise(&level, sample, noise, out, n);
    return rc;
}
