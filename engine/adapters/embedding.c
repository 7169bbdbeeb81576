#include "engine/adapters/embedding.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { MAX_TENSORS = 2, MAX_WIDTH = 65536, ANY_ENCODER = -1 };

typedef struct vectors {
    df_embedding_view view;
    int encoder; /* ANY_ENCODER: whichever has its width */
} vectors;

struct df_embedding {
    df_arena *arena;
    const char *path, *token;
    df_safetensors *file;
    vectors all[MAX_TENSORS];
    int n;
};

/* reading */

static int encoder_of(const char *key) {
    if (!strcmp(key, "clip_l")) return 0;
    return strcmp(key, "clip_g") ? ANY_ENCODER : 1;
}

static df_code check_numbers(const df_embedding *e, const df_tensor_view *t, df_err *err) {
    df_err inner;
    float *x = malloc((size_t)t->n_elements * sizeof *x);
    if (!x) return df_err_set(err, DF_ENOMEM, "%s", e->path);
    df_code rc = df_tensor_to_f32(t, x, &inner);
    if (rc) df_err_set(err, rc, "%s: %s", e->path, inner.text);
    for (int64_t i = 0; i < t->n_elements && !rc; i++)
        if (!isfinite(x[i]))
            rc = df_err_set(err, DF_ENUMERIC, "%s: '%.60s': number %lld is not finite", e->path, t->name, (long long)i);
    free(x);
    return rc;
}

static df_code take_tensor(df_embedding *e, const df_tensor_view *t, df_err *err) {
    char shape[128];
    int64_t n = t->rank == 2 ? t->dim[0] : 1, width = t->rank ? t->dim[t->rank - 1] : 0;
    if (t->rank < 1 || t->rank > 2 || width < 1 || width > MAX_WIDTH)
        return df_err_set(err, DF_ESHAPE, "%s: '%.60s' is %s; vectors are [width] or [number, width]", e->path, t->name,
                          df_shape_text(shape, sizeof shape, t->dim, t->rank));
    if (n < 1 || n > DF_EMBEDDING_MAX_VECTORS)
        return df_err_set(err, DF_ESHAPE, "%s: '%.60s' has %lld vectors, a prompt has room for 1 to %d", e->path,
                          t->name, (long long)n, DF_EMBEDDING_MAX_VECTORS);
    e->all[e->n++] = (vectors) { .view = { .tensor = t, .n = n, .width = width }, .encoder = encoder_of(t->name) };
    return check_numbers(e, t, err);
}

static df_code take_tensors(df_embedding *e, df_err *err) {
    int n = df_safetensors_count(e->file);
    bool named = n > 0;
    for (int i = 0; i < n; i++) named = named && encoder_of(df_safetensors_at(e->file, i)->name) != ANY_ENCODER;
    if (n != 1 && !(named && n <= MAX_TENSORS))
        return df_err_set(err, DF_EFORMAT,
                          "%s: %d tensors; a textual inversion file has one, or clip_l and clip_g for SDXL", e->path,
                          n);
    df_code rc = DF_OK;
    for (int i = 0; i < n && !rc; i++) rc = take_tensor(e, df_safetensors_at(e->file, i), err);
    if (!rc && n == 2 && e->all[0].view.n != e->all[1].view.n)
        rc = df_err_set(err, DF_ESHAPE, "%s: %lld vectors in one tensor, %lld in the other", e->path,
                        (long long)e->all[0].view.n, (long long)e->all[1].view.n);
    return rc;
}

/* Tensor names that tell of the layout and not of the token. */
static bool names_token(const char *key) {
    return encoder_of(key) == ANY_ENCODER && strcmp(key, "emb_params") != 0;
}

static const char *file_stem(df_arena *arena, const char *path) {
    static const char ending[] = ".safetensors";
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strlen(name), tail = sizeof ending - 1;
    if (n > tail && !strcmp(name + n - tail, ending)) n -= tail;
    return df_arena_printf(arena, "%.*s", (int)n, name);
}

static const char *choose_token(df_embedding *e, const char *given) {
    const char *key = e->all[0].view.tensor->name;
    if (given) return df_arena_strdup(e->arena, given);
    return names_token(key) ? df_arena_strdup(e->arena, key) : file_stem(e->arena, e->path);
}

df_code df_embedding_open(df_embedding **out, const char *path, const char *token, df_err *err) {
    df_embedding *e = calloc(1, sizeof *e);
    df_code rc = DF_OK;
    if (!e || !(e->arena = df_arena_new()) || !(e->path = df_arena_strdup(e->arena, path)))
        rc = df_err_set(err, DF_ENOMEM, "%s", path);
    if (!rc) rc = df_safetensors_open(&e->file, path, err);
    if (!rc) rc = take_tensors(e, err);
    if (!rc && !(e->token = choose_token(e, token))) rc = df_err_set(err, DF_ENOMEM, "%s", path);
    if (rc)
        df_embedding_close(&e);
    else
        *out = e;
    return rc;
}

void df_embedding_close(df_embedding **embedding) {
    if (!embedding || !*embedding) return;
    df_safetensors_close(&(*embedding)->file);
    df_arena_free(&(*embedding)->arena);
    free(*embedding);
    *embedding = NULL;
}

const char *df_embedding_token(const df_embedding *e) {
    return e->token;
}

/* matching */

static bool is_for(const vectors *v, int encoder, int64_t width) {
    return v->view.width == width && (v->encoder == encoder || v->encoder == ANY_ENCODER);
}

df_embedding_view df_embedding_vectors(const df_embedding *e, int encoder, int64_t width) {
    for (int i = 0; i < e->n; i++)
        if (is_for(&e->all[i], encoder, width)) return e->all[i].view;
    return (df_embedding_view) { 0 };
}

df_code df_embedding_check(const df_embedding *e, const int64_t *width, int n_encoders, df_err *err) {
    char widths[64] = "";
    for (int i = 0; i < n_encoders && width[i]; i++)
        snprintf(widths + strlen(widths), sizeof widths - strlen(widths), "%s%lld", i ? " and " : "",
                 (long long)width[i]);
    for (int i = 0; i < e->n; i++) {
        bool used = false;
        for (int k = 0; k < n_encoders; k++) used = used || is_for(&e->all[i], k, width[k]);
        if (!used)
            return df_err_set(err, DF_ESHAPE, "%s: '%.60s' has vectors of width %lld, the model's text takes %s",
                              e->path, e->all[i].view.tensor->name, (long long)e->all[i].view.width,
                              *widths ? widths : "none");
    }
    return DF_OK;
}
