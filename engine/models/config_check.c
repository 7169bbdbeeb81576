#include "engine/models/config_check.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"

df_code df_config_load(df_config *c, json_t **root, const char *path, df_err *err) {
    df_code rc = df_json_load(root, path, err);
    if (rc) return rc;
    *c = (df_config) { .root = *root, .path = path, .err = err };
    if (!json_is_object(*root)) c->rc = df_err_set(err, DF_EFORMAT, "%s: not a JSON object", path);
    return c->rc;
}

void df_config_only_number(df_config *c, const char *key, double only) {
    double value = df_config_double(c, key, only);
    if (c->rc || value == only) return;
    c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '%s' is %g, only %g is supported", c->path, key, value, only);
}

void df_config_not_null(df_config *c, const char *key) {
    if (c->rc || !json_is_null(json_object_get(c->root, key))) return;
    c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '%s' is null, which is not supported", c->path, key);
}

double df_config_positive(df_config *c, const char *key, double otherwise) {
    double value = df_config_double(c, key, otherwise);
    if (!c->rc && !(isfinite(value) && value > 0))
        c->rc = df_err_set(c->err, DF_EFORMAT, "%s: '%s' is %g, it must be above 0", c->path, key, value);
    return value;
}

static bool list_has(const char *const *list, const char *name) {
    for (; *list; list++)
        if (strcmp(*list, name) == 0) return true;
    return false;
}

void df_config_only_known(df_config *c, const char *const *known) {
    const char *key;
    json_t *value;
    if (c->rc) return;
    json_object_foreach(c->root, key, value) {
        if (key[0] == '_' || json_is_null(value) || json_is_false(value) || list_has(known, key)) continue;
        c->rc =
            df_err_set(c->err, DF_EUNSUPPORTED,
                       "%s: '%s' is not a field this program knows; it could change the pictures, so it is not ignored",
                       c->path, key);
        return;
    }
}

size_t df_config_levels(df_config *c, const char *key) {
    size_t n = df_config_array_len(c, key);
    if (!c->rc && (n < 1 || n > DF_MODEL_MAX_LEVELS))
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '%s' has %zu entries; supported: an array of 1 to %d", c->path,
                           key, n, DF_MODEL_MAX_LEVELS);
    return n;
}

void df_config_same_length(df_config *c, const char *key, const char *other) {
    size_t n = df_config_array_len(c, key), m = df_config_array_len(c, other);
    if (c->rc || n == m) return;
    c->rc = df_err_set(c->err, DF_EFORMAT, "%s: '%s' has %zu entries, '%s' has %zu", c->path, key, n, other, m);
}

int df_config_array_choice(df_config *c, const char *key, size_t i, const char *const *names) {
    const char *value = df_config_array_string(c, key, i);
    if (c->rc) return 0;
    for (int k = 0; names[k]; k++)
        if (strcmp(names[k], value) == 0) return k;
    df_buf list = { 0 };
    for (int k = 0; names[k]; k++) df_buf_printf(&list, "%s'%s'", k ? ", " : "", names[k]);
    c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '%s'[%zu] is '%s'; supported: %s", c->path, key, i, value,
                       list.data ? list.data : "");
    df_buf_free(&list);
    return 0;
}
