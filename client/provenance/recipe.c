#include "client/provenance/recipe.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "engine/image/png_io.h"

enum { MAX_ADAPTERS = 17 };

/* fields; the first problem stays in err */

typedef struct reader {
    const json_t *from;
    df_err *err;
    df_code rc;
} reader;

static void bad(reader *r, const char *key, const char *what) {
    if (!r->rc) r->rc = df_err_set(r->err, DF_EFORMAT, "its diffarm text: \"%s\" is not %s", key, what);
}

static char *text(reader *r, const char *key, bool needed) {
    const json_t *v = json_object_get(r->from, key);
    if (json_is_string(v)) return (char *)json_string_value(v); /* protobuf-c has no const */
    if (v || needed) bad(r, key, "a text");
    return (char *)"";
}

static uint64_t whole(reader *r, const char *key, bool needed, uint64_t max) {
    const json_t *v = json_object_get(r->from, key);
    if (!v && !needed) return 0;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max) {
        bad(r, key, "a whole number that is possible there");
        return 0;
    }
    return (uint64_t)json_integer_value(v);
}

static double real(reader *r, const char *key, bool needed) {
    const json_t *v = json_object_get(r->from, key);
    if (!v && !needed) return 0;
    if (json_is_number(v) && isfinite(json_number_value(v))) return json_number_value(v);
    bad(r, key, "a number");
    return 0;
}

static bool flag(reader *r, const char *key) {
    const json_t *v = json_object_get(r->from, key);
    if (v && !json_is_boolean(v)) bad(r, key, "true or false");
    return json_is_true(v);
}

static char *sha256_of(reader *r, const char *key) {
    char *hex = text(r, key, true);
    if (!df_sha256_is_hex(hex)) bad(r, key, "a SHA-256");
    return hex;
}

static Diffarm__Input *input(df_recipe *out, reader *r, const char *key) {
    if (!json_object_get(r->from, key)) return NULL;
    Diffarm__Input *in = df_arena_alloc(out->arena, sizeof *in);
    if (!in) {
        if (!r->rc) r->rc = df_err_set(r->err, DF_ENOMEM, "a recipe");
        return NULL;
    }
    diffarm__input__init(in);
    in->sha256 = sha256_of(r, key);
    return in;
}

/* adapters: in the order LoRAs, embeddings, scales; within a kind as they were applied */

static void add_adapter(df_recipe *out, reader *r, const json_t *one, Diffarm__Adapter__Kind kind) {
    reader of = { .from = one, .err = r->err, .rc = r->rc };
    Diffarm__Adapter *a = df_arena_alloc(out->arena, sizeof *a);
    if (!a || out->row.n_adapters == MAX_ADAPTERS) {
        if (!r->rc) r->rc = df_err_set(r->err, a ? DF_ELIMIT : DF_ENOMEM, "its diffarm text: too many adapters");
        return;
    }
    diffarm__adapter__init(a);
    a->kind = kind;
    a->file = input(out, &of, "sha256");
    if (!a->file) bad(&of, "sha256", "there");
    if (kind == DIFFARM__ADAPTER__KIND__LORA) a->weight = real(&of, "weight", true);
    if (kind == DIFFARM__ADAPTER__KIND__EMBEDDING) a->name = text(&of, "name", true);
    r->rc = of.rc;
    out->row.adapters[out->row.n_adapters++] = a;
}

static void add_adapters(df_recipe *out, reader *r, const char *key, Diffarm__Adapter__Kind kind) {
    const json_t *list = json_object_get(r->from, key);
    if (list && !json_is_array(list)) bad(r, key, "a list");
    for (size_t i = 0; !r->rc && i < json_array_size(list); i++) add_adapter(out, r, json_array_get(list, i), kind);
}

static void take_row(df_recipe *out, reader *r) {
    Diffarm__Row *row = &out->row;
    int end = 0;
    diffarm__row__init(row);
    row->prompt = text(r, "prompt", true);
    row->negative = text(r, "negative", true);
    row->seed = whole(r, "seed", true, INT64_MAX);
    const char *size = text(r, "size", true);
    if (sscanf(size, "%5ux%5u%n", &row->width, &row->height, &end) != 2 || size[end]) bad(r, "size", "like 512x512");
    row->steps = (uint32_t)whole(r, "steps", true, 10000);
    row->guidance = real(r, "guidance", true);
    row->scheduler = text(r, "scheduler", true);
    row->task = text(r, "task", true);
    row->row = whole(r, "row", true, 1000000000);
    row->name = text(r, "name", true);
    row->image = input(out, r, "image_sha256");
    row->mask = input(out, r, "mask_sha256");
    row->strength = real(r, "strength", false);
    row->class_label = (uint32_t)whole(r, "class", false, INT32_MAX);
    row->noise_level = (uint32_t)whole(r, "noise_level", false, INT32_MAX);
    row->guidance_rescale = real(r, "guidance_rescale", false);
    row->eta = real(r, "eta", false);
    if (!(row->adapters = df_arena_alloc(out->arena, MAX_ADAPTERS * sizeof *row->adapters)) && !r->rc)
        r->rc = df_err_set(r->err, DF_ENOMEM, "a recipe");
    add_adapters(out, r, "lora", DIFFARM__ADAPTER__KIND__LORA);
    add_adapters(out, r, "embedding", DIFFARM__ADAPTER__KIND__EMBEDDING);
    add_adapters(out, r, "int8_scales", DIFFARM__ADAPTER__KIND__INT8_SCALES);
}

static void take_job(df_recipe *out, reader *r) {
    Diffarm__JobSpec *job = &out->job;
    diffarm__job_spec__init(job);
    job->model_name = text(r, "model", true);
    job->model_sha256 = sha256_of(r, "model_sha256");
    job->dtype = text(r, "dtype", true);
    job->noise = text(r, "noise", true);
    job->no_t5 = flag(r, "no_t5");
    job->long_prompts = flag(r, "long_prompts");
    job->prompt_weights = flag(r, "prompt_weights");
    job->fast_conv = flag(r, "fast_conv");
    out->backend = text(r, "backend", true);
    out->software = text(r, "software", true);
}

static df_code parse(df_recipe *out, df_err *err) {
    char *says = NULL;
    df_code rc = df_png_read_text(&says, out->png, out->png_bytes, "diffarm", err);
    if (rc) return rc;
    if (!says)
        return df_err_set(err, DF_EFORMAT,
                          "it has no text \"diffarm\": diffarm did not make it, or another program has saved it since");
    out->says = json_loads(says, JSON_REJECT_DUPLICATES, NULL);
    free(says);
    if (!json_is_object(out->says)) return df_err_set(err, DF_EFORMAT, "its diffarm text is no JSON object");
    reader r = { .from = out->says, .err = err };
    take_row(out, &r);
    take_job(out, &r);
    return r.rc;
}

df_code df_recipe_take(df_recipe **out, const char *name, char *png, size_t png_bytes, df_err *err) {
    df_recipe *r = calloc(1, sizeof *r);
    df_err why;
    if (!r || !(r->arena = df_arena_new())) {
        free(r);
        free(png);
        return df_err_set(err, DF_ENOMEM, "%s", name);
    }
    r->png = png;
    r->png_bytes = png_bytes;
    df_code rc = parse(r, &why);
    if (rc) {
        df_recipe_free(&r);
        return df_err_set(err, rc, "%s: %s", name, why.text);
    }
    *out = r;
    return DF_OK;
}

df_code df_recipe_read(df_recipe **out, const char *path, df_err *err) {
    char *png;
    size_t bytes;
    df_code rc = df_file_read(path, DF_RECIPE_MAX_PNG_BYTES, &png, &bytes, err);
    return rc ? rc : df_recipe_take(out, path, png, bytes, err);
}

void df_recipe_free(df_recipe **r) {
    if (!*r) return;
    json_decref((*r)->says);
    df_arena_free(&(*r)->arena);
    free((*r)->png);
    free(*r);
    *r = NULL;
}

/* files */

static df_code find(df_recipe *r, Diffarm__Input *in, const char *what, const char *const *paths, int n_paths,
                    df_err *err) {
    char hex[DF_SHA256_HEX_BYTES], absolute[PATH_MAX];
    for (int i = 0; in && i < n_paths; i++) {
        df_code rc = df_sha256_file(paths[i], hex, err);
        if (rc) return rc;
        if (strcmp(hex, in->sha256) != 0) continue;
        if (!realpath(paths[i], absolute)) return df_err_set(err, DF_ENOTFOUND, "%s", paths[i]);
        in->path = df_arena_strdup(r->arena, absolute);
        return in->path ? DF_OK : df_err_set(err, DF_ENOMEM, "%s", paths[i]);
    }
    if (!in) return DF_OK;
    return df_err_set(err, DF_ENOTFOUND, "the picture was made from %s with sha256 %s: give it with --file", what,
                      in->sha256);
}

df_code df_recipe_find_files(df_recipe *r, const char *const *paths, int n_paths, df_err *err) {
    df_code rc = find(r, r->row.image, "an image", paths, n_paths, err);
    if (!rc) rc = find(r, r->row.mask, "a mask", paths, n_paths, err);
    for (size_t i = 0; i < r->row.n_adapters && !rc; i++)
        rc = find(r, r->row.adapters[i]->file, "a LoRA, an embedding or int8 scales", paths, n_paths, err);
    return rc;
}
