#include "client/json_fields.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { MOST_BYTES = 64 << 20 };

df_code df_json_read(json_t **out, const char *path, df_err *err) {
    json_error_t where;
    char *text;
    size_t bytes;
    *out = NULL;
    df_code rc = df_file_read(path, MOST_BYTES, &text, &bytes, err);
    if (rc) return rc;
    *out = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &where);
    free(text);
    return *out ? DF_OK : df_err_set(err, DF_EFORMAT, "%s: line %d: %s", path, where.line, where.text);
}

df_code df_json_refuse(const df_json_place *at, const char *key, const char *what, df_err *err) {
    return df_err_set(err, DF_EFORMAT, "%s: %s%s%s %s", at->path, at->text, at->text[0] ? "." : "", key, what);
}

df_json_place df_json_member(const df_json_place *at, const char *key) {
    df_json_place in = { .path = at->path };
    snprintf(in.text, sizeof in.text, "%.60s%s%.30s", at->text, at->text[0] ? "." : "", key);
    return in;
}

df_json_place df_json_item(const df_json_place *at, const char *key, size_t i) {
    df_json_place in = { .path = at->path };
    snprintf(in.text, sizeof in.text, "%.40s%s%.20s[%zu]", at->text, at->text[0] ? "." : "", key, i);
    return in;
}

df_code df_json_text(const json_t *o, const df_json_place *at, const char *key, char *out, size_t out_bytes,
                     df_err *err) {
    const char *text = json_string_value(json_object_get(o, key));
    if (!text) return df_json_refuse(at, key, "is missing, or no text", err);
    if (strlen(text) >= out_bytes) return df_json_refuse(at, key, "is too long", err);
    memcpy(out, text, strlen(text) + 1);
    return DF_OK;
}

df_code df_json_whole(const json_t *o, const df_json_place *at, const char *key, int64_t least, int64_t most,
                      int64_t *out, df_err *err) {
    const json_t *v = json_object_get(o, key);
    char range[96];
    snprintf(range, sizeof range, "is missing, or no whole number from %lld to %lld", (long long)least,
             (long long)most);
    *out = json_integer_value(v);
    return json_is_integer(v) && *out >= least && *out <= most ? DF_OK : df_json_refuse(at, key, range, err);
}

df_code df_json_int(const json_t *o, const df_json_place *at, const char *key, int least, int most, int *out,
                    df_err *err) {
    int64_t n = 0;
    df_code rc = df_json_whole(o, at, key, least, most, &n, err);
    *out = (int)n;
    return rc;
}

df_code df_json_number(const json_t *o, const df_json_place *at, const char *key, double least, double most,
                       double *out, df_err *err) {
    const json_t *v = json_object_get(o, key);
    char range[96];
    snprintf(range, sizeof range, "is missing, or no number from %g to %g", least, most);
    *out = json_number_value(v);
    return json_is_number(v) && *out >= least && *out <= most ? DF_OK : df_json_refuse(at, key, range, err);
}

df_code df_json_choice(const json_t *o, const df_json_place *at, const char *key, const char *no, const char *yes,
                       bool *out, df_err *err) {
    const char *text = json_string_value(json_object_get(o, key));
    char what[64];
    snprintf(what, sizeof what, "must be \"%s\" or \"%s\"", no, yes);
    *out = text && !strcmp(text, yes);
    return *out || (text && !strcmp(text, no)) ? DF_OK : df_json_refuse(at, key, what, err);
}

df_code df_json_array(const json_t *o, const df_json_place *at, const char *key, const json_t **out, df_err *err) {
    *out = json_object_get(o, key);
    return json_is_array(*out) ? DF_OK : df_json_refuse(at, key, "is missing, or no list", err);
}
