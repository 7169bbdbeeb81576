/* Typed, checked reading of JSON objects (config.json and friends), over jansson.
 *
 *   df_json_load(&root, "unet/config.json", &err);
 *   df_config c = { .root = root, .path = "unet/config.json", .err = &err };
 *   cfg.in_channels = df_config_int(&c, "in_channels", 4, 1, 65536);
 *   if (c.rc) goto fail;                                  first error: file, field, value, what is allowed
 *
 * The parser takes what Python writes beyond JSON (NaN, Infinity, -Infinity) as the strings "NaN", "Infinity",
 * "-Infinity"; df_config_double understands these. Integers that do not fit in 64 bits (the "no limit" of tokenizer
 * configs, 1000000000000000019884624838656) become reals. null counts as absent. Duplicate keys are an error, and so is
 * nesting deeper than DF_JSON_MAX_DEPTH. */
#ifndef DF_ENGINE_CONFIG_JSON_CONFIG_H
#define DF_ENGINE_CONFIG_JSON_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { DF_JSON_MAX_DEPTH = 128 };

/* Caller json_decrefs *root. Errors name file, line and column. At most 64 MiB. */
df_code df_json_load(json_t **root, const char *path, df_err *err);
df_code df_json_parse(json_t **root, const char *text, size_t bytes, const char *path, df_err *err);

typedef struct df_config {
    json_t *root; /* borrowed; an object */
    const char *path; /* for messages */
    df_err *err;
    df_code rc; /* first error; later getters then return their default */
} df_config;

bool df_config_has(const df_config *c, const char *key); /* present and not null */
int64_t df_config_int(df_config *c, const char *key, int64_t otherwise, int64_t min, int64_t max);
double df_config_double(df_config *c, const char *key, double otherwise);
bool df_config_bool(df_config *c, const char *key, bool otherwise);
const char *df_config_string(df_config *c, const char *key, const char *otherwise); /* owned by root */
/* An array of n ints, or one int for all n; absent: `otherwise` for all. */
void df_config_ints(df_config *c, const char *key, int64_t *out, size_t n, int64_t otherwise, int64_t min, int64_t max);
size_t df_config_array_len(const df_config *c, const char *key); /* 0 if it is no array */
const char *df_config_array_string(df_config *c, const char *key, size_t i); /* "" and an error if it is no string */
/* An error unless the field is absent, null, or equals `only` (a feature that is not supported would change the
 * picture): "FILE: 'act_fn' is 'mish', only 'silu' is supported". */
void df_config_only_string(df_config *c, const char *key, const char *only);
void df_config_only_bool(df_config *c, const char *key, bool only);
void df_config_only_absent(df_config *c, const char *key);

#endif
