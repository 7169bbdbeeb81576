#include "client/provenance/out_check.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "client/provenance/recipe.h"
#include "client/provenance/shard_check.h"
#include "coordinator/chain.h"
#include "coordinator/row.h"

enum { MAX_JOB_BYTES = 1 << 20, PNG_ENDING = 4, MAX_ROWS = 1000000000 };

typedef struct marker { /* what job.json says */
    char root[DF_SHA256_HEX_BYTES]; /* "" if nothing */
    bool is_tar;
    uint64_t n_rows; /* failed ones too */
} marker;

static void bad(df_out_check *c, const char *file_name, const char *why) {
    c->n_bad++;
    if (c->on_bad) c->on_bad(c->ctx, file_name, why);
}

/* A name as the coordinator gives them: it may not lead out of OUT. */
static bool stays_inside(const char *file_name) {
    char name[DF_ROW_PATH_BYTES];
    size_t n = strlen(file_name);
    unsigned long long row;
    int end = 0;
    if (n <= PNG_ENDING || n >= sizeof name || strcmp(file_name + n - PNG_ENDING, ".png") != 0) return false;
    if (sscanf(file_name, "images/%*6[0-9]/%llu.png%n", &row, &end) == 1 && (size_t)end == n) return true;
    snprintf(name, sizeof name, "%.*s", (int)(n - PNG_ENDING), file_name);
    return !df_row_check_name(name, NULL);
}

/* The picture in *png, to be freed; NULL if it is not as it should be. */
static void read_picture(df_out_check *c, const json_t *row, char **png, size_t *bytes) {
    const char *file_name = json_string_value(json_object_get(row, "file_name"));
    char path[PATH_MAX], hex[DF_SHA256_HEX_BYTES];
    df_err why;
    *png = NULL;
    if (!stays_inside(file_name)) {
        bad(c, file_name, "no name of a picture in OUT");
    } else if (snprintf(path, sizeof path, "%s/%s", c->dir, file_name) >= (int)sizeof path) {
        bad(c, file_name, "its path is too long");
    } else if (df_file_read(path, DF_RECIPE_MAX_PNG_BYTES, png, bytes, &why)) {
        *png = NULL;
        bad(c, file_name, why.text);
    } else {
        df_sha256_of(*png, *bytes, hex);
        if (!strcmp(hex, json_string_value(json_object_get(row, "sha256")))) return;
        bad(c, file_name, "has other bytes than metadata.jsonl says");
        free(*png);
        *png = NULL;
    }
}

static df_code check_row(df_out_check *c, df_shard_check *shards, const char *line, const json_t *row, uint64_t index,
                         df_err *err) {
    char *png = NULL;
    size_t bytes = 0;
    df_code rc = DF_OK;
    if (shards)
        rc = df_shard_check_line(shards, line, strlen(line), row, &png, &bytes, err);
    else
        read_picture(c, row, &png, &bytes);
    if (!rc && png && c->on_good)
        rc = c->on_good(c->ctx, index, json_string_value(json_object_get(row, "file_name")), &png, bytes, err);
    free(png);
    return rc;
}

static df_code check_line(df_out_check *c, df_shard_check *shards, const char *line, df_err *err) {
    json_t *row = json_loads(line, 0, NULL);
    uint64_t index = c->n_rows++;
    df_code rc;
    if (!json_is_string(json_object_get(row, "file_name")) || !json_is_string(json_object_get(row, "sha256")))
        rc = df_err_set(err, DF_EFORMAT, "%s/metadata.jsonl, line %llu: no file_name or sha256", c->dir,
                        (unsigned long long)index + 1);
    else
        rc = check_row(c, shards, line, row, index, err);
    json_decref(row);
    return rc;
}

static df_code check_lines(df_out_check *c, df_shard_check *shards, FILE *lines, char root[DF_SHA256_HEX_BYTES],
                           df_err *err) {
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    df_code rc = DF_OK;
    df_chain_begin(root);
    while (!rc && (n = getline(&line, &room, lines)) > 0) {
        if (!df_chain_add(root, line, (size_t)n)) rc = df_err_set(err, DF_ENOMEM, "a line");
        if (!rc) rc = check_line(c, shards, line, err);
    }
    if (!rc && ferror(lines)) rc = df_err_errno(err, errno, "%s/metadata.jsonl", c->dir);
    free(line);
    return rc || !shards ? rc : df_shard_check_end(shards, err);
}

static df_code read_marker(const df_out_check *c, marker *m, df_err *err) {
    char path[PATH_MAX], *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/job.json", c->dir);
    df_code rc = df_file_read(path, MAX_JOB_BYTES, &text, &bytes, err);
    if (rc) return rc;
    json_t *job = json_loadb(text, bytes, 0, NULL);
    const char *told = json_string_value(json_object_get(job, "metadata_root"));
    const char *format = json_string_value(json_object_get(job, "format"));
    json_int_t n_rows = json_integer_value(json_object_get(job, "n_rows"));
    free(text);
    if (!job) return df_err_set(err, DF_EFORMAT, "%s: no JSON", path);
    if (n_rows > MAX_ROWS) n_rows = 0; /* no job has so many: what is in its shards is then one too many */
    *m = (marker) { .is_tar = format && !strcmp(format, "tar"), .n_rows = n_rows > 0 ? (uint64_t)n_rows : 0 };
    snprintf(m->root, sizeof m->root, "%s", told ? told : "");
    json_decref(job);
    return DF_OK;
}

static void said_of_shard(void *ctx, const char *name, const char *why) {
    bad(ctx, name, why);
}

df_code df_out_check_run(df_out_check *c, df_err *err) {
    char path[PATH_MAX], root[DF_SHA256_HEX_BYTES];
    marker m;
    df_shard_check *shards = NULL;
    c->n_rows = c->n_bad = 0;
    c->root_matches = false;
    df_code rc = read_marker(c, &m, err);
    if (rc) return rc;
    snprintf(path, sizeof path, "%s/metadata.jsonl", c->dir);
    FILE *lines = fopen(path, "re");
    if (!lines) return df_err_errno(err, errno, "%s", path);
    if (m.is_tar) rc = df_shard_check_open(&shards, c->dir, m.n_rows, said_of_shard, c, err);
    if (!rc) rc = check_lines(c, shards, lines, root, err);
    df_shard_check_close(&shards);
    fclose(lines);
    c->has_root = *m.root;
    c->root_matches = !rc && c->has_root && !strcmp(m.root, root);
    return rc;
}
