#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cluster/cost_cache.h"
#include "tests/support/golden.h"

#define KEY "cpu F32, 1 threads"

static df_cost_cache *open_cache(const char *dir, const char *key, df_err *flaw) {
    df_cost_cache *c = NULL;
    df_err err;
    if (df_cost_cache_open(&c, dir, key, flaw, &err)) fail_msg("%s", err.text);
    return c;
}

static void save_one(const char *dir, const char *key, const char *signature, double seconds) {
    df_err flaw, err;
    df_cost_cache *c = open_cache(dir, key, &flaw);
    assert_int_equal(df_cost_cache_put(c, signature, seconds, NULL), DF_OK);
    if (df_cost_cache_save(c, &err)) fail_msg("%s", err.text);
    df_cost_cache_close(&c);
}

static double find_one(const char *dir, const char *key, const char *signature, df_code *flaw) {
    df_err why;
    df_cost_cache *c = open_cache(dir, key, &why);
    double seconds = df_cost_cache_find(c, signature);
    *flaw = why.code;
    df_cost_cache_close(&c);
    return seconds;
}

static void test_what_was_put_is_found(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    df_code flaw;
    assert_true(find_one(dir, KEY, "linear", &flaw) < 0);
    assert_int_equal(flaw, DF_OK);
    save_one(dir, KEY, "linear", 0.25);
    save_one(dir, KEY, "conv2d", 1e-6);
    save_one(dir, "another", "linear", 4);
    assert_true(find_one(dir, KEY, "linear", &flaw) == 0.25);
    assert_true(find_one(dir, KEY, "conv2d", &flaw) == 1e-6);
    assert_true(find_one(dir, "another", "linear", &flaw) == 4);
    assert_true(find_one(dir, "another", "conv2d", &flaw) < 0);
    assert_int_equal(flaw, DF_OK);
}

static void test_no_folder_keeps_nothing(void **state) {
    (void)state;
    df_err flaw;
    df_cost_cache *c = open_cache(NULL, KEY, &flaw);
    assert_int_equal(df_cost_cache_put(c, "linear", 1, NULL), DF_OK);
    assert_int_equal(df_cost_cache_save(c, NULL), DF_OK);
    assert_true(df_cost_cache_find(c, "linear") == 1);
    df_cost_cache_close(&c);
}

static void test_what_is_no_time_is_refused(void **state) {
    (void)state;
    static const double bad[] = { 0, -1, 1e9, 0.0 / 0.0, 1 / 0.0 };
    df_err flaw;
    df_cost_cache *c = open_cache(NULL, KEY, &flaw);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(df_cost_cache_put(c, "linear", bad[i], NULL), DF_EINVAL);
    df_cost_cache_close(&c);
}

static void file_of(const char *dir, char *path, size_t bytes) {
    DIR *d = opendir(dir);
    path[0] = '\0';
    for (const struct dirent *e; (e = readdir(d));)
        if (strstr(e->d_name, "costs-") == e->d_name) snprintf(path, bytes, "%s/%s", dir, e->d_name);
    closedir(d);
    assert_true(path[0]);
}

/* A file that says anything else than it should is one that is not there, and why can be told; then it is made anew. */
static void test_a_bad_file_is_not_believed(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"diffarm_node_costs\": 2, \"key\": \"" KEY "\", \"seconds\": {}}",
        "{\"diffarm_node_costs\": 1, \"key\": \"another\", \"seconds\": {\"linear\": 1}}",
        "{\"diffarm_node_costs\": 1, \"key\": 7, \"seconds\": {\"linear\": 1}}",
        "{\"diffarm_node_costs\": 1, \"key\": \"" KEY "\", \"seconds\": [1]}",
        "{\"diffarm_node_costs\": 1, \"key\": \"" KEY "\"}",
        "{\"diffarm_node_costs\": 1, \"key\": \"" KEY "\", \"seconds\": {\"linear\": 0}}",
        "{\"diffarm_node_costs\": 1, \"key\": \"" KEY "\", \"seconds\": {\"linear\": 1, \"conv2d\": -1}}",
        "{\"diffarm_node_costs\": 1, \"key\": \"" KEY "\", \"seconds\": {\"linear\": 1e300}}",
        "{\"diffarm_node_costs\": 1, \"key\": \"" KEY "\", \"seconds\": {\"linear\": NaN}}",
        "{\"diffarm_node_costs\": 1, \"key\": \"" KEY "\", \"seconds\": {\"linear\": \"1\"}}",
    };
    const char *dir = golden_temp_dir();
    char path[1024];
    save_one(dir, KEY, "linear", 0.5);
    file_of(dir, path, sizeof path);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        df_code flaw;
        assert_int_equal(df_file_write(path, bad[i], strlen(bad[i]), NULL), DF_OK);
        if (find_one(dir, KEY, "linear", &flaw) >= 0) fail_msg("%s was believed", bad[i]);
        if (!flaw) fail_msg("nobody is told of %s", bad[i]);
        save_one(dir, KEY, "linear", 0.5);
        assert_true(find_one(dir, KEY, "linear", &flaw) == 0.5);
        assert_int_equal(flaw, DF_OK);
    }
}

static void test_errors_are_told(void **state) {
    (void)state;
    char deep[5000];
    df_err flaw, err;
    df_cost_cache *c = NULL;
    memset(deep, 'x', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    assert_int_equal(df_cost_cache_open(&c, deep, KEY, &flaw, &err), DF_ELIMIT);
    assert_null(c);
    c = open_cache("/dev/null/costs", KEY, &flaw);
    assert_int_equal(df_cost_cache_put(c, "linear", 1, NULL), DF_OK);
    assert_int_not_equal(df_cost_cache_save(c, &err), DF_OK);
    df_cost_cache_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_put_is_found),
        cmocka_unit_test(test_no_folder_keeps_nothing),
        cmocka_unit_test(test_what_is_no_time_is_refused),
        cmocka_unit_test(test_a_bad_file_is_not_believed),
        cmocka_unit_test(test_errors_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
