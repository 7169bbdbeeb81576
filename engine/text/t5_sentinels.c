#include "engine/text/t5_sentinels.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "engine/config/json_config.h"

enum { DEFAULT_SENTINELS = 100 };

static df_code load_optional(json_t **root, const char *path, df_err *err) {
    df_err mine;
    df_code rc = df_json_load(root, path, &mine);
    if (rc == DF_ENOTFOUND) return DF_OK;
    if (rc) return df_err_set(err, rc, "%s", mine.text);
    return json_is_object(*root) ? DF_OK : df_err_set(err, DF_EFORMAT, "%s: not a JSON object", path);
}

/* A token is a string, or an object whose "content" is one. */
static const char *content_of(const json_t *value) {
    const char *text = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
    return text ? text : "";
}

static void only_token(df_config *c, const char *key, const char *only) {
    const json_t *value = json_object_get(c->root, key);
    if (c->rc || !value || json_is_null(value) || !strcmp(content_of(value), only)) return;
    c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: '%s' is '%.60s', only '%s' is supported", c->path, key,
                       content_of(value), only);
}

static bool is_own(const char *text, int n_sentinels) {
    int number, length = 0;
    if (!strcmp(text, "<pad>") || !strcmp(text, "</s>") || !strcmp(text, "<unk>")) return true;
    return sscanf(text, "<extra_id_%d>%n", &number, &length) == 1 && length && !text[length] && number >= 0 &&
           number < n_sentinels;
}

static void check_own(df_config *c, const char *key, const json_t *value, int n_sentinels) {
    if (c->rc || is_own(content_of(value), n_sentinels)) return;
    c->rc = df_err_set(c->err, DF_EUNSUPPORTED,
                       "%s: '%s' has '%.60s', which is none of T5's own tokens with %d sentinels ('extra_ids')",
                       c->path, key, content_of(value), n_sentinels);
}

static void check_tokens(df_config *c, int n_sentinels) {
    static const char additional[] = "additional_special_tokens", added[] = "added_tokens_decoder";
    const char *number;
    json_t *value;
    size_t i;
    only_token(c, "pad_token", "<pad>");
    only_token(c, "eos_token", "</s>");
    only_token(c, "unk_token", "<unk>");
    json_array_foreach(json_object_get(c->root, additional), i, value) check_own(c, additional, value, n_sentinels);
    json_object_foreach(json_object_get(c->root, added), number, value) check_own(c, added, value, n_sentinels);
}

static void check_class(df_config *c) {
    const char *name = df_config_string(c, "tokenizer_class", "T5Tokenizer");
    if (!c->rc && strcmp(name, "T5Tokenizer") && strcmp(name, "T5TokenizerFast"))
        c->rc = df_err_set(c->err, DF_EUNSUPPORTED, "%s: 'tokenizer_class' is '%.60s', only T5Tokenizer is supported",
                           c->path, name);
}

df_code df_t5_sentinels_read(int *n, const char *dir, df_err *err) {
    static const char *const files[] = { "tokenizer_config.json", "special_tokens_map.json" };
    df_code rc = DF_OK;
    *n = DEFAULT_SENTINELS;
    for (int i = 0; i < 2 && !rc; i++) {
        char path[PATH_MAX];
        json_t *root = NULL;
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        if (!(rc = load_optional(&root, path, err)) && root) {
            df_config c = { .root = root, .path = path, .err = err };
            if (i == 0) *n = (int)df_config_int(&c, "extra_ids", DEFAULT_SENTINELS, 0, DF_T5_MAX_SENTINELS);
            check_class(&c);
            check_tokens(&c, *n);
            rc = c.rc;
        }
        json_decref(root);
    }
    return rc;
}
