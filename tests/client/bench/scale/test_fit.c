/* Laws of scaling: known ones are found again, bounds hold, what cannot be fitted is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "client/bench/scale/fit.h"

enum { N = 6 };

static void rates_of(df_scaling_point p[N], const df_scaling *s, const double *ns) {
    for (int i = 0; i < N; i++) p[i] = (df_scaling_point) { ns[i], df_scaling_rate(s, ns[i]) };
}

static df_scaling fitted(df_law law, const df_scaling_point *p, int n) {
    df_scaling s;
    df_err err = { 0 };
    if (df_scaling_fit(&s, law, p, n, &err)) fail_msg("%s", err.text);
    return s;
}

static void near(double got, double want, double bound) {
    if (!(fabs(got - want) <= bound)) fail_msg("%.9g is not %.9g", got, want);
}

static const double few[N] = { 1, 2, 3, 4, 6, 8 }, many[N] = { 4, 16, 64, 256, 512, 1000 };

static void a_known_law_is_found_again(void **state) {
    (void)state;
    const df_scaling known[] = { { .law = DF_LAW_USL, .lambda = 3.5, .sigma = 0.03, .kappa = 1e-4 },
                                 { .law = DF_LAW_USL, .lambda = 1e-3, .sigma = 0.5, .kappa = 0.01 },
                                 { .law = DF_LAW_USL, .lambda = 900, .sigma = 0, .kappa = 2e-6 },
                                 { .law = DF_LAW_AMDAHL, .lambda = 12, .sigma = 0.002 },
                                 { .law = DF_LAW_AMDAHL, .lambda = 12, .sigma = 0 },
                                 { .law = DF_LAW_AMDAHL, .lambda = 12, .sigma = 1 } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (int far = 0; far < 2; far++) {
            df_scaling_point p[N];
            rates_of(p, &known[i], far ? many : few);
            for (int law = known[i].law; law <= DF_LAW_USL; law++) { /* Amdahl is a USL, too */
                df_scaling s = fitted((df_law)law, p, N);
                near(s.lambda / known[i].lambda, 1, 1e-6);
                near(s.sigma, known[i].sigma, 1e-6);
                near(s.kappa, known[i].kappa, 1e-8);
                near(s.rms, 0, 1e-6);
            }
        }
}

static void noise_moves_it_little(void **state) {
    (void)state;
    const df_scaling known = { .law = DF_LAW_USL, .lambda = 10, .sigma = 0.05, .kappa = 1e-3 };
    df_scaling_point p[N];
    rates_of(p, &known, few);
    for (int i = 0; i < N; i++) p[i].rate *= i % 2 ? 1.01 : 0.99;
    df_scaling s = fitted(DF_LAW_USL, p, N);
    near(s.rms, 0.01, 0.004);
    near(df_scaling_rate(&s, 8) / df_scaling_rate(&known, 8), 1, 0.02);
}

/* More than linear, and worse than one at a time: the best of what is allowed, not nonsense. */
static void bounds_hold(void **state) {
    (void)state;
    const df_scaling_point more[] = { { 1, 1 }, { 2, 2.2 }, { 4, 4.6 } }, less[] = { { 1, 1 }, { 2, 0.8 }, { 4, 0.7 } };
    df_scaling s = fitted(DF_LAW_USL, more, 3);
    assert_true(s.sigma == 0 && s.kappa == 0 && s.lambda > 1 && s.lambda < 1.2);
    s = fitted(DF_LAW_AMDAHL, less, 3);
    assert_true(s.sigma == 1 && s.lambda > 0.7 && s.lambda < 1);
    s = fitted(DF_LAW_USL, less, 3);
    assert_true(s.sigma >= 0 && s.sigma <= 1 && s.kappa >= 0);
}

/* No law within bounds nearby is better. */
static void it_is_the_least(void **state) {
    (void)state;
    const df_scaling_point p[] = { { 1, 5.1 }, { 2, 9.4 }, { 3, 13.9 }, { 4, 15.2 }, { 8, 22 } };
    const int n = sizeof p / sizeof *p;
    df_scaling best = fitted(DF_LAW_USL, p, n);
    for (int i = 0; i < 27; i++) {
        df_scaling s = best;
        double sum = 0;
        s.lambda *= 1 + 0.001 * (i % 3 - 1);
        s.sigma = fmax(0, s.sigma + 1e-4 * (i / 3 % 3 - 1));
        s.kappa = fmax(0, s.kappa + 1e-5 * (i / 9 - 1));
        for (int k = 0; k < n; k++) sum += pow(1 - p[k].rate / df_scaling_rate(&s, p[k].n), 2);
        assert_true(sqrt(sum / n) >= best.rms - 1e-12);
    }
}

static void the_peak(void **state) {
    (void)state;
    const df_scaling s = { .law = DF_LAW_USL, .lambda = 1, .sigma = 0.02, .kappa = 0.0002 },
                     amdahl = { .lambda = 1, .sigma = 0.1 }, serial = { .lambda = 1, .sigma = 1, .kappa = 0.1 };
    near(df_scaling_peak(&s), 70, 1e-9);
    assert_true(df_scaling_rate(&s, 70) > df_scaling_rate(&s, 69) && df_scaling_rate(&s, 70) > df_scaling_rate(&s, 71));
    assert_true(isinf(df_scaling_peak(&amdahl)));
    near(df_scaling_peak(&serial), 1, 0);
}

static void what_cannot_be_fitted_is_refused(void **state) {
    (void)state;
    static const struct {
        df_scaling_point p[3];
        int n;
        df_law law;
        const char *says;
    } bad[] = { { { { 1, 1 }, { 2, 2 } }, 2, DF_LAW_USL, "USL needs 3 different numbers of workers, there are 2" },
                { { { 1, 1 }, { 2, 2 }, { 2, 2.1 } }, 3, DF_LAW_USL, "there are 2" },
                { { { 2, 1 }, { 2, 1 } }, 2, DF_LAW_AMDAHL, "Amdahl needs 2" },
                { { { 1, 1 } }, 0, DF_LAW_AMDAHL, "there are 0" },
                { { { 1, 1 }, { 2, 0 }, { 3, 2 } }, 3, DF_LAW_USL, "2 workers, 0 pictures/s" },
                { { { 1, 1 }, { 2, NAN }, { 3, 2 } }, 3, DF_LAW_USL, "2 workers, nan" },
                { { { 1, 1 }, { 2, 2 }, { INFINITY, 2 } }, 3, DF_LAW_USL, "inf workers" },
                { { { 0.5, 1 }, { 2, 2 }, { 3, 2 } }, 3, DF_LAW_USL, "0.5 workers" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        df_scaling s;
        df_err err = { 0 };
        assert_int_equal(df_scaling_fit(&s, bad[i].law, bad[i].p, bad[i].n, &err), DF_EINVAL);
        if (!strstr(err.text, bad[i].says)) fail_msg("'%s' does not say '%s'", err.text, bad[i].says);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_law_is_found_again),
        cmocka_unit_test(noise_moves_it_little),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(it_is_the_least),
        cmocka_unit_test(the_peak),
        cmocka_unit_test(what_cannot_be_fitted_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
