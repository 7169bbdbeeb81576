#include "client/eval/guidance.h"

#include <math.h>

/* Divides by n - 1, as torch.std does. */
static double deviation(const float *x, size_t n) {
    double mean = 0, sum = 0;
    for (size_t i = 0; i < n; i++) mean += x[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (double)(n - 1));
}

void df_guidance_rescale(float *out, const float *cond, double amount, size_t n) {
    if (n < 2 || amount == 0) return;
    float factor = (float)(deviation(cond, n) / deviation(out, n));
    for (size_t i = 0; i < n; i++) out[i] = (float)amount * (out[i] * factor) + (float)(1 - amount) * out[i];
}
