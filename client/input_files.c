#include "client/input_files.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "coordinator/map.h"

enum { MAX_SIDE = 16384, HEAD_BYTES = 24 };

struct df_input_files {
    df_arena *arena;
    const char *folder;
    df_map by_path;
};

typedef struct entry {
    df_input_file file;
    df_err failure; /* code DF_OK: none */
} entry;

df_input_files *df_input_files_new(const char *folder) {
    df_input_files *f = calloc(1, sizeof *f);
    if (f && (f->arena = df_arena_new()) && (f->folder = df_arena_strdup(f->arena, folder))) return f;
    df_input_files_free(&f);
    return NULL;
}

void df_input_files_free(df_input_files **files) {
    if (!files || !*files) return;
    df_map_free(&(*files)->by_path);
    df_arena_free(&(*files)->arena);
    free(*files);
    *files = NULL;
}

static uint32_t big_endian(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Signature and first chunk; what lies behind is found out where the picture is decoded. */
static df_code read_size(df_input_file *file, const char *shown, df_err *err) {
    static const unsigned char begin[] = {
        0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R'
    };
    unsigned char head[HEAD_BYTES];
    FILE *f = fopen(file->path, "rb");
    if (!f) return df_err_errno(err, errno, "'%s'", shown);
    size_t n = fread(head, 1, sizeof head, f);
    fclose(f);
    if (n < sizeof head || memcmp(head, begin, sizeof begin))
        return df_err_set(err, DF_EFORMAT, "'%s' is no PNG file", shown);
    uint32_t width = big_endian(head + 16), height = big_endian(head + 20);
    if (!width || !height || width > MAX_SIDE || height > MAX_SIDE)
        return df_err_set(err, DF_ELIMIT, "'%s' is %ux%u pixels; sides are 1 to %d", shown, width, height, MAX_SIDE);
    file->width = (int)width;
    file->height = (int)height;
    return DF_OK;
}

static df_code check_lora(const df_input_file *file, const df_model *model, df_err *err) {
    return df_model_check_adapter(model, &(df_adapter_use) { .kind = DF_ADAPTER_LORA, .path = file->path }, err);
}

/* model: NULL for a picture, else that of a LoRA. */
static entry *look(df_input_files *f, const char *path, const df_model *model) {
    entry *e = df_arena_alloc(f->arena, sizeof *e);
    if (!e) return NULL;
    *e = (entry) { .file.path = *path == '/' ? df_arena_strdup(f->arena, path)
                                             : df_arena_printf(f->arena, "%s/%s", f->folder, path) };
    if (!e->file.path || !df_map_put(&f->by_path, path, strlen(path), e)) return NULL;
    df_code rc = model ? check_lora(&e->file, model, &e->failure) : read_size(&e->file, path, &e->failure);
    if (!rc) df_sha256_file(e->file.path, e->file.sha256, &e->failure);
    return e;
}

static df_code get(df_input_files *f, const char *path, const df_model *model, const df_input_file **out, df_err *err) {
    entry *e = df_map_get(&f->by_path, path, strlen(path));
    if (!e && !(e = look(f, path, model))) return df_err_set(err, DF_ENOMEM, "the list of input files");
    *out = &e->file;
    return e->failure.code ? df_err_set(err, e->failure.code, "%s", e->failure.text) : DF_OK;
}

df_code df_input_files_picture(df_input_files *f, const char *path, const df_input_file **out, df_err *err) {
    return get(f, path, NULL, out, err);
}

df_code df_input_files_lora(df_input_files *f, const char *path, const df_model *model, const df_input_file **out,
                            df_err *err) {
    return get(f, path, model, out, err);
}
