#include "client/provenance/shard_check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "coordinator/tar_reader.h"
#include "coordinator/tar_shard.h"
#include "coordinator/tar_stats.h"

enum { MAX_MEMBER_BYTES = 256 << 20, MAX_STATS_BYTES = 1 << 16 };

struct df_shard_check {
    const char *dir; /* borrowed */
    df_shard_said_fn said;
    void *ctx;
    uint64_t n_rows, next; /* shard that is opened next; the open one is before it */
    char name[DF_TAR_SHARD_PATH_BYTES], path[PATH_MAX];
    df_tar_reader *reader; /* NULL: none is open, or it cannot be read on */
    df_sha256 *lines; /* of the open shard; NULL: none is */
    uint64_t n_done;
};

static void say(const df_shard_check *c, const char *what, const char *text, ...) __attribute__((format(printf, 3, 4)));

static void say(const df_shard_check *c, const char *what, const char *text, ...) {
    char why[512];
    va_list args;
    va_start(args, text);
    vsnprintf(why, sizeof why, text, args);
    va_end(args);
    c->said(c->ctx, what, why);
}

df_code df_shard_check_open(df_shard_check **out, const char *dir, uint64_t n_rows, df_shard_said_fn said, void *ctx,
                            df_err *err) {
    df_shard_check *c = calloc(1, sizeof *c);
    if (!c) return df_err_set(err, DF_ENOMEM, "%s", dir);
    c->dir = dir;
    c->n_rows = n_rows;
    c->said = said;
    c->ctx = ctx;
    *out = c;
    return DF_OK;
}

void df_shard_check_close(df_shard_check **c) {
    char unused[DF_SHA256_HEX_BYTES];
    if (!c || !*c) return;
    df_tar_reader_close(&(*c)->reader);
    if ((*c)->lines) df_sha256_end(&(*c)->lines, unused);
    free(*c);
    *c = NULL;
}

/* the whole of a shard */

static df_code begin_shard(df_shard_check *c, df_err *err) {
    snprintf(c->name, sizeof c->name, "shard-%06" PRIu64 ".tar", c->next++);
    c->n_done = 0;
    if (!(c->lines = df_sha256_new())) return df_err_set(err, DF_ENOMEM, "%s", c->name);
    if ((size_t)snprintf(c->path, sizeof c->path, "%s/%s", c->dir, c->name) >= sizeof c->path)
        return df_err_set(err, DF_ELIMIT, "%s: path too long", c->dir);
    int fd = open(c->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        say(c, c->name, "%s; retry or submit the job again", strerror(errno));
        return DF_OK;
    }
    return df_tar_reader_open(&c->reader, fd, err);
}

static bool read_stats(df_shard_check *c, df_tar_stats *stats) {
    char path[PATH_MAX + 16], *text;
    size_t bytes;
    df_err why;
    snprintf(path, sizeof path, "%.*s_stats.json", (int)(strlen(c->path) - strlen(".tar")), c->path);
    if (df_file_read(path, MAX_STATS_BYTES, &text, &bytes, &why)) {
        say(c, c->name, "%s", why.text);
        return false;
    }
    df_code rc = df_tar_stats_read(stats, text, bytes, &why);
    free(text);
    if (rc) say(c, c->name, "%s: %s", path, why.text);
    return !rc;
}

static void check_stats(df_shard_check *c, const char *lines) {
    char sha256[DF_SHA256_HEX_BYTES];
    df_tar_stats s;
    df_err why;
    uint64_t first = (c->next - 1) * DF_TAR_SHARD_ROWS, left = c->n_rows - first;
    if (!read_stats(c, &s)) return;
    if (strcmp(s.shard, c->name) != 0 || s.first_row != first || s.n_done != c->n_done ||
        s.n_rows != (left < DF_TAR_SHARD_ROWS ? left : DF_TAR_SHARD_ROWS) || s.n_failed != s.n_rows - s.n_done)
        say(c, c->name, "its stats count other rows than metadata.jsonl");
    if (*s.metadata_sha256 && strcmp(s.metadata_sha256, lines) != 0)
        say(c, c->name, "its stats are of other lines than those of metadata.jsonl");
    if (df_sha256_file(c->path, sha256, &why))
        say(c, c->name, "%s", why.text);
    else if (strcmp(sha256, s.sha256) != 0)
        say(c, c->name, "has other bytes than its stats say");
}

static df_code end_shard(df_shard_check *c, df_err *err) {
    char lines[DF_SHA256_HEX_BYTES];
    const char *name;
    df_err why;
    df_code rc = DF_OK;
    df_sha256_end(&c->lines, lines);
    if (!c->reader) return DF_OK; /* what was said of it is enough */
    df_code end = df_tar_reader_next(c->reader, &name, &why);
    if (!end)
        say(c, c->name, "holds %s, which metadata.jsonl does not", name);
    else if (end == DF_EFORMAT)
        say(c, c->name, "its end is damaged: %s", why.text);
    else if (end != DF_ENOTFOUND)
        rc = df_err_set(err, end, "%s: %s", c->path, why.text);
    df_tar_reader_close(&c->reader);
    if (!rc) check_stats(c, lines);
    return rc;
}

static df_code go_to(df_shard_check *c, uint64_t shard, df_err *err) {
    df_code rc = DF_OK;
    while (!rc && c->next <= shard) {
        if (c->lines) rc = end_shard(c, err);
        if (!rc) rc = begin_shard(c, err);
    }
    return rc;
}

df_code df_shard_check_end(df_shard_check *c, df_err *err) {
    uint64_t n = df_tar_shard_count(c->n_rows);
    df_code rc = n ? go_to(c, n - 1, err) : DF_OK;
    return !rc && c->lines ? end_shard(c, err) : rc;
}

/* samples */

/* The next member, if it is ROW.EXTENSION; NULL where it is not, and the shard is read no further. */
static df_code take(df_shard_check *c, uint64_t row, const char *extension, char **data, size_t *bytes, df_err *err) {
    char wanted[32];
    const char *name = NULL;
    df_err why;
    *data = NULL;
    if (!c->reader) return DF_OK;
    snprintf(wanted, sizeof wanted, "%08" PRIu64 ".%s", row, extension);
    df_code rc = df_tar_reader_next(c->reader, &name, &why);
    bool other = !rc && strcmp(name, wanted) != 0;
    if (other) say(c, c->name, "holds %s where %s should be", name, wanted);
    if (!rc && !other) rc = df_tar_reader_take(c->reader, MAX_MEMBER_BYTES, data, bytes, &why);
    if (!rc && !other) return DF_OK;
    *data = NULL;
    if (rc && rc != DF_ENOTFOUND && rc != DF_EFORMAT) return df_err_set(err, rc, "%s: %s", c->path, why.text);
    if (rc) say(c, c->name, "is cut or damaged at %s: %s", wanted, why.text);
    df_tar_reader_close(&c->reader);
    return DF_OK;
}

/* The member holds these bytes. */
static df_code expect(df_shard_check *c, uint64_t row, const char *extension, const char *data, size_t bytes,
                      df_err *err) {
    char *got;
    size_t n = 0;
    df_code rc = take(c, row, extension, &got, &n, err);
    if (!rc && got && (n != bytes || memcmp(got, data, n) != 0))
        say(c, c->name, "%08" PRIu64 ".%s is not what metadata.jsonl says", row, extension);
    free(got);
    return rc;
}

df_code df_shard_check_line(df_shard_check *c, const char *line, size_t line_bytes, const json_t *row, char **png,
                            size_t *png_bytes, df_err *err) {
    char sha256[DF_SHA256_HEX_BYTES], member[DF_TAR_SHARD_PATH_BYTES];
    const char *file = json_string_value(json_object_get(row, "file_name"));
    const char *told = json_string_value(json_object_get(row, "sha256"));
    const char *prompt = json_string_value(json_object_get(row, "prompt"));
    json_int_t number = json_integer_value(json_object_get(row, "row"));
    uint64_t index = number < 0 ? c->n_rows : (uint64_t)number;
    *png = NULL;
    if (index >= c->n_rows || index / DF_TAR_SHARD_ROWS + 1 < c->next || !file || !told || !prompt ||
        strcmp(file, df_tar_shard_member(member, index)) != 0) {
        say(c, file ? file : "metadata.jsonl", "no sample of this job, or out of order");
        return DF_OK;
    }
    df_code rc = go_to(c, index / DF_TAR_SHARD_ROWS, err);
    if (rc) return rc;
    df_sha256_add(c->lines, line, line_bytes);
    c->n_done++;
    if ((rc = take(c, index, "png", png, png_bytes, err))) return rc;
    if (*png) {
        df_sha256_of(*png, *png_bytes, sha256);
        if (strcmp(sha256, told) != 0) {
            say(c, file, "has other bytes than metadata.jsonl says");
            free(*png);
            *png = NULL;
        }
    }
    rc = expect(c, index, "json", line, line_bytes, err);
    return rc ? rc : expect(c, index, "txt", prompt, strlen(prompt), err);
}
