#include "engine/samplers/betas.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* torch.linspace in f32: counted from the nearer end, so that both ends are exact; one rounding each, as its build
 * fuses the product and the sum. */
static float linspace_at(float first, float last, int n, int i) {
    if (n == 1) return first;
    float step = (last - first) / (float)(n - 1);
    return i < n / 2 ? fmaf(step, (float)i, first) : fmaf(-step, (float)(n - 1 - i), last);
}

static double cosine_alpha_bar(double t) {
    double c = cos((t + 0.008) / 1.008 * pi / 2);
    return c * c;
}

static float beta_at(const df_scheduler *s, int i) {
    int n = s->n_train_timesteps;
    switch (s->beta_schedule) {
    case DF_BETA_LINEAR: return linspace_at((float)s->beta_start, (float)s->beta_end, n, i);
    case DF_BETA_SCALED_LINEAR: {
        float root = linspace_at((float)sqrt(s->beta_start), (float)sqrt(s->beta_end), n, i);
        return root * root;
    }
    case DF_BETA_SQUAREDCOS:
        return (float)fmin(1 - cosine_alpha_bar((i + 1.0) / n) / cosine_alpha_bar((double)i / n), 0.999);
    }
    return 0;
}

/* Shifts and scales sqrt(abar) so that its last value is 0 and its first stays. */
static void rescale_to_zero_snr(float *betas, int n) {
    float *root = betas;
    df_betas_cumprod(betas, n, root);
    for (int i = 0; i < n; i++) root[i] = sqrtf(root[i]);
    float first = root[0], last = root[n - 1];
    float previous = 0;
    for (int i = 0; i < n; i++) {
        float scaled = (root[i] - last) * (first / (first - last));
        float abar = scaled * scaled;
        betas[i] = 1.0f - (i ? abar / previous : abar);
        previous = abar;
    }
}

void df_betas_fill(const df_scheduler *s, float *betas) {
    for (int i = 0; i < s->n_train_timesteps; i++) betas[i] = beta_at(s, i);
    if (s->rescale_zero_snr) rescale_to_zero_snr(betas, s->n_train_timesteps);
}

void df_betas_cumprod(const float *betas, int n, float *abar) {
    double product = 1; /* torch.cumprod keeps f32's running product in f64 */
    for (int i = 0; i < n; i++) {
        product *= (double)(1.0f - betas[i]);
        abar[i] = (float)product;
    }
}
