#include "engine/config/json_config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_TEXT_BYTES = 80 };

/* The value as it stands in the file, cut to fit, for messages. */
static const char *value_text(char out[VALUE_TEXT_BYTES], const json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    snprintf(out, VALUE_TEXT_BYTES, "%.60s%s", text ? text : "?", text && strlen(text) > 60 ? "..." : "");
    free(text);
    return out;
}

/* "PATH: 'key' is VALUE, MUST", kept as the first error. */
__attribute__((format(printf, 5, 6))) static void fail(df_config *c, df_code code, const char *key, const json_t *value,
                                                       const char *must, ...) {
    char text[VALUE_TEXT_BYTES], rule[256];
    va_list args;
    va_start(args, must);
    vsnprintf(rule, sizeof rule, must, args);
    va_end(args);
    c->rc = df_err_set(c->err, code, "%s: '%s' is %s, %s", c->path, key, value_text(text, value), rule);
}

static const json_t *lookup(const df_config *c, const char *key) {
    const json_t *value = json_object_get(c->root, key);
    return json_is_null(value) ? NULL : value;
}

/* The value to judge; NULL if the default is to be returned. */
static const json_t *fetch(df_config *c, const char *key) {
    if (c->rc) return NULL;
    if (json_is_object(c->root)) return lookup(c, key);
    c->rc = df_err_set(c->err, DF_EFORMAT, "%s: not a JSON object, '%s' is looked for", c->path, key);
    return NULL;
}

static bool int_within(const json_t *value, int64_t min, int64_t max) {
    return json_is_integer(value) && json_integer_value(value) >= min && json_integer_value(value) <= max;
}

bool df_config_has(const df_config *c, const char *key) {
    return lookup(c, key) != NULL;
}

int64_t df_config_int(df_config *c, const char *key, int64_t otherwise, int64_t min, int64_t max) {
    const json_t *value = fetch(c, key);
    if (!value) return otherwise;
    if (int_within(value, min, max)) return json_integer_value(value);
    fail(c, DF_EINVAL, key, value, "an integer from %lld to %lld is needed", (long long)min, (long long)max);
    return otherwise;
}

double df_config_double(df_config *c, const char *key, double otherwise) {
    const json_t *value = fetch(c, key);
    if (!value) return otherwise;
    if (json_is_number(value)) return json_number_value(value);
    const char *word = json_string_value(value);
    if (word && !strcmp(word, "NaN")) return NAN;
    if (word && !strcmp(word, "Infinity")) return INFINITY;
    if (word && !strcmp(word, "-Infinity")) return -INFINITY;
    fail(c, DF_EINVAL, key, value, "a number is needed");
    return otherwise;
}

bool df_config_bool(df_config *c, const char *key, bool otherwise) {
    const json_t *value = fetch(c, key);
    if (!value) return otherwise;
    if (json_is_boolean(value)) return json_is_true(value);
    fail(c, DF_EINVAL, key, value, "true or false is needed");
    return otherwise;
}

const char *df_config_string(df_config *c, const char *key, const char *otherwise) {
    const json_t *value = fetch(c, key);
    if (!value) return otherwise;
    if (json_is_string(value)) return json_string_value(value);
    fail(c, DF_EINVAL, key, value, "a string is needed");
    return otherwise;
}

static bool ints_within(const json_t *array, size_t n, int64_t min, int64_t max) {
    if (!json_is_array(array) || json_array_size(array) != n) return false;
    for (size_t i = 0; i < n; i++)
        if (!int_within(json_array_get(array, i), min, max)) return false;
    return true;
}

void df_config_ints(df_config *c, const char *key, int64_t *out, size_t n, int64_t otherwise, int64_t min,
                    int64_t max) {
    const json_t *value = fetch(c, key);
    bool single = value && int_within(value, min, max), list = value && ints_within(value, n, min, max);
    for (size_t i = 0; i < n; i++)
        out[i] = list ? json_integer_value(json_array_get(value, i)) : single ? json_integer_value(value) : otherwise;
    if (value && !single && !list)
        fail(c, DF_EINVAL, key, value, "an integer from %lld to %lld or a list of %zu such is needed", (long long)min,
             (long long)max, n);
}

size_t df_config_array_len(const df_config *c, const char *key) {
    return json_array_size(json_object_get(c->root, key));
}

const char *df_config_array_string(df_config *c, const char *key, size_t i) {
    const json_t *value = fetch(c, key);
    const char *text = json_string_value(json_array_get(value, i));
    if (text || c->rc) return text ? text : "";
    if (value)
        fail(c, DF_EINVAL, key, value, "a string at place %zu is needed", i);
    else
        c->rc = df_err_set(c->err, DF_EINVAL, "%s: '%s' is missing, a list of strings is needed", c->path, key);
    return "";
}

void df_config_only_string(df_config *c, const char *key, const char *only) {
    const json_t *value = fetch(c, key);
    if (!value) return;
    const char *text = json_string_value(value);
    if (!text)
        fail(c, DF_EUNSUPPORTED, key, value, "only '%s' is supported", only);
    else if (strcmp(text, only))
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '%s' is '%.60s', only '%s' is supported", c->path, key, text,
                           only);
}

void df_config_only_bool(df_config *c, const char *key, bool only) {
    const json_t *value = fetch(c, key);
    if (value && (!json_is_boolean(value) || json_is_true(value) != only))
        fail(c, DF_EUNSUPPORTED, key, value, "only %s is supported", only ? "true" : "false");
}

void df_config_only_absent(df_config *c, const char *key) {
    const json_t *value = fetch(c, key);
    if (value) fail(c, DF_EUNSUPPORTED, key, value, "which is not supported");
}
