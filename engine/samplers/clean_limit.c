#include "engine/samplers/clean_limit.h"

#include <math.h>
#include <stdlib.h>

/* Of magnitudes; NaN comes last. */
static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

/* torch.quantile, linear between the two nearest ranks. sorted [n], n > 0. */
static float quantile(const float *sorted, size_t n, double q) {
    float rank = (float)q * (float)(n - 1);
    size_t below = (size_t)rank, above = below + 1 < n ? below + 1 : n - 1;
    float weight = rank - (float)below;
    return sorted[below] + weight * (sorted[above] - sorted[below]);
}

void df_clean_clip(const df_sampler *s, float *clean) {
    if (s->cfg.clip_sample) s->v->ops->clip(s->v->ctx, clean, (float)s->cfg.clip_sample_range, s->n);
}

df_code df_clean_threshold(df_sampler *s, float *clean, df_err *err) {
    if (!s->cfg.thresholding || !s->n) return DF_OK;
    df_code rc = s->v->ops->read(s->v->ctx, s->sorted, clean, s->n * sizeof *clean, err);
    if (rc) return rc;
    for (size_t i = 0; i < s->n; i++) s->sorted[i] = fabsf(s->sorted[i]);
    qsort(s->sorted, s->n, sizeof *s->sorted, ascending);
    float most = quantile(s->sorted, s->n, s->cfg.threshold_ratio);
    float limit = fminf(fmaxf(most, 1.0f), (float)s->cfg.threshold_max);
    s->v->ops->clip(s->v->ctx, clean, limit, s->n);
    df_divide(s, clean, clean, NULL, limit);
    return DF_OK;
}

df_code df_clean_limit(df_sampler *s, float *clean, df_err *err) {
    if (s->cfg.thresholding) return df_clean_threshold(s, clean, err);
    df_clean_clip(s, clean);
    return DF_OK;
}
