#include "client/input_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "coordinator/map.h"
#include "engine/image/image_file.h"
#include "engine/image/resize.h"

struct df_input_files {
    df_arena *arena;
    const char *folder;
    df_map pictures, loras; /* entries by path, as written */
};

typedef struct entry {
    df_input_file file;
    df_code code;
    const char *failure; /* where there is a code */
} entry;

df_input_files *df_input_files_new(const char *folder) {
    df_input_files *f = calloc(1, sizeof *f);
    if (f && (f->arena = df_arena_new()) && (f->folder = df_arena_strdup(f->arena, folder))) return f;
    df_input_files_free(&f);
    return NULL;
}

void df_input_files_free(df_input_files **files) {
    if (!files || !*files) return;
    df_map_free(&(*files)->pictures);
    df_map_free(&(*files)->loras);
    df_arena_free(&(*files)->arena);
    free(*files);
    *files = NULL;
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

/* model: NULL for a picture, else that of a LoRA. NULL when out of memory. */
static entry *look(df_input_files *f, const char *path, const df_model *model) {
    df_err why;
    entry *e = df_arena_alloc(f->arena, sizeof *e);
    if (!e) return NULL;
    e->file.path = *path == '/' ? df_arena_strdup(f->arena, path) : df_arena_printf(f->arena, "%s/%s", f->folder, path);
    if (!e->file.path) return NULL;
    e->code = model ? check_lora(&e->file, model, &why) : check_picture(&e->file, &why);
    if (e->code && !(e->failure = df_arena_strdup(f->arena, why.text))) return NULL;
    return df_map_put(model ? &f->loras : &f->pictures, path, strlen(path), e) ? e : NULL;
}

static df_code get(df_input_files *f, const char *path, const df_model *model, const df_input_file **out, df_err *err) {
    entry *e = df_map_get(model ? &f->loras : &f->pictures, path, strlen(path));
    if (!e && !(e = look(f, path, model))) return df_err_set(err, DF_ENOMEM, "the list of input files");
    *out = &e->file;
    return e->code ? df_err_set(err, e->code, "%s", e->failure) : DF_OK;
}

df_code df_input_files_picture(df_input_files *f, const char *path, const df_input_file **out, df_err *err) {
    return get(f, path, NULL, out, err);
}

df_code df_input_files_lora(df_input_files *f, const char *path, const df_model *model, const df_input_file **out,
                            df_err *err) {
    return get(f, path, model, out, err);
}
