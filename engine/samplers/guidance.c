#include "engine/samplers/guidance.h"

#include <math.h>

void df_guidance(const float *cond, const float *uncond, float scale, float *out, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = uncond[i] + scale * (cond[i] - uncond[i]);
}

/* Divides by n - 1, as torch.std does. */
static double deviation(const float *x, size_t n) {
    double mean = 0, sum = 0;
    for (size_t i = 0; i < n; i++) mean += (double)x[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sqrt(sum / (double)(n - 1));
}

void df_guidance_rescale(float *out, const float *cond, double amount, size_t n) {
    if (n < 2 || amount == 0) return;
    double spread = deviation(out, n);
    if (!(spread > 0)) return; /* a flat output has no spread to bring back */
    float factor = (float)(deviation(cond, n) / spread), mix = (float)amount;
    for (size_t i = 0; i < n; i++) out[i] = mix * (out[i] * factor) + (1.0f - mix) * out[i];
}
