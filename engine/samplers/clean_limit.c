#include "engine/samplers/clean_limit.h"

#include <math.h>
#include <stdlib.h>

static void clamp_all(float *x, size_t n, float limit) {
    for (size_t i = 0; i < n; i++) x[i] = fminf(fmaxf(x[i], -limit), limit);
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* torch.quantile, linear between the two nearest ranks. sorted [n], n > 0. */
static float quantile(const float *sorted, size_t n, double q) {
    float rank = (float)q * (float)(n - 1);
    size_t below = (size_t)rank, above = below + 1 < n ? below + 1 : n - 1;
    float weight = rank - (float)below;
    return sorted[below] + weight * (sorted[above] - sorted[below]);
}

void df_clean_clip(const df_scheduler *s, float *clean, size_t n) {
    if (s->clip_sample) clamp_all(clean, n, (float)s->clip_sample_range);
}

void df_clean_threshold(const df_scheduler *s, float *clean, size_t n, float *scratch) {
    if (!s->thresholding || !n) return;
    for (size_t i = 0; i < n; i++) scratch[i] = fabsf(clean[i]);
    qsort(scratch, n, sizeof *scratch, ascending);
    float limit = fminf(fmaxf(quantile(scratch, n, s->threshold_ratio), 1.0f), (float)s->threshold_max);
    clamp_all(clean, n, limit);
    for (size_t i = 0; i < n; i++) clean[i] /= limit;
}

void df_clean_limit(const df_scheduler *s, float *clean, size_t n, float *scratch) {
    if (s->thresholding)
        df_clean_threshold(s, clean, n, scratch);
    else
        df_clean_clip(s, clean, n);
}
