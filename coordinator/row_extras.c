#include "coordinator/row_extras.h"

#include <math.h>
#include <string.h>

#include "base/sha256.h"
#include "coordinator/text.h"

enum { MAX_TOKEN_BYTES = 256 };

/* checks */

static df_code check_input(const Diffarm__Input *in, const char *what, df_err *err) {
    size_t bytes = strlen(in->path);
    if (*in->path != '/' || bytes > DF_ROW_MAX_INPUT_PATH_BYTES)
        return df_err_set(err, DF_EINVAL, "%s: its path must be absolute, of at most %d bytes", what,
                          DF_ROW_MAX_INPUT_PATH_BYTES);
    if (!df_text_is_utf8(in->path) || df_text_has_control(in->path))
        return df_err_set(err, DF_EINVAL, "%s: its path has control characters or is not UTF-8", what);
    if (!df_sha256_is_hex(in->sha256))
        return df_err_set(err, DF_EINVAL, "%s: its sha256 is not 64 hexadecimal digits", what);
    return DF_OK;
}

static df_code check_adapter(const Diffarm__Adapter *a, df_err *err) {
    bool known = a->kind == DIFFARM__ADAPTER__KIND__LORA || a->kind == DIFFARM__ADAPTER__KIND__EMBEDDING ||
                 a->kind == DIFFARM__ADAPTER__KIND__INT8_SCALES;
    if (!known || !a->file)
        return df_err_set(err, DF_EINVAL, "an adapter is neither a LoRA nor an embedding nor int8 scales");
    if (!isfinite(a->weight)) return df_err_set(err, DF_EINVAL, "the weight of an adapter is not a finite number");
    if (strlen(a->name) > MAX_TOKEN_BYTES || !df_text_is_utf8(a->name) || df_text_has_control(a->name))
        return df_err_set(err, DF_EINVAL, "the name of an embedding is no text of at most %d bytes", MAX_TOKEN_BYTES);
    return check_input(a->file, "adapter", err);
}

static bool is_share(double x) {
    return x >= 0 && x <= 1;
}

static df_code check(const Diffarm__Row *in, df_err *err) {
    df_code rc = in->image ? check_input(in->image, "image", err) : DF_OK;
    if (!rc && in->mask) rc = check_input(in->mask, "mask", err);
    if (!rc && !(is_share(in->strength) && is_share(in->guidance_rescale) && is_share(in->eta)))
        rc = df_err_set(err, DF_EINVAL, "strength, guidance_rescale and eta are numbers from 0 to 1");
    if (!rc && (in->class_label > INT32_MAX || in->noise_level > INT32_MAX))
        rc = df_err_set(err, DF_EINVAL, "class and noise_level are at most 2^31 - 1");
    if (!rc && in->n_adapters > DF_ROW_MAX_ADAPTERS)
        rc = df_err_set(err, DF_EINVAL, "%zu adapters, at most %d are taken", in->n_adapters, DF_ROW_MAX_ADAPTERS);
    for (size_t i = 0; i < in->n_adapters && !rc; i++) rc = check_adapter(in->adapters[i], err);
    return rc;
}

/* from the wire */

static void put_input(json_t *o, const char *key, const Diffarm__Input *in) {
    char sha[32];
    if (!in) return;
    snprintf(sha, sizeof sha, "%s_sha256", key);
    json_object_set_new(o, key, json_string(in->path));
    json_object_set_new(o, sha, json_string(in->sha256));
}

static void put_number(json_t *o, const char *key, double x) {
    if (x != 0) json_object_set_new(o, key, json_real(x));
}

static void put_adapters(json_t *o, const char *key, const Diffarm__Row *in, Diffarm__Adapter__Kind kind) {
    json_t *list = json_array();
    for (size_t i = 0; i < in->n_adapters; i++) {
        const Diffarm__Adapter *a = in->adapters[i];
        if (a->kind != kind) continue;
        json_t *one = json_pack("{s:s, s:s}", "file", a->file->path, "sha256", a->file->sha256);
        if (kind == DIFFARM__ADAPTER__KIND__LORA)
            json_object_set_new(one, "weight", json_real(a->weight));
        else if (*a->name)
            json_object_set_new(one, "name", json_string(a->name));
        json_array_append_new(list, one);
    }
    if (json_array_size(list)) json_object_set(o, key, list);
    json_decref(list);
}

df_code df_row_extras_from_wire(const char **out, const Diffarm__Row *in, df_arena *arena, df_err *err) {
    df_code rc = check(in, err);
    if (rc) return rc;
    json_t *o = json_object();
    put_input(o, "image", in->image);
    put_input(o, "mask", in->mask);
    put_number(o, "strength", in->strength);
    if (!strcmp(in->task, "class")) json_object_set_new(o, "class", json_integer(in->class_label));
    if (in->noise_level) json_object_set_new(o, "noise_level", json_integer(in->noise_level));
    put_number(o, "guidance_rescale", in->guidance_rescale);
    put_number(o, "eta", in->eta);
    put_adapters(o, "lora", in, DIFFARM__ADAPTER__KIND__LORA);
    put_adapters(o, "embedding", in, DIFFARM__ADAPTER__KIND__EMBEDDING);
    put_adapters(o, "int8_scales", in, DIFFARM__ADAPTER__KIND__INT8_SCALES);
    char *text = json_object_size(o) ? json_dumps(o, JSON_COMPACT) : NULL;
    *out = df_arena_strdup(arena, text ? text : "");
    bool whole = *out && (text || !json_object_size(o));
    free(text);
    json_decref(o);
    return whole ? DF_OK : df_err_set(err, DF_ENOMEM, "a row");
}

/* back to the wire: the text is our own, what it holds has been checked */

static char *text_of(const json_t *o, const char *key, df_arena *arena) {
    const char *text = json_string_value(json_object_get(o, key));
    return df_arena_strdup(arena, text ? text : "");
}

static Diffarm__Input *input_of(const json_t *o, const char *path, const char *sha256, df_arena *arena) {
    Diffarm__Input *in = df_arena_alloc(arena, sizeof *in);
    if (!in) return NULL;
    diffarm__input__init(in);
    in->path = text_of(o, path, arena);
    in->sha256 = text_of(o, sha256, arena);
    return in->path && in->sha256 ? in : NULL;
}

static bool take_input(Diffarm__Input **out, const json_t *o, const char *key, df_arena *arena) {
    char sha[32];
    if (!json_object_get(o, key)) return true;
    snprintf(sha, sizeof sha, "%s_sha256", key);
    return (*out = input_of(o, key, sha, arena)) != NULL;
}

static bool take_adapters(Diffarm__Row *out, const json_t *list, Diffarm__Adapter__Kind kind, df_arena *arena) {
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) {
        Diffarm__Adapter *a = df_arena_alloc(arena, sizeof *a);
        if (!a) return false;
        diffarm__adapter__init(a);
        a->kind = kind;
        a->weight = json_number_value(json_object_get(one, "weight"));
        a->file = input_of(one, "file", "sha256", arena);
        a->name = text_of(one, "name", arena);
        if (!a->file || !a->name) return false;
        out->adapters[out->n_adapters++] = a;
    }
    return true;
}

static bool take_all(Diffarm__Row *out, const json_t *o, df_arena *arena) {
    const json_t *lora = json_object_get(o, "lora"), *embedding = json_object_get(o, "embedding");
    const json_t *int8_scales = json_object_get(o, "int8_scales");
    size_t n = json_array_size(lora) + json_array_size(embedding) + json_array_size(int8_scales);
    out->strength = json_number_value(json_object_get(o, "strength"));
    out->class_label = (uint32_t)json_integer_value(json_object_get(o, "class"));
    out->noise_level = (uint32_t)json_integer_value(json_object_get(o, "noise_level"));
    out->guidance_rescale = json_number_value(json_object_get(o, "guidance_rescale"));
    out->eta = json_number_value(json_object_get(o, "eta"));
    if (n && !(out->adapters = df_arena_alloc(arena, n * sizeof *out->adapters))) return false;
    return take_input(&out->image, o, "image", arena) && take_input(&out->mask, o, "mask", arena) &&
           take_adapters(out, lora, DIFFARM__ADAPTER__KIND__LORA, arena) &&
           take_adapters(out, embedding, DIFFARM__ADAPTER__KIND__EMBEDDING, arena) &&
           take_adapters(out, int8_scales, DIFFARM__ADAPTER__KIND__INT8_SCALES, arena);
}

df_code df_row_extras_to_wire(Diffarm__Row *out, const char *extras, df_arena *arena, df_err *err) {
    if (!*extras) return DF_OK;
    json_t *o = json_loads(extras, 0, NULL);
    bool ok = o && take_all(out, o, arena);
    json_decref(o);
    return ok ? DF_OK
              : df_err_set(err, DF_EFORMAT, "row %llu: what it asks for cannot be read back from the store",
                           (unsigned long long)out->row);
}

double df_row_extras_share(const char *extras) {
    json_t *o = *extras ? json_loads(extras, 0, NULL) : NULL;
    double strength = json_number_value(json_object_get(o, "strength"));
    json_decref(o);
    return strength > 0 ? strength : 1;
}

/* metadata */

static void shorten(json_t *o, const char *key) {
    const char *path = json_string_value(json_object_get(o, key));
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (slash) json_object_set_new(o, key, json_string(slash + 1));
}

static void shorten_files(json_t *list) {
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) shorten(one, "file");
}

/* Readers of image folders put the picture that a line is about under `image`. */
static const char *shown_as(const char *key) {
    if (!strcmp(key, "image")) return "input_image";
    return strcmp(key, "image_sha256") ? key : "input_image_sha256";
}

static json_t *with_shown_names(json_t *o) {
    const char *key;
    json_t *value, *shown = json_object();
    json_object_foreach(o, key, value) {
        if (!shown || json_object_set(shown, shown_as(key), value)) {
            json_decref(shown);
            return NULL;
        }
    }
    return shown;
}

json_t *df_row_extras_metadata(const char *extras) {
    json_t *o = *extras ? json_loads(extras, 0, NULL) : json_object();
    if (!o) return NULL;
    shorten(o, "image");
    shorten(o, "mask");
    shorten_files(json_object_get(o, "lora"));
    shorten_files(json_object_get(o, "embedding"));
    shorten_files(json_object_get(o, "int8_scales"));
    json_t *shown = with_shown_names(o);
    json_decref(o);
    return shown;
}
