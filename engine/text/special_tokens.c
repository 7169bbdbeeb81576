#include "engine/text/special_tokens.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/config/json_config.h"

enum { DEFAULT_MAX_LENGTH = 77, LONGEST_MAX_LENGTH = 1 << 20 };

/* The two files; a missing one is an empty object. */
typedef struct sources {
    json_t *map, *config;
    char map_path[PATH_MAX], config_path[PATH_MAX];
    json_t *vocab;
} sources;

static df_code load_optional(json_t **root, const char *path, df_err *err) {
    df_err mine;
    df_code rc = df_json_load(root, path, &mine);
    if (rc == DF_ENOTFOUND) *root = json_object();
    if (rc && rc != DF_ENOTFOUND) return df_err_set(err, rc, "%s", mine.text);
    if (!*root) return df_err_set(err, DF_ENOMEM, "%s", path);
    if (json_is_object(*root)) return DF_OK;
    json_decref(*root);
    *root = NULL;
    return df_err_set(err, DF_EFORMAT, "%s: not a JSON object", path);
}

static const json_t *field(const json_t *root, const char *key) {
    const json_t *value = json_object_get(root, key);
    return json_is_null(value) ? NULL : value;
}

/* A token is a string, or an object whose "content" is one. */
static df_code content_of(const json_t *value, const char *path, const char *key, const char **text, df_err *err) {
    const json_t *content = json_is_object(value) ? json_object_get(value, "content") : value;
    if (json_is_object(value) && json_is_true(json_object_get(value, "single_word")))
        return df_err_set(err, DF_EUNSUPPORTED, "%s: '%s' has single_word true, only false is supported", path, key);
    *text = json_string_value(content);
    if (*text && **text) return DF_OK;
    return df_err_set(err, DF_EFORMAT, "%s: '%s' is no token: a string or an object with 'content' is needed", path,
                      key);
}

static df_code add_token(df_special_tokens *s, const sources *from, const char *path, const char *key, const char *text,
                         int32_t *id, df_err *err) {
    const json_t *known = json_object_get(from->vocab, text);
    if (!known)
        return df_err_set(err, DF_EUNSUPPORTED, "%s: '%s' is '%.60s', which is not in vocab.json", path, key, text);
    *id = (int32_t)json_integer_value(known);
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->all[i].text, text)) return DF_OK;
    if (s->n == DF_SPECIAL_MAX)
        return df_err_set(err, DF_ELIMIT, "%s: more than %d special tokens", path, DF_SPECIAL_MAX);
    char *copy = strdup(text);
    if (!copy) return df_err_set(err, DF_ENOMEM, "%s: '%s'", path, key);
    s->all[s->n++] = (df_special_token) { copy, strlen(copy), *id };
    return DF_OK;
}

static df_code read_token(df_special_tokens *s, const sources *from, const char *key, const char *otherwise,
                          int32_t *id, df_err *err) {
    const json_t *value = field(from->map, key);
    const char *path = value ? from->map_path : from->config_path, *text = otherwise;
    if (!value) value = field(from->config, key);
    df_code rc = value ? content_of(value, path, key, &text, err) : DF_OK;
    return rc ? rc : add_token(s, from, path, key, text, id, err);
}

static df_code read_additional(df_special_tokens *s, const sources *from, const json_t *root, const char *path,
                               df_err *err) {
    static const char key[] = "additional_special_tokens";
    const json_t *list = field(root, key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text;
        int32_t id;
        df_code rc = content_of(json_array_get(list, i), path, key, &text, err);
        if (rc || (rc = add_token(s, from, path, key, text, &id, err))) return rc;
    }
    return DF_OK;
}

/* {"49406": {"content": "<|startoftext|>", ...}, ...}: must agree with the vocabulary. */
static df_code read_added(df_special_tokens *s, const sources *from, df_err *err) {
    static const char key[] = "added_tokens_decoder";
    const char *number;
    json_t *value;
    json_object_foreach((json_t *)field(from->config, key), number, value) {
        const char *text;
        int32_t id;
        df_code rc = content_of(value, from->config_path, key, &text, err);
        if (rc || (rc = add_token(s, from, from->config_path, key, text, &id, err))) return rc;
        if (strtoll(number, NULL, 10) != id)
            return df_err_set(err, DF_EUNSUPPORTED, "%s: '%s' gives '%.60s' the id %.20s, vocab.json gives it %d",
                              from->config_path, key, text, number, (int)id);
    }
    return DF_OK;
}

static df_code read_config(df_special_tokens *s, const sources *from, df_err *err) {
    df_config c = { .root = from->config, .path = from->config_path, .err = err };
    const char *class_name = df_config_string(&c, "tokenizer_class", "CLIPTokenizer");
    double length = df_config_double(&c, "model_max_length", DEFAULT_MAX_LENGTH);
    df_config_only_bool(&c, "do_lower_case", true);
    if (c.rc) return c.rc;
    if (strcmp(class_name, "CLIPTokenizer") && strcmp(class_name, "CLIPTokenizerFast"))
        return df_err_set(err, DF_EUNSUPPORTED, "%s: 'tokenizer_class' is '%.60s', only CLIPTokenizer is supported",
                          from->config_path, class_name);
    if (!(length >= 2))
        return df_err_set(err, DF_EINVAL, "%s: 'model_max_length' is %g, 2 or more is needed", from->config_path,
                          length);
    /* a huge number is how the library writes "unknown" */
    s->max_length = length > LONGEST_MAX_LENGTH ? DEFAULT_MAX_LENGTH : (int)length;
    return DF_OK;
}

static df_code read_all(df_special_tokens *s, const sources *from, df_err *err) {
    static const char begin[] = "<|startoftext|>", end[] = "<|endoftext|>";
    df_code rc;
    if ((rc = read_config(s, from, err)) || (rc = read_token(s, from, "bos_token", begin, &s->begin, err)) ||
        (rc = read_token(s, from, "eos_token", end, &s->end, err)) ||
        (rc = read_token(s, from, "unk_token", end, &s->unknown, err)) ||
        (rc = read_token(s, from, "pad_token", end, &s->padding, err)) ||
        (rc = read_additional(s, from, from->map, from->map_path, err)) ||
        (rc = read_additional(s, from, from->config, from->config_path, err)))
        return rc;
    return read_added(s, from, err);
}

df_code df_special_tokens_read(df_special_tokens *s, const char *dir, json_t *vocab, df_err *err) {
    sources from = { .vocab = vocab };
    *s = (df_special_tokens) { 0 };
    snprintf(from.map_path, sizeof from.map_path, "%s/special_tokens_map.json", dir);
    snprintf(from.config_path, sizeof from.config_path, "%s/tokenizer_config.json", dir);
    df_code rc = load_optional(&from.map, from.map_path, err);
    if (!rc) rc = load_optional(&from.config, from.config_path, err);
    if (!rc) rc = read_all(s, &from, err);
    json_decref(from.map);
    json_decref(from.config);
    if (rc) df_special_tokens_free(s);
    return rc;
}

void df_special_tokens_free(df_special_tokens *s) {
    for (int i = 0; i < s->n; i++) free(s->all[i].text);
    s->n = 0;
}

const df_special_token *df_special_tokens_find(const df_special_tokens *s, const char *text, size_t bytes, size_t *at) {
    for (size_t i = 0; i < bytes; i++) {
        const df_special_token *best = NULL;
        for (int k = 0; k < s->n; k++) {
            const df_special_token *t = &s->all[k];
            bool longer = !best || t->bytes > best->bytes;
            if (longer && t->bytes <= bytes - i && t->text[0] == text[i] && !memcmp(t->text, text + i, t->bytes))
                best = t;
        }
        if (best) {
            *at = i;
            return best;
        }
    }
    return NULL;
}
