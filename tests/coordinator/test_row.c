#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/png_check.h"
#include "coordinator/row.h"
#include "tests/coordinator/bench.h"

static void names_that_stay_in_out_are_taken(void **state) {
    (void)state;
    static const char *const good[] = {
        "a",     "cats/0001",          "a b/c d",        "gr\xc3\xbcn", "images/cat", "images/000000/cat",
        "x.png", "deep/er/and/deeper", "metadata.jsonl", "a..b",        "shard"
    };
    df_err err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (df_row_check_name(good[i], &err)) fail_msg("%s: %s", good[i], err.text);
}

static void hostile_names_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "/etc/passwd",
        "..",
        "../x",
        "a/../../x",
        "a//b",
        "a/",
        "/",
        ".",
        "./a",
        "a/.",
        ".hidden",
        "a/.diffarm",
        ".diffarm/job",
        "a\nb",
        "a\x7f",
        "\xff",
        "a\\b",
        "a.png/b",
        "metadata.jsonl/x",
        "job.json/x",
        "runs.jsonl/x",
        "shard-000000.tar/x",
        "images/000000/00000001",
        "images/000012/000123456",
    };
    df_err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (df_row_check_name(bad[i], &err) != DF_EINVAL) fail_msg("\"%s\" was taken", bad[i]);
        assert_true(err.text[0]);
    }
    char *longer = calloc(1, 3000);
    memset(longer, 'a', 201);
    assert_int_equal(df_row_check_name(longer, &err), DF_EINVAL);
    longer[200] = '\0';
    assert_int_equal(df_row_check_name(longer, &err), DF_OK);
    for (int i = 0; i < 1025; i++) longer[i] = i % 2 ? '/' : 'a';
    assert_int_equal(df_row_check_name(longer, &err), DF_EINVAL);
    free(longer);
}

static void paths_are_numbered_or_named(void **state) {
    (void)state;
    char path[DF_ROW_PATH_BYTES];
    assert_string_equal(df_row_path(path, 0, ""), "images/000000/00000000.png");
    assert_string_equal(df_row_path(path, 1234567, ""), "images/001234/01234567.png");
    assert_string_equal(df_row_path(path, 7, "cats/7"), "cats/7.png");
}

typedef void (*spoil_fn)(Diffarm__Row *row);
static void spoil_size(Diffarm__Row *r) {
    r->width = 0;
}
static void spoil_side(Diffarm__Row *r) {
    r->height = 1u << 31;
}
static void spoil_steps(Diffarm__Row *r) {
    r->steps = 0;
}
static void spoil_guidance(Diffarm__Row *r) {
    r->guidance = NAN;
}
static void spoil_seed(Diffarm__Row *r) {
    r->seed = UINT64_MAX;
}
static void spoil_prompt(Diffarm__Row *r) {
    r->prompt = (char *)"\xc3\x28";
}
static void spoil_row(Diffarm__Row *r) {
    r->row = UINT64_MAX;
}

static void impossible_rows_are_refused_with_their_line(void **state) {
    (void)state;
    static const spoil_fn spoil[] = { spoil_size, spoil_side,   spoil_steps, spoil_guidance,
                                      spoil_seed, spoil_prompt, spoil_row };
    Diffarm__Row wire;
    df_row row;
    df_err err;
    bench_row(&wire, 4);
    assert_int_equal(df_row_from_wire(&row, &wire, &err), DF_OK);
    for (size_t i = 0; i < sizeof spoil / sizeof *spoil; i++) {
        bench_row(&wire, 4);
        spoil[i](&wire);
        assert_int_equal(df_row_from_wire(&row, &wire, &err), DF_EINVAL);
        assert_memory_equal(err.text, "line 5: ", 8);
    }
}

static void only_a_png_of_the_right_size_passes(void **state) {
    (void)state;
    uint8_t png[BENCH_PNG_BYTES];
    df_err err;
    bench_png(png, 1, 512, 768);
    assert_int_equal(df_png_check(png, sizeof png, 512, 768, &err), DF_OK);
    assert_int_equal(df_png_check(png, sizeof png, 768, 512, &err), DF_EFORMAT);
    assert_non_null(strstr(err.text, "512x768"));
    assert_int_equal(df_png_check(png, 20, 512, 768, &err), DF_EFORMAT);
    assert_int_equal(df_png_check(NULL, 0, 512, 768, &err), DF_EFORMAT);
    png[1] = 'J';
    assert_int_equal(df_png_check(png, sizeof png, 512, 768, &err), DF_EFORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_stay_in_out_are_taken),
        cmocka_unit_test(hostile_names_are_refused),
        cmocka_unit_test(paths_are_numbered_or_named),
        cmocka_unit_test(impossible_rows_are_refused_with_their_line),
        cmocka_unit_test(only_a_png_of_the_right_size_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
