#include "cluster/cost_cache.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "engine/config/json_config.h"

#define FORMAT 1
#define MOST_SECONDS 86400.0 /* a node that takes longer was not measured */

static const char format_name[] = "diffarm_node_costs";

struct df_cost_cache {
    char path[PATH_MAX], dir[PATH_MAX]; /* "": nothing is kept */
    char *key;
    json_t *seconds; /* signature -> number */
};

static df_code check_times(json_t *seconds, const char *path, df_err *err) {
    const char *signature;
    json_t *value;
    json_object_foreach(seconds, signature, value) {
        double x = json_number_value(value);
        if (!json_is_number(value) || !(x > 0 && x < MOST_SECONDS))
            return df_err_set(err, DF_EFORMAT, "%s: '%.80s' does not take a time above 0 and below a day", path,
                              signature);
    }
    return DF_OK;
}

/* *seconds is borrowed from root. */
static df_code check(json_t *root, const char *path, const char *key, json_t **seconds, df_err *err) {
    df_config c = { .root = root, .path = path, .err = err };
    df_config_int(&c, format_name, 0, FORMAT, FORMAT);
    const char *of = df_config_string(&c, "key", "");
    if (c.rc) return c.rc;
    if (strcmp(of, key) != 0) return df_err_set(err, DF_EFORMAT, "%s: is of another key", path);
    *seconds = json_object_get(root, "seconds");
    if (!json_is_object(*seconds)) return df_err_set(err, DF_EFORMAT, "%s: has no times", path);
    return check_times(*seconds, path, err);
}

/* What the file has, if it is sound; a file that is not there is no flaw. */
static void load(df_cost_cache *c, df_err *flaw) {
    json_t *root = NULL, *seconds = NULL;
    df_code rc = df_json_load(&root, c->path, flaw);
    if (!rc && !json_is_object(root)) rc = df_err_set(flaw, DF_EFORMAT, "%s: is no JSON object", c->path);
    if (!rc) rc = check(root, c->path, c->key, &seconds, flaw);
    if (!rc) json_object_update(c->seconds, seconds);
    if (!rc || rc == DF_ENOTFOUND) *flaw = (df_err) { 0 };
    json_decref(root);
}

static df_code place(df_cost_cache *c, const char *dir, df_err *err) {
    char hex[DF_SHA256_HEX_BYTES];
    df_sha256_of(c->key, strlen(c->key), hex);
    int n = snprintf(c->path, sizeof c->path, "%s/costs-%s.json", dir, hex);
    if (n < 0 || (size_t)n >= sizeof c->path) return df_err_set(err, DF_ELIMIT, "%s: path too long", dir);
    snprintf(c->dir, sizeof c->dir, "%s", dir);
    return DF_OK;
}

df_code df_cost_cache_open(df_cost_cache **out, const char *dir, const char *key, df_err *flaw, df_err *err) {
    df_cost_cache *c = calloc(1, sizeof *c);
    *flaw = (df_err) { 0 };
    if (!c || !(c->key = strdup(key)) || !(c->seconds = json_object())) {
        df_cost_cache_close(&c);
        return df_err_set(err, DF_ENOMEM, "times of nodes");
    }
    df_code rc = dir ? place(c, dir, err) : DF_OK;
    if (rc) {
        df_cost_cache_close(&c);
        return rc;
    }
    if (dir) load(c, flaw);
    *out = c;
    return DF_OK;
}

void df_cost_cache_close(df_cost_cache **cache) {
    df_cost_cache *c = *cache;
    if (!c) return;
    json_decref(c->seconds);
    free(c->key);
    free(c);
    *cache = NULL;
}

double df_cost_cache_find(const df_cost_cache *c, const char *signature) {
    const json_t *value = json_object_get(c->seconds, signature);
    return value ? json_number_value(value) : -1;
}

df_code df_cost_cache_put(df_cost_cache *c, const char *signature, double seconds, df_err *err) {
    if (!(seconds > 0 && seconds < MOST_SECONDS))
        return df_err_set(err, DF_EINVAL, "'%s' has taken %g s", signature, seconds);
    int failed = json_object_set_new(c->seconds, signature, json_real(seconds));
    return failed ? df_err_set(err, DF_ENOMEM, "times of nodes") : DF_OK;
}

df_code df_cost_cache_save(const df_cost_cache *c, df_err *err) {
    if (!c->path[0]) return DF_OK;
    json_t *root = json_pack("{s:i, s:s, s:O}", format_name, FORMAT, "key", c->key, "seconds", c->seconds);
    char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
    df_code rc = text ? df_file_mkdirs(c->dir, err) : df_err_set(err, DF_ENOMEM, "times of nodes");
    if (!rc) rc = df_file_write(c->path, text, strlen(text), err);
    free(text);
    json_decref(root);
    return rc;
}
