#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "cluster/hop.h"

static void test_names_and_rates(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double latency, rate;
    } cases[] = {
        { "10GbE", 25e-6, 1.15e9 },      { "10gbe,5us", 5e-6, 1.15e9 }, { "IB-HDR", 2e-6, 24e9 },
        { "12Gb/s,3ms", 3e-3, 1.5e9 },   { "1.5GB/s", 0, 1.5e9 },       { "800Mb/s,500ns", 5e-7, 1e8 },
        { "NVLink,0.5us", 5e-7, 350e9 }, { "2MB/s,1s", 1, 2e6 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        df_hop hop;
        df_err err;
        if (df_hop_parse(&hop, cases[i].text, &err)) fail_msg("%s", err.text);
        assert_float_equal(hop.latency_seconds, cases[i].latency, 1e-12);
        assert_float_equal(hop.bytes_per_second, cases[i].rate, 1);
    }
}

static void test_nonsense_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = { "",        "40GbE",   "10GbE,", "10GbE,5",   "10GbE,5us,1",
                                         "10 Gb/s", "-1Gb/s",  "0Gb/s",  "nanGB/s",   "1e400GB/s",
                                         "10GbE,x", "infGB/s", "10G",    "10GbE,-5us" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        df_hop hop;
        df_err err;
        if (df_hop_parse(&hop, texts[i], &err) != DF_EINVAL) fail_msg("'%s' passes", texts[i]);
        assert_non_null(strstr(err.text, "IB-HDR"));
    }
}

static void test_one_pair_has_its_own(void **state) {
    (void)state;
    df_hops h;
    df_err err;
    assert_int_equal(df_hops_open(&h, 3, &err), DF_OK);
    assert_true(isinf(df_hops_between(&h, 0, 1)->bytes_per_second));
    assert_int_equal(df_hops_set(&h, "1GbE", &err), DF_OK);
    assert_int_equal(df_hops_set(&h, "1-2=NVLink", &err), DF_OK);
    assert_float_equal(df_hops_between(&h, 2, 1)->bytes_per_second, 350e9, 1);
    assert_float_equal(df_hops_between(&h, 1, 2)->bytes_per_second, 350e9, 1);
    assert_float_equal(df_hops_between(&h, 0, 2)->bytes_per_second, 0.117e9, 1);
    assert_float_equal(df_hop_seconds(df_hops_between(&h, 0, 2), 117e6), 1 + 50e-6, 1e-9);
    assert_int_equal(df_hops_set(&h, "1-3=NVLink", &err), DF_EINVAL);
    assert_int_equal(df_hops_set(&h, "1-1=NVLink", &err), DF_EINVAL);
    assert_int_equal(df_hops_set(&h, "1-=NVLink", &err), DF_EINVAL);
    assert_int_equal(df_hops_set(&h, "99999999999999999999-0=NVLink", &err), DF_EINVAL);
    df_hops_close(&h);
}

/* What was measured twice, a little different, is the same; nothing is more than a tenth off. */
static void test_rounding(void **state) {
    (void)state;
    df_hops h;
    df_err err;
    assert_int_equal(df_hops_open(&h, 2, &err), DF_OK);
    for (double rate = 1e6; rate < 1e12; rate *= 1.07) {
        h.between[1] = (df_hop) { 1e-6, rate };
        df_hops_round(&h);
        double rounded = h.between[1].bytes_per_second;
        assert_true(rounded / rate > 0.9 && rounded / rate < 1.1);
        df_hops_round(&h);
        assert_true(h.between[1].bytes_per_second == rounded);
        assert_true(h.between[1].latency_seconds == 1e-6);
    }
    assert_true(isinf(h.between[2].bytes_per_second));
    df_hops_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_rates),
        cmocka_unit_test(test_nonsense_is_refused),
        cmocka_unit_test(test_one_pair_has_its_own),
        cmocka_unit_test(test_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
