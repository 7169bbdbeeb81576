#include "client/bench/scale/fit.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { MOST = 3 }; /* parameters */

/* The sum of squares as a quadratic form: t of the matrix, r of the right side, one of the rest. */
typedef struct squares {
    double t[MOST][MOST], r[MOST], rest;
} squares;

const char *df_law_name(df_law law) {
    return law == DF_LAW_USL ? "USL" : "Amdahl";
}

double df_scaling_rate(const df_scaling *s, double n) {
    return s->lambda * n / (1 + s->sigma * (n - 1) + s->kappa * n * (n - 1));
}

double df_scaling_peak(const df_scaling *s) {
    if (!(s->kappa > 0)) return INFINITY;
    return s->sigma < 1 ? fmax(1, sqrt((1 - s->sigma) / s->kappa)) : 1;
}

static int count_different(const df_scaling_point *p, int n_points) {
    int n = 0;
    for (int i = 0; i < n_points; i++) {
        bool seen = false;
        for (int k = 0; k < i; k++) seen |= p[k].n == p[i].n;
        n += !seen;
    }
    return n;
}

static df_code check(df_law law, const df_scaling_point *p, int n_points, df_err *err) {
    int needed = law == DF_LAW_USL ? 3 : 2, different = count_different(p, n_points);
    for (int i = 0; i < n_points; i++)
        if (!(p[i].n >= 1) || !isfinite(p[i].n) || !(p[i].rate > 0) || !isfinite(p[i].rate))
            return df_err_set(err, DF_EINVAL, "%g workers, %g pictures/s: a fit needs 1 or more, and a rate above 0",
                              p[i].n, p[i].rate);
    if (different < needed)
        return df_err_set(err, DF_EINVAL, "%s needs %d different numbers of workers, there are %d", df_law_name(law),
                          needed, different);
    return DF_OK;
}

/* 1 - x/X = 1 - x/n (a + b (n-1) + c n (n-1)): linear in the parameters. `scale` makes the columns of like size. */
static squares sum_up(const df_scaling_point *p, int n_points, const double scale[MOST]) {
    squares s = { .rest = n_points };
    for (int i = 0; i < n_points; i++) {
        double x = p[i].rate / p[i].n, n = p[i].n;
        const double row[MOST] = { x / scale[0], x * (n - 1) / scale[1], x * n * (n - 1) / scale[2] };
        for (int k = 0; k < MOST; k++) {
            s.r[k] += row[k];
            for (int l = 0; l < MOST; l++) s.t[k][l] += row[k] * row[l];
        }
    }
    return s;
}

static double value_at(const squares *s, const double v[MOST]) {
    double sum = s->rest;
    for (int k = 0; k < MOST; k++) {
        sum -= 2 * v[k] * s->r[k];
        for (int l = 0; l < MOST; l++) sum += v[k] * v[l] * s->t[k][l];
    }
    return sum > 0 ? sum : 0;
}

static void swap(double *a, double *b) {
    double kept = *a;
    *a = *b;
    *b = kept;
}

/* Brings the row with the largest pivot to k; false where there is none to speak of. */
static bool pivot(double t[MOST][MOST], double r[MOST], int k, int n) {
    int best = k;
    for (int i = k + 1; i < n; i++)
        if (fabs(t[i][k]) > fabs(t[best][k])) best = i;
    for (int l = 0; l < n; l++) swap(&t[k][l], &t[best][l]);
    swap(&r[k], &r[best]);
    return fabs(t[k][k]) > 1e-13;
}

/* Gauss; r becomes the solution. False where the equations do not tell the unknowns. */
static bool solve(double t[MOST][MOST], double r[MOST], int n) {
    for (int k = 0; k < n; k++) {
        if (!pivot(t, r, k, n)) return false;
        for (int i = k + 1; i < n; i++) {
            double f = t[i][k] / t[k][k];
            for (int l = k; l < n; l++) t[i][l] -= f * t[k][l];
            r[i] -= f * r[k];
        }
    }
    for (int k = n - 1; k >= 0; k--) {
        for (int l = k + 1; l < n; l++) r[k] -= t[k][l] * r[l];
        r[k] /= t[k][k];
    }
    return true;
}

/* The least value where some bounds hold as equations: v = basis * u, for n_free unknowns u. */
static bool least_on(const squares *s, double basis[MOST][MOST], int n_free, double v[MOST]) {
    double t[MOST][MOST] = { { 0 } }, u[MOST] = { 0 };
    for (int i = 0; i < n_free; i++)
        for (int k = 0; k < MOST; k++) {
            u[i] += basis[i][k] * s->r[k];
            for (int j = 0; j < n_free; j++)
                for (int l = 0; l < MOST; l++) t[i][j] += basis[i][k] * s->t[k][l] * basis[j][l];
        }
    if (!solve(t, u, n_free)) return false;
    for (int k = 0; k < MOST; k++) {
        v[k] = 0;
        for (int i = 0; i < n_free; i++) v[k] += u[i] * basis[i][k];
    }
    return true;
}

typedef enum sigma_is { SIGMA_FREE, SIGMA_ZERO, SIGMA_ONE, SIGMA_WAYS } sigma_is;

/* scale: of the columns, so that b = a reads v[1]/scale[1] = v[0]/scale[0]. */
static int basis_of(double basis[MOST][MOST], sigma_is way, bool kappa_free, const double scale[MOST]) {
    int n = 0;
    memset(basis, 0, MOST * sizeof *basis);
    basis[n][0] = 1;
    if (way == SIGMA_ONE) basis[n][1] = scale[1] / scale[0];
    n++;
    if (way == SIGMA_FREE) basis[n++][1] = 1;
    if (kappa_free) basis[n++][2] = 1;
    return n;
}

/* Makes it the law of parameters v, if these are within bounds and better than what it is. */
static void take_better(df_scaling *best, const squares *s, const double v[MOST], const double scale[MOST],
                        int n_points) {
    double a = v[0] / scale[0], b = v[1] / scale[1], c = v[2] / scale[2], rms = sqrt(value_at(s, v) / n_points);
    if (!(a > 0) || b < 0 || b > a * (1 + 1e-12) || c < 0 || !(rms < best->rms)) return;
    *best = (df_scaling) { .law = best->law, .lambda = 1 / a, .sigma = fmin(b / a, 1), .kappa = c / a, .rms = rms };
}

static void scales_of(double scale[MOST], const df_scaling_point *points, int n_points) {
    for (int i = 0; i < n_points; i++) {
        double x = points[i].rate / points[i].n, n = points[i].n;
        scale[0] = fmax(scale[0], x);
        scale[1] = fmax(scale[1], x * (n - 1));
        scale[2] = fmax(scale[2], x * n * (n - 1));
    }
}

/* A least value within convex bounds is the least one on the bounds that it lies on: all few combinations are tried. */
df_code df_scaling_fit(df_scaling *out, df_law law, const df_scaling_point *points, int n_points, df_err *err) {
    double scale[MOST] = { 0 };
    df_scaling best = { .law = law, .rms = INFINITY };
    df_code rc = check(law, points, n_points, err);
    if (rc) return rc;
    scales_of(scale, points, n_points);
    const squares s = sum_up(points, n_points, scale);
    for (int way = 0; way < SIGMA_WAYS; way++)
        for (int kappa_free = 0; kappa_free <= (law == DF_LAW_USL); kappa_free++) {
            double basis[MOST][MOST], v[MOST];
            int n_free = basis_of(basis, (sigma_is)way, kappa_free, scale);
            if (least_on(&s, basis, n_free, v)) take_better(&best, &s, v, scale, n_points);
        }
    if (!isfinite(best.rms)) return df_err_set(err, DF_EINVAL, "no %s goes through these points", df_law_name(law));
    *out = best;
    return DF_OK;
}
