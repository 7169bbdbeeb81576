#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "engine/config/json_config.h"
#include "tests/support/golden.h"

static json_t *parse(const char *text) {
    json_t *root = NULL;
    df_err err;
    if (df_json_parse(&root, text, strlen(text), "c.json", &err)) fail_msg("%s", err.text);
    return root;
}

static void takes_what_python_writes(void **state) {
    (void)state;
    json_t *root = parse("{\"a\": NaN, \"b\": [Infinity,-Infinity], \"c\": 1000000000000000019884624838656,\n"
                         " \"d\": \"NaN, -Infinity and 99999999999999999999\", \"e\\\"NaN\": -9223372036854775808,"
                         " \"f\": 9223372036854775807, \"g\": -99999999999999999999}");
    df_err err;
    df_config c = { .root = root, .path = "c.json", .err = &err };
    assert_true(isnan(df_config_double(&c, "a", 0)));
    assert_string_equal(df_config_array_string(&c, "b", 0), "Infinity");
    assert_string_equal(df_config_array_string(&c, "b", 1), "-Infinity");
    assert_true(df_config_double(&c, "c", 0) == 1e30);
    assert_string_equal(df_config_string(&c, "d", ""), "NaN, -Infinity and 99999999999999999999");
    assert_true(df_config_int(&c, "e\"NaN", 0, INT64_MIN, 0) == INT64_MIN);
    assert_true(df_config_int(&c, "f", 0, 0, INT64_MAX) == INT64_MAX);
    assert_true(df_config_double(&c, "g", 0) == -1e20);
    assert_int_equal(c.rc, DF_OK);
    json_decref(root);
    root = parse("[\"Infinity\"]"); /* a word in a string stays what it was */
    assert_string_equal(json_string_value(json_array_get(root, 0)), "Infinity");
    json_decref(root);
}

/* The place is that of the text as given, whatever was rewritten in front of it. */
static void names_line_and_column(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
        df_code code;
    } cases[] = {
        { "", "c.json: line 1, column 1: ", DF_EFORMAT },
        { "{\"a\": 1,\n  \"b\": x}", "c.json: line 2, column 9: ", DF_EFORMAT },
        { "{\"a\": NaN, \"n\": [Infinity, NaN],\n  \"b\": x}", "line 2, column 9: ", DF_EFORMAT },
        { "[NaN, NaN, NaN, x]", "line 1, column 18: ", DF_EFORMAT },
        { "[1000000000000000019884624838656, x]", "line 1, column 36: ", DF_EFORMAT },
        { "{\"a\": 1, \"a\": 2}", "duplicate", DF_EFORMAT },
        { "{NaN: 1}", "line 1", DF_EFORMAT },
        { "{NaN \n: 1}", "line 1", DF_EFORMAT },
        { "[NaNa]", "line 1", DF_EFORMAT },
        { "[+Infinity]", "line 1", DF_EFORMAT },
        { "[1e999]", "line 1", DF_EFORMAT },
        { "{\"a\": 1", "line 1", DF_EFORMAT },
        { "{\"a\": \"", "line 1", DF_EFORMAT },
        { "{\"a\": \"\\", "line 1", DF_EFORMAT },
        { "[1] [2]", "line 1", DF_EFORMAT },
        { "\"text\"", "line 1", DF_EFORMAT },
        { "[\"\xff\"]", "0xff", DF_EFORMAT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *root = NULL;
        df_err err;
        df_code code = df_json_parse(&root, cases[i].text, strlen(cases[i].text), "c.json", &err);
        if (code != cases[i].code || root) fail_msg("'%s': %s", cases[i].text, df_code_name(code));
        if (!strstr(err.text, cases[i].says)) fail_msg("'%s': '%s'", cases[i].text, err.text);
    }
}

static json_t *nested(int depth, df_code want) {
    df_buf b = { 0 };
    json_t *root = NULL;
    df_err err;
    for (int i = 0; i < depth; i++) df_buf_puts(&b, "[");
    for (int i = 0; i < depth; i++) df_buf_puts(&b, "]");
    assert_int_equal(df_json_parse(&root, b.data, b.len, "c.json", &err), want);
    if (want) assert_non_null(strstr(err.text, "line 1, column 129: nested too deeply"));
    df_buf_free(&b);
    return root;
}

static void limits_depth(void **state) {
    (void)state;
    json_decref(nested(DF_JSON_MAX_DEPTH, DF_OK));
    assert_null(nested(DF_JSON_MAX_DEPTH + 1, DF_ELIMIT));
    assert_null(nested(1000000, DF_ELIMIT));
    json_t *root =
        parse("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
              "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]");
    json_decref(root);
}

/* Megabytes of what is rewritten take no more than a moment: the pass is linear. */
static void takes_linear_time(void **state) {
    (void)state;
    static const char *const units[] = { "NaN          ,", "\"\\\\\\\"NaN\",", "1000000000000000019884624838656,",
                                         "Infinit," };
    for (size_t k = 0; k < 4; k++) {
        df_buf b = { 0 };
        json_t *root = NULL;
        df_buf_puts(&b, "[");
        while (b.len < 1 << 20) df_buf_puts(&b, units[k]);
        df_buf_puts(&b, "1]");
        int64_t start = df_clock_ms();
        df_code code = df_json_parse(&root, b.data, b.len, "c.json", NULL);
        assert_int_equal(code, k == 3 ? DF_EFORMAT : DF_OK);
        assert_true(df_clock_ms() - start < 2000); /* milliseconds when linear, minutes when quadratic */
        json_decref(root);
        df_buf_free(&b);
    }
}

static void getters_return_values_and_defaults(void **state) {
    (void)state;
    json_t *root = parse("{\"i\": 7, \"d\": 0.5, \"b\": true, \"s\": \"silu\", \"null\": null, \"l\": [1, 2, 3],"
                         " \"names\": [\"x\", \"y\"]}");
    df_config c = { .root = root, .path = "c.json" };
    int64_t l[3];
    assert_true(df_config_has(&c, "i"));
    assert_false(df_config_has(&c, "null"));
    assert_false(df_config_has(&c, "absent"));
    assert_int_equal(df_config_int(&c, "i", 1, 0, 9), 7);
    assert_int_equal(df_config_int(&c, "null", 4, 0, 9), 4);
    assert_int_equal(df_config_int(&c, "absent", -100, 0, 9), -100); /* a default need not be in range */
    assert_true(df_config_double(&c, "d", 1) == 0.5);
    assert_true(df_config_double(&c, "i", 1) == 7);
    assert_true(df_config_double(&c, "absent", 0.25) == 0.25);
    assert_true(df_config_bool(&c, "b", false));
    assert_true(df_config_bool(&c, "absent", true));
    assert_string_equal(df_config_string(&c, "s", "relu"), "silu");
    assert_string_equal(df_config_string(&c, "absent", "relu"), "relu");
    assert_null(df_config_string(&c, "absent", NULL));
    df_config_ints(&c, "l", l, 3, 0, 0, 9);
    assert_true(l[0] == 1 && l[1] == 2 && l[2] == 3);
    df_config_ints(&c, "i", l, 3, 0, 0, 9);
    assert_true(l[0] == 7 && l[1] == 7 && l[2] == 7);
    df_config_ints(&c, "absent", l, 3, 5, 0, 9);
    assert_true(l[0] == 5 && l[1] == 5 && l[2] == 5);
    assert_int_equal(df_config_array_len(&c, "names"), 2);
    assert_int_equal(df_config_array_len(&c, "s"), 0);
    assert_int_equal(df_config_array_len(&c, "absent"), 0);
    assert_string_equal(df_config_array_string(&c, "names", 1), "y");
    df_config_only_string(&c, "s", "silu");
    df_config_only_string(&c, "absent", "silu");
    df_config_only_string(&c, "null", "silu");
    df_config_only_bool(&c, "b", true);
    df_config_only_bool(&c, "null", false);
    df_config_only_absent(&c, "null");
    df_config_only_absent(&c, "absent");
    assert_int_equal(c.rc, DF_OK);
    json_decref(root);
}

typedef void (*ask_fn)(df_config *c);
static int64_t three[3];
static void int_of_x(df_config *c) {
    assert_int_equal(df_config_int(c, "x", 5, 0, 9), 5);
}
static void double_of_x(df_config *c) {
    assert_true(df_config_double(c, "x", 5) == 5);
}
static void bool_of_x(df_config *c) {
    assert_true(df_config_bool(c, "x", true));
}
static void string_of_x(df_config *c) {
    assert_string_equal(df_config_string(c, "x", "d"), "d");
}
static void ints_of_x(df_config *c) {
    df_config_ints(c, "x", three, 3, 5, 0, 9);
    assert_true(three[0] == 5 && three[1] == 5 && three[2] == 5);
}
static void first_of_x(df_config *c) {
    assert_string_equal(df_config_array_string(c, "x", 0), "");
}
static void only_silu(df_config *c) {
    df_config_only_string(c, "x", "silu");
}
static void only_true(df_config *c) {
    df_config_only_bool(c, "x", true);
}
static void only_absent(df_config *c) {
    df_config_only_absent(c, "x");
}

static void getters_name_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *json;
        ask_fn ask;
        df_code code;
        const char *text;
    } cases[] = {
        { "{\"x\": 10}", int_of_x, DF_EINVAL, "c.json: 'x' is 10, an integer from 0 to 9 is needed" },
        { "{\"x\": -1}", int_of_x, DF_EINVAL, "c.json: 'x' is -1, an integer from 0 to 9 is needed" },
        { "{\"x\": 4.0}", int_of_x, DF_EINVAL, "c.json: 'x' is 4.0, an integer from 0 to 9 is needed" },
        { "{\"x\": \"4\"}", int_of_x, DF_EINVAL, "c.json: 'x' is \"4\", an integer from 0 to 9 is needed" },
        { "{\"x\": true}", int_of_x, DF_EINVAL, "c.json: 'x' is true, an integer from 0 to 9 is needed" },
        { "{\"x\": \"nan\"}", double_of_x, DF_EINVAL, "c.json: 'x' is \"nan\", a number is needed" },
        { "{\"x\": 1}", bool_of_x, DF_EINVAL, "c.json: 'x' is 1, true or false is needed" },
        { "{\"x\": [1]}", string_of_x, DF_EINVAL, "c.json: 'x' is [1], a string is needed" },
        { "{\"x\": [1,2]}", ints_of_x, DF_EINVAL,
          "c.json: 'x' is [1,2], an integer from 0 to 9 or a list of 3 such is needed" },
        { "{\"x\": [1,2,10]}", ints_of_x, DF_EINVAL,
          "c.json: 'x' is [1,2,10], an integer from 0 to 9 or a list of 3 such is needed" },
        { "{\"x\": 10}", ints_of_x, DF_EINVAL,
          "c.json: 'x' is 10, an integer from 0 to 9 or a list of 3 such is needed" },
        { "{\"x\": [1]}", first_of_x, DF_EINVAL, "c.json: 'x' is [1], a string at place 0 is needed" },
        { "{\"x\": []}", first_of_x, DF_EINVAL, "c.json: 'x' is [], a string at place 0 is needed" },
        { "{}", first_of_x, DF_EINVAL, "c.json: 'x' is missing, a list of strings is needed" },
        { "{\"x\": \"mish\"}", only_silu, DF_EUNSUPPORTED, "c.json: 'x' is 'mish', only 'silu' is supported" },
        { "{\"x\": 3}", only_silu, DF_EUNSUPPORTED, "c.json: 'x' is 3, only 'silu' is supported" },
        { "{\"x\": false}", only_true, DF_EUNSUPPORTED, "c.json: 'x' is false, only true is supported" },
        { "{\"x\": 1}", only_true, DF_EUNSUPPORTED, "c.json: 'x' is 1, only true is supported" },
        { "{\"x\": \"text_time\"}", only_absent, DF_EUNSUPPORTED,
          "c.json: 'x' is \"text_time\", which is not supported" },
        { "[]", int_of_x, DF_EFORMAT, "c.json: not a JSON object, 'x' is looked for" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *root = parse(cases[i].json);
        df_err err;
        df_config c = { .root = root, .path = "c.json", .err = &err };
        cases[i].ask(&c);
        assert_int_equal(c.rc, cases[i].code);
        assert_string_equal(err.text, cases[i].text);
        json_decref(root);
    }
}

/* The first error stays; later getters return their defaults. */
static void keeps_the_first_error(void **state) {
    (void)state;
    json_t *root = parse("{\"a\": \"x\", \"b\": 3, \"c\": \"y\"}");
    df_err err;
    df_config c = { .root = root, .path = "c.json", .err = &err };
    assert_int_equal(df_config_int(&c, "a", 1, 0, 9), 1);
    assert_int_equal(df_config_int(&c, "b", 8, 0, 9), 8);
    df_config_only_absent(&c, "c");
    assert_int_equal(c.rc, DF_EINVAL);
    assert_non_null(strstr(err.text, "'a'"));
    json_decref(root);
}

static void loads_files(void **state) {
    (void)state;
    const char *dir = golden_temp_dir();
    char path[4200];
    json_t *root = NULL;
    df_err err;
    snprintf(path, sizeof path, "%s/c.json", dir);
    assert_int_equal(df_json_load(&root, path, &err), DF_ENOTFOUND);
    assert_int_equal(df_file_write(path, "{\n\"a\": }", 8, NULL), DF_OK);
    assert_int_equal(df_json_load(&root, path, &err), DF_EFORMAT);
    assert_non_null(strstr(err.text, "c.json: line 2, column 7: "));
    assert_int_equal(df_json_load(&root, golden_source_path("models/starter/unet/config.json"), &err), DF_OK);
    df_config c = { .root = root, .path = "unet/config.json", .err = &err };
    assert_int_equal(df_config_int(&c, "in_channels", 0, 1, 64), 4);
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_python_writes),
        cmocka_unit_test(names_line_and_column),
        cmocka_unit_test(limits_depth),
        cmocka_unit_test(takes_linear_time),
        cmocka_unit_test(getters_return_values_and_defaults),
        cmocka_unit_test(getters_name_what_is_wrong),
        cmocka_unit_test(keeps_the_first_error),
        cmocka_unit_test(loads_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
