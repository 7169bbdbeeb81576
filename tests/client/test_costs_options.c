#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "client/costs_options.h"

static df_costs_options parse(char **argv) {
    df_costs_options o;
    int argc = 0;
    while (argv[argc]) argc++;
    df_costs_options_init(&o, DF_COSTS_MEASURED);
    assert_int_equal(argp_parse(&df_costs_argp, argc, argv, ARGP_NO_EXIT, NULL, &o), 0);
    return o;
}

static void test_where_costs_are_kept(void **state) {
    (void)state;
    char *none[] = { (char *)"diffarm", NULL };
    char *told[] = { (char *)"diffarm", (char *)"--plan-cache", (char *)"here", NULL };
    setenv("HOME", "/home/somebody", 1);
    setenv("XDG_CACHE_HOME", "/var/cache/somebody", 1);
    assert_string_equal(parse(none).dir, "/var/cache/somebody/diffarm");
    setenv("XDG_CACHE_HOME", "relative", 1); /* the standard says to ignore such */
    assert_string_equal(parse(none).dir, "/home/somebody/.cache/diffarm");
    unsetenv("XDG_CACHE_HOME");
    assert_string_equal(parse(none).dir, "/home/somebody/.cache/diffarm");
    assert_string_equal(parse(told).dir, "here");
}

/* Without a place to keep them they are modelled, unless somebody asks. */
static void test_no_place(void **state) {
    (void)state;
    char *none[] = { (char *)"diffarm", NULL };
    char *told[] = { (char *)"diffarm", (char *)"--plan-costs", (char *)"measured", NULL };
    unsetenv("HOME");
    unsetenv("XDG_CACHE_HOME");
    df_costs_options o = parse(none);
    assert_int_equal(df_costs_options_cfg(&o).mode, DF_COSTS_MODELLED);
    assert_null(df_costs_options_cfg(&o).dir);
    o = parse(told);
    assert_int_equal(df_costs_options_cfg(&o).mode, DF_COSTS_MEASURED);
    assert_null(df_costs_options_cfg(&o).dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_costs_are_kept),
        cmocka_unit_test(test_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
