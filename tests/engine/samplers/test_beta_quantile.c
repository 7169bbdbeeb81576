#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/samplers/beta_quantile.h"

static void beta_quantiles(void **state) {
    (void)state;
    for (int i = 0; i <= 20; i++) {
        double p = i / 20.0;
        assert_true(fabs(df_beta_quantile(p, 1, 1) - p) < 1e-12);
        assert_true(fabs(df_beta_quantile(p, 2, 1) - sqrt(p)) < 1e-12);
        assert_true(fabs(df_beta_quantile(p, 0.5, 0.5) - pow(sin(p * acos(-1.0) / 2), 2)) < 1e-12); /* arcsine law */
        assert_true(fabs(df_beta_quantile(p, 0.6, 0.6) + df_beta_quantile(1 - p, 0.6, 0.6) - 1) < 1e-12);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beta_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
