#include "client/input_files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/beneath.h"
#include "coordinator/map.h"
#include "engine/adapters/embedding.h"
#include "engine/image/image_file.h"
#include "engine/image/resize.h"

typedef enum kind { PICTURE, LORA, EMBEDDING, N_KINDS } kind;

struct df_input_files {
    df_arena *arena;
    const char *folder;
    df_map trusted; /* by path */
    struct entry *first, **end; /* in the order they were found */
    df_map entries[N_KINDS]; /* by path, as written; of an embedding by "TOKEN=PATH" */
};

typedef struct entry {
    struct entry *next;
    df_input_file file;
    df_code code;
    const char *failure; /* where there is a code */
} entry;

df_input_files *df_input_files_new(const char *folder) {
    df_input_files *f = calloc(1, sizeof *f);
    if (f) f->end = &f->first;
    if (f && (f->arena = df_arena_new()) && (f->folder = df_arena_strdup(f->arena, folder))) return f;
    df_input_files_free(&f);
    return NULL;
}

void df_input_files_free(df_input_files **files) {
    if (!files || !*files) return;
    for (int i = 0; i < N_KINDS; i++) df_map_free(&(*files)->entries[i]);
    df_map_free(&(*files)->trusted);
    df_arena_free(&(*files)->arena);
    free(*files);
    *files = NULL;
}

bool df_input_files_trust(df_input_files *f, const char *path) {
    return df_map_put(&f->trusted, path, strlen(path), f);
}

/* May the manifest name it? */
static df_code check_place(const df_input_files *f, const char *path, df_err *err) {
    int fd;
    if (df_map_get(&f->trusted, path, strlen(path))) return DF_OK;
    df_err why;
    df_code rc = df_beneath_open(&fd, f->folder, path, &why);
    if (!rc) close(fd);
    return rc ? df_err_set(err, rc, "%s%s", why.text, rc == DF_EINVAL ? " (--inputs DIR names another folder)" : "")
              : rc;
}

/* Decoded whole: a damaged file is told now, not by a worker hours later. */
static df_code check_picture(df_input_file *file, df_err *err) {
    df_image image = { 0 };
    df_code rc = df_image_read(&image, file->path, file->sha256, err);
    file->width = image.width;
    file->height = image.height;
    df_image_clear(&image);
    return rc;
}

static df_code check_lora(df_input_file *file, const df_model *model, df_err *err) {
    const df_adapter_use use = { .kind = DF_ADAPTER_LORA, .path = file->path };
    df_code rc = df_model_check_adapter(model, &use, err);
    return rc ? rc : df_sha256_file(file->path, file->sha256, err);
}

/* file->token: as given, or NULL; it becomes the one that counts. */
static df_code check_embedding(df_input_files *f, df_input_file *file, const df_model *model, df_err *err) {
    const df_adapter_use use = { .kind = DF_ADAPTER_EMBEDDING, .path = file->path, .name = file->token };
    df_embedding *e = NULL;
    df_code rc = df_model_check_adapter(model, &use, err);
    if (!rc) rc = df_sha256_file(file->path, file->sha256, err);
    if (!rc) rc = df_embedding_open(&e, file->path, file->token, err);
    if (!rc && !(file->token = df_arena_strdup(f->arena, df_embedding_token(e))))
        rc = df_err_set(err, DF_ENOMEM, "%s", file->path);
    df_embedding_close(&e);
    return rc;
}

static df_code check(df_input_files *f, kind k, df_input_file *file, const df_model *model, df_err *err) {
    switch (k) {
    case LORA: return check_lora(file, model, err);
    case EMBEDDING: return check_embedding(f, file, model, err);
    default: return check_picture(file, err);
    }
}

/* key: the path as written, in front of it what else the result depends on. NULL when out of memory. */
static entry *look(df_input_files *f, kind k, const char *key, const char *path, const char *token,
                   const df_model *model) {
    df_err why;
    entry *e = df_arena_alloc(f->arena, sizeof *e);
    if (!e) return NULL;
    e->file.token = token;
    e->file.path = *path == '/' ? df_arena_strdup(f->arena, path) : df_arena_printf(f->arena, "%s/%s", f->folder, path);
    if (!e->file.path) return NULL;
    e->code = check_place(f, path, &why);
    if (!e->code) e->code = check(f, k, &e->file, model, &why);
    if (e->code && !(e->failure = df_arena_strdup(f->arena, why.text))) return NULL;
    if (!df_map_put(&f->entries[k], key, strlen(key), e)) return NULL;
    *f->end = e;
    f->end = &e->next;
    return e;
}

df_code df_input_files_each(const df_input_files *f, df_input_file_fn take, void *ctx, df_err *err) {
    df_code rc = DF_OK;
    for (const entry *e = f->first; e && !rc; e = e->next)
        if (!e->code) rc = take(ctx, &e->file, err);
    return rc;
}

static df_code result(const entry *e, const df_input_file **out, df_err *err) {
    if (!e) return df_err_set(err, DF_ENOMEM, "the list of input files");
    *out = &e->file;
    return e->code ? df_err_set(err, e->code, "%s", e->failure) : DF_OK;
}

static df_code get(df_input_files *f, kind k, const char *path, const df_model *model, const df_input_file **out,
                   df_err *err) {
    entry *e = df_map_get(&f->entries[k], path, strlen(path));
    if (!e) e = look(f, k, path, path, NULL, model);
    return result(e, out, err);
}

df_code df_input_files_picture(df_input_files *f, const char *path, const df_input_file **out, df_err *err) {
    return get(f, PICTURE, path, NULL, out, err);
}

df_code df_input_files_lora(df_input_files *f, const char *path, const df_model *model, const df_input_file **out,
                            df_err *err) {
    return get(f, LORA, path, model, out, err);
}

df_code df_input_files_embedding(df_input_files *f, const char *path, const char *token, size_t token_bytes,
                                 const df_model *model, const df_input_file **out, df_err *err) {
    char *key = df_arena_printf(f->arena, "%.*s=%s", (int)token_bytes, token ? token : "", path);
    if (!key) return result(NULL, out, err);
    entry *e = df_map_get(&f->entries[EMBEDDING], key, strlen(key));
    if (e) return result(e, out, err);
    const char *name = token_bytes ? df_arena_printf(f->arena, "%.*s", (int)token_bytes, token) : NULL;
    if (token_bytes && !name) return result(NULL, out, err);
    return result(look(f, EMBEDDING, key, path, name, model), out, err);
}
