/* Laws of scaling, fitted to measured throughput.
 *
 *   df_scaling_fit(&law, DF_LAW_USL, points, n, &err);      df_scaling_rate(&law, 64)
 *
 * Amdahl 1967:      X(n) = lambda n / (1 + sigma (n - 1))
 * USL, Gunther 2007 X(n) = lambda n / (1 + sigma (n - 1) + kappa n (n - 1))   ("Guerrilla Capacity Planning", chapter
 * 5)
 *
 * n workers do X of what one would do lambda of alone; sigma is the share of the work that only one can do at a time
 * (contention), kappa what they pay for agreeing in pairs (coherency). lambda > 0, 0 <= sigma <= 1, kappa >= 0.
 *
 * Least squares of the relative error to first order: the sum over points of (1 - x_i/X(n_i))^2 is quadratic in
 * a = 1/lambda, b = sigma/lambda, c = kappa/lambda, so that the best (a, b, c) within bounds is found exactly.
 * Threads: pure functions. */
#ifndef DF_CLIENT_BENCH_SCALE_FIT_H
#define DF_CLIENT_BENCH_SCALE_FIT_H

#include "base/err.h"

typedef enum df_law { DF_LAW_AMDAHL, DF_LAW_USL } df_law;

typedef struct df_scaling_point {
    double n; /* workers, 1 or more */
    double rate; /* above 0 */
} df_scaling_point;

typedef struct df_scaling {
    df_law law;
    double lambda, sigma, kappa; /* kappa 0 with Amdahl */
    double rms; /* of the relative errors at the points */
} df_scaling;

const char *df_law_name(df_law law); /* "Amdahl", "USL" */

/* DF_EINVAL for a point that is out of range, and for fewer different n than the law has parameters (2, 3). */
df_code df_scaling_fit(df_scaling *out, df_law law, const df_scaling_point *points, int n_points, df_err *err);

double df_scaling_rate(const df_scaling *s, double n);

/* Where the rate is greatest: more workers are slower. Infinite where there is no such place. */
double df_scaling_peak(const df_scaling *s);

#endif
