#include "client/render/out_state.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "client/render/unpack.h"
#include "engine/image/contact_sheet.h"

#define MAX_CELL 256

static df_code path_in(const char *out_dir, const char *name, char *out, df_err *err) {
    int n = snprintf(out, PATH_MAX, "%s/%s", out_dir, name);
    return n > 0 && n < PATH_MAX ? DF_OK : df_err_set(err, DF_ELIMIT, "%s: path too long", out_dir);
}

df_code df_out_state_dir(const char *out_dir, char *out, df_err *err) {
    return path_in(out_dir, ".diffarm-render", out, err);
}

/* The manifest's hash in job.json: empty if the file is not there. */
static df_code finished_hash(const char *out_dir, char hex[DF_SHA256_HEX_BYTES], df_err *err) {
    char path[PATH_MAX];
    json_error_t why;
    df_code rc = path_in(out_dir, "job.json", path, err);
    hex[0] = '\0';
    if (rc) return rc;
    FILE *f = fopen(path, "re");
    if (!f) return errno == ENOENT || errno == ENOTDIR ? DF_OK : df_err_errno(err, errno, "%s", path);
    json_t *job = json_loadf(f, 0, &why);
    fclose(f);
    const char *found = json_string_value(json_object_get(job, "manifest_sha256"));
    snprintf(hex, DF_SHA256_HEX_BYTES, "%s", found ? found : "unknown");
    json_decref(job);
    return DF_OK;
}

static df_code begun_hash(const char *out_dir, char hex[DF_SHA256_HEX_BYTES], df_err *err) {
    char path[PATH_MAX], *text = NULL;
    size_t bytes;
    df_code rc = path_in(out_dir, ".diffarm-render/manifest_sha256", path, err);
    hex[0] = '\0';
    if (!rc) rc = df_file_read(path, 4096, &text, &bytes, err);
    if (rc) return rc == DF_ENOTFOUND ? DF_OK : rc;
    snprintf(hex, DF_SHA256_HEX_BYTES, "%s", text);
    free(text);
    return DF_OK;
}

/* First entry that is not hidden; "" if there is none. */
static df_code first_entry(const char *out_dir, char *name, size_t name_bytes, df_err *err) {
    name[0] = '\0';
    DIR *d = opendir(out_dir);
    if (!d) return errno == ENOENT ? DF_OK : df_err_errno(err, errno, "%s", out_dir);
    for (struct dirent *e; !name[0] && (e = readdir(d));)
        if (e->d_name[0] != '.' && strcmp(e->d_name, "lost+found")) snprintf(name, name_bytes, "%s", e->d_name);
    closedir(d);
    return DF_OK;
}

static df_code look_at_entries(const char *out_dir, df_err *err) {
    char name[256];
    df_code rc = first_entry(out_dir, name, sizeof name, err);
    if (rc || !name[0]) return rc;
    return df_err_set(err, DF_EEXIST, "%s: holds '%s' and no job of ours; choose another folder (-o), or empty it",
                      out_dir, name);
}

df_code df_out_look(const char *out_dir, const char *manifest_sha256, df_out_kind *kind, df_err *err) {
    char done[DF_SHA256_HEX_BYTES], begun[DF_SHA256_HEX_BYTES];
    df_code rc = finished_hash(out_dir, done, err);
    if (!rc) rc = begun_hash(out_dir, begun, err);
    if (rc) return rc;
    *kind = DF_OUT_COMPLETE;
    if (!strcmp(done, manifest_sha256)) return DF_OK;
    if (done[0])
        return df_err_set(err, DF_EEXIST,
                          "%s: holds the pictures of another job (other prompts, settings or model); "
                          "choose another folder (-o), or remove this one",
                          out_dir);
    *kind = DF_OUT_BEGUN;
    if (!strcmp(begun, manifest_sha256)) return DF_OK;
    if (begun[0])
        return df_err_set(err, DF_EEXIST,
                          "%s: holds another job that was begun and not finished; finish it with its own "
                          "command, choose another folder (-o), or remove this one",
                          out_dir);
    *kind = DF_OUT_NEW;
    return look_at_entries(out_dir, err);
}

df_code df_out_begin(const char *out_dir, const char *manifest_sha256, df_err *err) {
    char dir[PATH_MAX], path[PATH_MAX];
    df_code rc = df_out_state_dir(out_dir, dir, err);
    if (!rc) rc = path_in(dir, "manifest_sha256", path, err);
    if (!rc) rc = df_file_mkdirs(dir, err);
    return rc ? rc : df_file_write(path, manifest_sha256, strlen(manifest_sha256), err);
}

df_code df_out_tidy(const char *out_dir, df_err *err) {
    char dir[PATH_MAX];
    df_code rc = df_out_state_dir(out_dir, dir, err);
    if (!rc) rc = df_file_remove_tree(dir, err);
    if (!rc) rc = path_in(out_dir, ".diffarm", dir, err);
    return rc ? rc : df_file_remove_tree(dir, err);
}

uint64_t df_out_count_lines(const char *out_dir, const char *name) {
    char path[PATH_MAX];
    FILE *f = path_in(out_dir, name, path, NULL) ? NULL : fopen(path, "re");
    uint64_t n = 0;
    for (int c; f && (c = getc_unlocked(f)) != EOF;) n += c == '\n';
    if (f) fclose(f);
    return n;
}

/* contact sheet */

typedef struct paths {
    char **at;
    size_t n, cap;
} paths;

static df_code add_path(paths *p, const char *folder, const char *name, df_err *err) {
    if (p->n == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 64;
        char **at = realloc(p->at, cap * sizeof *at);
        if (!at) return df_err_set(err, DF_ENOMEM, "a contact sheet of %zu pictures", cap);
        p->at = at;
        p->cap = cap;
    }
    if (asprintf(&p->at[p->n], "%s/%s", folder, name) < 0) return df_err_set(err, DF_ENOMEM, "a contact sheet");
    p->n++;
    return DF_OK;
}

/* folder: where the pictures lie, OUT or what shards were unpacked to. */
static df_code read_paths(paths *p, const char *out_dir, const char *folder, df_err *err) {
    char path[PATH_MAX], *line = NULL;
    size_t cap = 0;
    df_code rc = path_in(out_dir, "metadata.jsonl", path, err);
    FILE *f = rc ? NULL : fopen(path, "re");
    if (!rc && !f) rc = df_err_errno(err, errno, "%s", path);
    while (!rc && getline(&line, &cap, f) > 0) {
        json_t *j = json_loads(line, 0, NULL);
        const char *name = json_string_value(json_object_get(j, "file_name"));
        rc = name ? add_path(p, folder, name, err) : df_err_set(err, DF_EFORMAT, "%s: a line without file_name", path);
        json_decref(j);
    }
    free(line);
    if (f) fclose(f);
    return rc;
}

df_code df_out_contact_sheet(const char *out_dir, const char *path, df_err *err) {
    paths p = { 0 };
    char unpacked[PATH_MAX];
    bool is_packed = false;
    df_code rc = path_in(out_dir, ".diffarm-render/pictures", unpacked, err);
    if (!rc) rc = df_unpack_shards(out_dir, unpacked, &is_packed, err);
    if (!rc) rc = read_paths(&p, out_dir, is_packed ? unpacked : out_dir, err);
    if (!rc && !p.n) rc = df_err_set(err, DF_EINVAL, "%s: no pictures for a contact sheet", out_dir);
    if (!rc) rc = df_contact_sheet_write(path, (const char *const *)p.at, (int)p.n, 0, MAX_CELL, err);
    for (size_t i = 0; i < p.n; i++) free(p.at[i]);
    free(p.at);
    if (is_packed) df_out_tidy(out_dir, NULL); /* a crash before this: the next run of the same command does it */
    return rc;
}
