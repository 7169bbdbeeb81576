#include "engine/samplers/beta_quantile.h"

#include <math.h>

/* The continued fraction from its tail; 60 terms are far more than f64 needs for x below the mean. */
static double fraction(double x, double a, double b) {
    double f = 0;
    for (int m = 60; m >= 1; m--) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m - 1) * (a + b + m - 1) * x / ((a + 2 * m - 2) * (a + 2 * m - 1));
        f = odd / (1 + even / (1 + f));
    }
    return 1 / (1 + f);
}

static double below_mean(double x, double a, double b) {
    double log_beta = lgamma(a) + lgamma(b) - lgamma(a + b);
    return x <= 0 ? 0 : exp(a * log(x) + b * log1p(-x) - log_beta) / a * fraction(x, a, b);
}

static double cumulative(double x, double a, double b) {
    return x <= a / (a + b) ? below_mean(x, a, b) : 1 - below_mean(1 - x, b, a);
}

double df_beta_quantile(double p, double a, double b) {
    double low = 0, high = 1;
    if (p <= 0) return 0;
    if (p >= 1) return 1;
    for (int i = 0; i < 100; i++) {
        double middle = low + (high - low) / 2;
        if (cumulative(middle, a, b) < p)
            low = middle;
        else
            high = middle;
    }
    return low + (high - low) / 2;
}
