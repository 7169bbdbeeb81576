#include "client/provenance/out_check.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "coordinator/chain.h"
#include "coordinator/row.h"

enum { MAX_JOB_BYTES = 1 << 20, PNG_ENDING = 4 };

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

static df_code check_picture(df_out_check *c, uint64_t index, const char *file_name, const char *sha256, df_err *err) {
    char path[PATH_MAX], hex[DF_SHA256_HEX_BYTES];
    df_err why;
    if (!stays_inside(file_name)) {
        bad(c, file_name, "no name of a picture in OUT");
    } else if (snprintf(path, sizeof path, "%s/%s", c->dir, file_name) >= (int)sizeof path) {
        bad(c, file_name, "its path is too long");
    } else if (df_sha256_file(path, hex, &why)) {
        bad(c, file_name, why.text);
    } else if (strcmp(hex, sha256) != 0) {
        bad(c, file_name, "has other bytes than metadata.jsonl says");
    } else if (c->on_good) {
        return c->on_good(c->ctx, index, path, err);
    }
    return DF_OK;
}

static df_code check_line(df_out_check *c, const char *line, df_err *err) {
    json_t *row = json_loads(line, 0, NULL);
    const char *file_name = json_string_value(json_object_get(row, "file_name"));
    const char *sha256 = json_string_value(json_object_get(row, "sha256"));
    uint64_t index = c->n_rows++;
    df_code rc;
    if (!file_name || !sha256)
        rc = df_err_set(err, DF_EFORMAT, "%s/metadata.jsonl, line %llu: no file_name or sha256", c->dir,
                        (unsigned long long)index + 1);
    else if (!strncmp(file_name, "shard-", 6))
        rc = df_err_set(err, DF_EUNSUPPORTED, "%s: pictures in tar shards: unpack them beside metadata.jsonl first",
                        c->dir);
    else
        rc = check_picture(c, index, file_name, sha256, err);
    json_decref(row);
    return rc;
}

static df_code check_lines(df_out_check *c, FILE *lines, char root[DF_SHA256_HEX_BYTES], df_err *err) {
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    df_code rc = DF_OK;
    df_chain_begin(root);
    while (!rc && (n = getline(&line, &room, lines)) > 0) {
        if (!df_chain_add(root, line, (size_t)n)) rc = df_err_set(err, DF_ENOMEM, "a line");
        if (!rc) rc = check_line(c, line, err);
    }
    if (!rc && ferror(lines)) rc = df_err_errno(err, errno, "%s/metadata.jsonl", c->dir);
    free(line);
    return rc;
}

static df_code read_root(df_out_check *c, char root[DF_SHA256_HEX_BYTES], df_err *err) {
    char path[PATH_MAX], *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/job.json", c->dir);
    df_code rc = df_file_read(path, MAX_JOB_BYTES, &text, &bytes, err);
    if (rc) return rc;
    json_t *job = json_loadb(text, bytes, 0, NULL);
    const char *told = json_string_value(json_object_get(job, "metadata_root"));
    free(text);
    if (!job) return df_err_set(err, DF_EFORMAT, "%s: no JSON", path);
    c->has_root = told != NULL;
    snprintf(root, DF_SHA256_HEX_BYTES, "%s", told ? told : "");
    json_decref(job);
    return DF_OK;
}

df_code df_out_check_run(df_out_check *c, df_err *err) {
    char path[PATH_MAX], told[DF_SHA256_HEX_BYTES], root[DF_SHA256_HEX_BYTES];
    c->n_rows = c->n_bad = 0;
    c->root_matches = false;
    df_code rc = read_root(c, told, err);
    if (rc) return rc;
    snprintf(path, sizeof path, "%s/metadata.jsonl", c->dir);
    FILE *lines = fopen(path, "re");
    if (!lines) return df_err_errno(err, errno, "%s", path);
    rc = check_lines(c, lines, root, err);
    fclose(lines);
    c->root_matches = !rc && c->has_root && !strcmp(told, root);
    return rc;
}
