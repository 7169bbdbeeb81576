/* The content hash of a model: the SHA-256 of what `sha256sum` prints for its files in name order, so that anybody can
 * check it by hand in the model's folder. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "engine/models/model_impl.h"

typedef struct file_list {
    const char **paths; /* relative to the model's folder */
    size_t n, cap;
    df_arena *arena; /* not the model's: that is read-only once open */
} file_list;

static df_code list_add(file_list *l, const char *path, df_err *err) {
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;
        const char **paths = reallocarray(l->paths, cap, sizeof *paths);
        if (!paths) return df_err_set(err, DF_ENOMEM, "list of %zu files", cap);
        l->paths = paths;
        l->cap = cap;
    }
    l->paths[l->n++] = path;
    return DF_OK;
}

static df_code add_configs(const df_model *m, file_list *l, df_err *err) {
    static const struct {
        const char *path;
        bool optional;
    } files[] = {
        { "model_index.json", false },
        { "scheduler/scheduler_config.json", false },
        { "text_encoder/config.json", false },
        { "unet/config.json", false },
        { "vae/config.json", false },
        { "tokenizer/vocab.json", false },
        { "tokenizer/merges.txt", false },
        { "tokenizer/tokenizer_config.json", true },
        { "tokenizer/special_tokens_map.json", true },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const char *path = df_model_path(l->arena, m, files[i].path);
        if (!path) return df_err_set(err, DF_ENOMEM, "%s", m->dir);
        if (files[i].optional && access(path, F_OK)) continue;
        df_code rc = list_add(l, files[i].path, err);
        if (rc) return rc;
    }
    return DF_OK;
}

static df_code add_weights(const df_model *m, const df_weights *w, file_list *l, df_err *err) {
    size_t skip = strlen(m->dir) + 1; /* weights were opened as DIR/SUB */
    for (int i = 0; i < df_weights_n_files(w); i++) {
        df_code rc = list_add(l, df_weights_file(w, i) + skip, err);
        if (rc) return rc;
    }
    return DF_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static df_code hash_files(const df_model *m, const file_list *l, char hex[DF_SHA256_HEX_BYTES], df_err *err) {
    df_buf lines = { 0 };
    df_code rc = DF_OK;
    for (size_t i = 0; i < l->n && !rc; i++) {
        char file_hex[DF_SHA256_HEX_BYTES];
        const char *path = df_model_path(l->arena, m, l->paths[i]);
        rc = path ? df_sha256_file(path, file_hex, err) : df_err_set(err, DF_ENOMEM, "%s", m->dir);
        if (!rc) df_buf_printf(&lines, "%s  %s\n", file_hex, l->paths[i]);
    }
    if (!rc && lines.failed) rc = df_err_set(err, DF_ENOMEM, "%s: list of hashes", m->dir);
    if (!rc) df_sha256_of(lines.data, lines.len, hex);
    df_buf_free(&lines);
    return rc;
}

df_code df_model_sha256(const df_model *m, char hex[DF_SHA256_HEX_BYTES], df_err *err) {
    file_list l = { .arena = df_arena_new() };
    df_code rc = l.arena ? add_configs(m, &l, err) : df_err_set(err, DF_ENOMEM, "%s", m->dir);
    if (!rc) rc = add_weights(m, m->text_weights, &l, err);
    if (!rc) rc = add_weights(m, m->unet_weights, &l, err);
    if (!rc) rc = add_weights(m, m->vae_weights, &l, err);
    if (!rc) {
        qsort(l.paths, l.n, sizeof *l.paths, by_name);
        rc = hash_files(m, &l, hex, err);
    }
    df_arena_free(&l.arena);
    free(l.paths);
    return rc;
}
