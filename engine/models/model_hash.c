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

static df_code add_file(const df_model *m, file_list *l, bool optional, const char *dir, const char *name,
                        df_err *err) {
    const char *path = df_arena_printf(l->arena, "%s%s%s", dir, *dir ? "/" : "", name);
    const char *whole = path ? df_model_path(l->arena, m, path) : NULL;
    if (!whole) return df_err_set(err, DF_ENOMEM, "%s", m->dir);
    return optional && access(whole, F_OK) ? DF_OK : list_add(l, path, err);
}

static df_code add_tokenizer(const df_model *m, int tokenizer, file_list *l, df_err *err) {
    static const struct {
        const char *name;
        bool clip, t5, optional;
    } files[] = {
        { "vocab.json", true, false, false },
        { "merges.txt", true, false, false },
        { "spiece.model", false, true, false },
        { "tokenizer_config.json", true, true, true },
        { "special_tokens_map.json", true, true, true },
    };
    bool t5 = m->index.pipeline->tokenizer[tokenizer] == DF_TOKENIZER_T5;
    df_code rc = DF_OK;
    for (size_t i = 0; i < sizeof files / sizeof files[0] && !rc; i++)
        if (t5 ? files[i].t5 : files[i].clip)
            rc = add_file(m, l, files[i].optional, df_tokenizer_folder(tokenizer), files[i].name, err);
    return rc;
}

static bool has_tokenizer(const df_model *m, int i) {
    return m->index.pipeline->tokenizer[i] == DF_TOKENIZER_T5 ? m->t5_tokenizer != NULL : m->tokenizer[i] != NULL;
}

static df_code add_configs(const df_model *m, file_list *l, df_err *err) {
    static const char scheduler[] = "scheduler_config.json";
    df_code rc = add_file(m, l, false, "", "model_index.json", err);
    if (!rc) rc = add_file(m, l, false, "scheduler", scheduler, err);
    if (!rc && m->index.pipeline->low_res_scheduler) rc = add_file(m, l, false, "low_res_scheduler", scheduler, err);
    for (int i = 0; i < DF_PART_COUNT && !rc; i++)
        if (m->part[i].klass) rc = add_file(m, l, false, m->index.pipeline->part[i].folder, "config.json", err);
    for (int i = 0; i < DF_MAX_TOKENIZERS && !rc; i++)
        if (has_tokenizer(m, i)) rc = add_tokenizer(m, i, l, err);
    return rc;
}

static df_code add_weights(const df_model *m, const df_weights *w, file_list *l, df_err *err) {
    if (m->one_file) return DF_OK; /* all parts lie in the same */
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

/* Last, after the configs, whatever its name is: a file that was renamed is the same model. */
static df_code hash_checkpoint(const df_model *m, df_buf *lines, df_err *err) {
    char hex[DF_SHA256_HEX_BYTES];
    df_code rc = df_sha256_file(m->path, hex, err);
    if (!rc) df_buf_printf(lines, "%s  checkpoint\n", hex);
    return rc;
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
    if (!rc && m->one_file) rc = hash_checkpoint(m, &lines, err);
    if (!rc && lines.failed) rc = df_err_set(err, DF_ENOMEM, "%s: list of hashes", m->dir);
    if (!rc) df_sha256_of(lines.data, lines.len, hex);
    df_buf_free(&lines);
    return rc;
}

df_code df_model_sha256(const df_model *m, char hex[DF_SHA256_HEX_BYTES], df_err *err) {
    file_list l = { .arena = df_arena_new() };
    df_code rc = l.arena ? add_configs(m, &l, err) : df_err_set(err, DF_ENOMEM, "%s", m->dir);
    for (int i = 0; i < DF_PART_COUNT && !rc; i++)
        if (m->part[i].klass) rc = add_weights(m, m->part[i].weights, &l, err);
    if (!rc) {
        qsort(l.paths, l.n, sizeof *l.paths, by_name);
        rc = hash_files(m, &l, hex, err);
    }
    df_arena_free(&l.arena);
    free(l.paths);
    return rc;
}
