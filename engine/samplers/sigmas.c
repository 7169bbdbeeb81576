#include "engine/samplers/sigmas.h"

#include <math.h>

#include "engine/samplers/beta_quantile.h"
#include "engine/samplers/spacing.h"

float df_sigma_of(float abar) {
    return sqrtf((1.0f - abar) / abar);
}

double df_sigma_at(const float *abar, int n, double t) {
    if (t <= 0) return df_sigma_of(abar[0]);
    if (t >= n - 1) return df_sigma_of(abar[n - 1]);
    int i = (int)t;
    double low = df_sigma_of(abar[i]), high = df_sigma_of(abar[i + 1]);
    return (high - low) * (t - i) + low;
}

/* Largest i <= n - 2 whose sigma does not exceed `log_sigma`; the table rises. */
static int bracket(const float *abar, int n, double log_sigma) {
    int low = 0, high = n - 1;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (log_sigma >= (double)logf(df_sigma_of(abar[middle])))
            low = middle;
        else
            high = middle;
    }
    return low;
}

double df_sigma_to_timestep(const float *abar, int n, double sigma) {
    if (n < 2) return 0;
    double log_sigma = log(fmax(sigma, 1e-10));
    int i = bracket(abar, n, log_sigma);
    float low = logf(df_sigma_of(abar[i])), high = logf(df_sigma_of(abar[i + 1]));
    double w = ((double)low - log_sigma) / (double)(low - high);
    w = fmin(fmax(w, 0), 1);
    return (1 - w) * i + w * (i + 1);
}

static double karras_at(double min, double max, int n_steps, int i) {
    static const double rho = 7;
    double near = pow(min, 1 / rho), far = pow(max, 1 / rho);
    return pow(far + df_linspace_at(0, 1, n_steps, i) * (near - far), rho);
}

static double beta_at(double min, double max, int n_steps, int i) {
    static const double shape = 0.6;
    return min + df_beta_quantile(1 - df_linspace_at(0, 1, n_steps, i), shape, shape) * (max - min);
}

void df_sigmas_spaced(df_sigma_spacing kind, double min, double max, int n_steps, double *out) {
    for (int i = 0; i < n_steps; i++)
        out[i] = kind == DF_SIGMAS_KARRAS ? karras_at(min, max, n_steps, i)
                 : kind == DF_SIGMAS_BETA ? beta_at(min, max, n_steps, i)
                                          : exp(df_linspace_at(log(max), log(min), n_steps, i));
}
