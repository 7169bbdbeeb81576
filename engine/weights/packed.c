#include "engine/weights/packed.h"

#include <libdeflate.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "engine/weights/safetensors.h"

enum { ALIGN = 64, MAX_NAME = 512 };

static const char key_name[] = "diffarm packed weights";

struct df_packed {
    char path[PATH_MAX], dir[PATH_MAX];
    df_safetensors *file; /* NULL: none that is any good */
    df_safetensors_writer *writer; /* all entries, found ones too */
    bool complete; /* every entry asked for was in the file */
};

/* A file of this key, else none. */
static df_safetensors *open_file(const char *path, const char *key) {
    df_safetensors *f = NULL;
    if (df_safetensors_open(&f, path, NULL)) return NULL;
    const char *of = df_safetensors_metadata(f, key_name);
    if (!of || strcmp(of, key) != 0) df_safetensors_close(&f);
    return f;
}

df_code df_packed_open(df_packed **out, const char *dir, const char *key, df_err *err) {
    char hex[DF_SHA256_HEX_BYTES];
    df_packed *p = calloc(1, sizeof *p);
    if (!p || !(p->writer = df_safetensors_writer_new())) {
        df_packed_close(&p);
        return df_err_set(err, DF_ENOMEM, "packed weights");
    }
    df_sha256_of(key, strlen(key), hex);
    int n = snprintf(p->path, sizeof p->path, "%s/%s.safetensors", dir, hex);
    df_code rc = n < 0 || (size_t)n >= sizeof p->path ? df_err_set(err, DF_ELIMIT, "%s: path too long", dir) : DF_OK;
    if (!rc) rc = df_safetensors_writer_metadata(p->writer, key_name, key, err);
    if (rc) {
        df_packed_close(&p);
        return rc;
    }
    snprintf(p->dir, sizeof p->dir, "%s", dir);
    p->file = open_file(p->path, key);
    p->complete = p->file != NULL;
    *out = p;
    return DF_OK;
}

void df_packed_close(df_packed **packed) {
    df_packed *p = *packed;
    if (!p) return;
    df_safetensors_writer_free(&p->writer);
    df_safetensors_close(&p->file);
    free(p);
    *packed = NULL;
}

bool df_packed_has(const df_packed *p, const char *prefix) {
    for (int i = 0; p->file && i < df_safetensors_count(p->file); i++)
        if (!strncmp(df_safetensors_at(p->file, i)->name, prefix, strlen(prefix))) return true;
    return false;
}

/* Under the name of its entry, with something in front that no entry has. */
static const char *sum_name(char out[MAX_NAME], const char *name) {
    snprintf(out, MAX_NAME, "crc32 %s", name);
    return out;
}

static void sum_of(char hex[9], const void *data, size_t bytes) {
    snprintf(hex, 9, "%08x", (unsigned)libdeflate_crc32(0, data, bytes));
}

static const void *whole_entry(const df_packed *p, const char *name, size_t bytes) {
    char of[MAX_NAME], hex[9];
    const df_tensor_view *t = p->file ? df_safetensors_find(p->file, name) : NULL;
    if (!t || t->dtype != DF_U8 || (size_t)t->n_elements != bytes || (size_t)t->data % ALIGN) return NULL;
    const char *sum = df_safetensors_metadata(p->file, sum_name(of, name));
    sum_of(hex, t->data, bytes);
    return sum && !strcmp(sum, hex) ? t->data : NULL;
}

static df_code keep(df_packed *p, const char *name, const void *data, size_t bytes, df_err *err) {
    char of[MAX_NAME], hex[9];
    const int64_t dim[1] = { (int64_t)bytes };
    sum_of(hex, data, bytes);
    df_code rc = df_safetensors_writer_add(p->writer, name, DF_U8, dim, 1, data, err);
    return rc ? rc : df_safetensors_writer_metadata(p->writer, sum_name(of, name), hex, err);
}

const void *df_packed_find(df_packed *p, const char *name, size_t bytes) {
    const void *data = whole_entry(p, name, bytes);
    if (!data || keep(p, name, data, bytes, NULL)) p->complete = false;
    return data;
}

df_code df_packed_add(df_packed *p, const char *name, const void *data, size_t bytes, df_err *err) {
    p->complete = false;
    return bytes % ALIGN || strlen(name) + 8 > MAX_NAME ? DF_OK : keep(p, name, data, bytes, err);
}

df_code df_packed_save(df_packed *p, df_err *err) {
    if (p->complete) return DF_OK;
    df_code rc = df_file_mkdirs(p->dir, err);
    return rc ? rc : df_safetensors_writer_write(p->writer, p->path, err);
}
