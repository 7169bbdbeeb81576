#include "coordinator/tar_shard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/disk.h"
#include "coordinator/json_line.h"
#include "coordinator/metadata.h"
#include "coordinator/out_dir.h"
#include "coordinator/tar_file.h"
#include "coordinator/tar_source.h"
#include "coordinator/tar_stats.h"

enum { SLICE_BYTES = 8 << 20, MAX_STATS_BYTES = 1 << 16 };

static const char retried_name[] = DF_OUT_DIR_PRIVATE "/retried"; /* failed rows of this job were tried again */

struct df_tar_shard {
    const df_job *job; /* borrowed */
    df_out_dir *dir;
    char name[DF_TAR_SHARD_PATH_BYTES], stats_name[DF_TAR_SHARD_PATH_BYTES], loose[DF_TAR_SHARD_PATH_BYTES];
    uint64_t first_row, next_row, end_row;
    bool is_marked; /* stats are in place, but perhaps not on the medium yet */
    bool is_whole; /* they are: their pictures were let go */
    bool is_retried; /* failed rows of the job were tried again: its archive may hold what is not loose */
    bool may_be_old; /* it is whole, but perhaps without those rows */
    int fd; /* of the archive, -1 while there is none */
    df_tar_file *tar;
    df_tar_source *source;
    df_sha256 *lines; /* of metadata.jsonl so far */
    uint64_t n_done, n_failed;
    uint64_t lost[DF_TAR_SHARD_ROWS];
    size_t n_lost;
};

/* names */

uint64_t df_tar_shard_count(uint64_t n_rows) {
    return (n_rows + DF_TAR_SHARD_ROWS - 1) / DF_TAR_SHARD_ROWS;
}

char *df_tar_shard_loose(char *out, uint64_t row) {
    snprintf(out, DF_TAR_SHARD_PATH_BYTES, DF_OUT_DIR_PRIVATE "/shard-%06" PRIu64 "/%08" PRIu64 ".png",
             row / DF_TAR_SHARD_ROWS, row);
    return out;
}

char *df_tar_shard_member(char *out, uint64_t row) {
    snprintf(out, DF_TAR_SHARD_PATH_BYTES, "shard-%06" PRIu64 ".tar/%08" PRIu64 ".png", row / DF_TAR_SHARD_ROWS, row);
    return out;
}

static void set_names(df_tar_shard *s, uint64_t number) {
    snprintf(s->name, sizeof s->name, "shard-%06" PRIu64 ".tar", number);
    snprintf(s->stats_name, sizeof s->stats_name, "shard-%06" PRIu64 "_stats.json", number);
    snprintf(s->loose, sizeof s->loose, DF_OUT_DIR_PRIVATE "/shard-%06" PRIu64, number);
}

/* samples */

static df_code add_member(df_tar_shard *s, uint64_t row, const char *extension, const void *data, size_t bytes,
                          df_err *err) {
    char name[DF_TAR_SHARD_PATH_BYTES];
    df_err why;
    snprintf(name, sizeof name, "%08" PRIu64 ".%s", row, extension);
    df_code rc = df_tar_file_add(s->tar, name, data, bytes, &why);
    return rc ? df_err_set(err, rc, "%s/%s: %s", s->job->spec.out_dir, s->name, why.text) : DF_OK;
}

static df_code add_sample(df_tar_shard *s, const df_stored_row *row, const char *png, size_t bytes, df_err *err) {
    char *json = df_json_line_text(df_metadata_of(s->job, row));
    if (!json) return df_err_set(err, DF_ENOMEM, "a line of metadata.jsonl");
    size_t json_bytes = strlen(json);
    df_sha256_add(s->lines, json, json_bytes);
    df_code rc = add_member(s, row->is.row, "png", png, bytes, err);
    if (!rc) rc = add_member(s, row->is.row, "json", json, json_bytes, err);
    if (!rc) rc = add_member(s, row->is.row, "txt", row->is.prompt, strlen(row->is.prompt), err);
    free(json);
    return rc;
}

static df_code take_done(df_tar_shard *s, const df_stored_row *row, size_t *slice, df_err *err) {
    char *png;
    size_t bytes;
    df_code rc = df_tar_source_read(s->source, row->is.row, row->png_sha256, &png, &bytes, err);
    if (rc) return rc;
    if (!png) {
        s->lost[s->n_lost++] = row->is.row;
        return DF_OK;
    }
    *slice += bytes;
    s->n_done++;
    if (!s->n_lost) rc = add_sample(s, row, png, bytes, err); /* else it is only looked for what else is lost */
    free(png);
    return rc;
}

static df_code take_row(df_tar_shard *s, df_store *store, size_t *slice, df_err *err) {
    df_stored_row row;
    df_arena *arena = df_arena_new();
    if (!arena) return df_err_set(err, DF_ENOMEM, "a row");
    df_code rc = df_store_read_row(store, s->job->key, s->next_row, arena, &row, err);
    if (!rc && row.state == DF_ROW_DONE) rc = take_done(s, &row, slice, err);
    if (!rc && row.state == DF_ROW_FAILED) s->n_failed++;
    if (!rc && row.state != DF_ROW_DONE && row.state != DF_ROW_FAILED)
        rc = df_err_set(err, DF_EINTERNAL, "%s: row %" PRIu64 " is not finished", s->name, s->next_row);
    df_arena_free(&arena);
    if (!rc) s->next_row++;
    return rc;
}

/* into place */

static df_code write_stats(df_tar_shard *s, uint64_t bytes, const char *sha256, df_err *err) {
    char *text = NULL;
    size_t n;
    df_tar_stats stats = { .first_row = s->first_row,
                           .n_rows = s->end_row - s->first_row,
                           .n_done = s->n_done,
                           .n_failed = s->n_failed,
                           .bytes = bytes };
    memcpy(stats.shard, s->name, sizeof stats.shard);
    memcpy(stats.sha256, sha256, sizeof stats.sha256);
    df_sha256_end(&s->lines, stats.metadata_sha256);
    df_code rc = df_tar_stats_write(&stats, &text, &n, err);
    if (!rc) rc = df_out_dir_write(s->dir, s->stats_name, text, n, err);
    if (!rc) rc = df_out_dir_sync(s->dir, err);
    free(text);
    return rc;
}

static df_code place(df_tar_shard *s, uint64_t *bytes, char *sha256, df_err *err) {
    df_err why;
    df_code rc = df_tar_file_end(s->tar, bytes, sha256, &why);
    if (!rc && df_disk_fsync(s->fd)) rc = df_err_errno(&why, errno, "sync");
    int fd = s->fd;
    s->fd = -1;
    if (df_disk_close(fd) && !rc) rc = df_err_errno(&why, errno, "close");
    if (rc) {
        df_out_dir_drop(s->dir, s->name);
        return df_err_set(err, rc, "%s/%s: %s", s->job->spec.out_dir, s->name, why.text);
    }
    if (s->is_retried) rc = df_out_dir_take_away(s->dir, s->stats_name, err);
    if (!rc && s->is_retried) rc = df_out_dir_sync(s->dir, err); /* the old mark is gone before its archive goes */
    if (!rc) rc = df_out_dir_place(s->dir, s->name, err);
    return rc ? rc : df_out_dir_sync(s->dir, err); /* the archive is durable before its mark appears */
}

static df_code finish(df_tar_shard *s, df_err *err) {
    uint64_t bytes;
    char sha256[DF_SHA256_HEX_BYTES];
    df_code rc = place(s, &bytes, sha256, err);
    return rc ? rc : write_stats(s, bytes, sha256, err);
}

static df_code begin(df_tar_shard *s, df_err *err) {
    s->next_row = s->first_row;
    if (!(s->lines = df_sha256_new())) return df_err_set(err, DF_ENOMEM, "a tar shard");
    df_code rc = df_tar_source_open(&s->source, s->dir, s->is_retried ? s->name : NULL, err);
    if (rc) return rc;
    s->fd = df_out_dir_begin(s->dir, s->name, err);
    return s->fd < 0 ? err->code : df_tar_file_open(&s->tar, s->fd, err);
}

/* what is there */

static df_code look(df_tar_shard *s, df_err *err) {
    bool has_stats = false, has_archive = false, has_loose = false;
    df_code rc = df_out_dir_has(s->dir, s->stats_name, &has_stats, err);
    if (!rc) rc = df_out_dir_has(s->dir, s->name, &has_archive, err);
    if (!rc) rc = df_out_dir_has(s->dir, s->loose, &has_loose, err);
    if (!rc) rc = df_out_dir_has(s->dir, retried_name, &s->is_retried, err);
    s->is_marked = has_stats && has_archive;
    s->is_whole = s->is_marked && !has_loose;
    s->may_be_old = s->is_whole && s->is_retried;
    return rc;
}

df_code df_tar_shard_may_be_old(const df_job *job, df_err *err) {
    df_out_dir *dir = NULL;
    df_code rc = df_out_dir_open(&dir, job->spec.out_dir, job->spec.job_id, err);
    if (!rc) rc = df_out_dir_write(dir, retried_name, "", 0, err);
    if (!rc) rc = df_out_dir_sync(dir, err);
    df_out_dir_close(&dir);
    return rc;
}

typedef struct line_count {
    const df_job *job;
    df_sha256 *lines;
} line_count;

static df_code add_line(void *ctx, const df_stored_row *row, df_err *err) {
    line_count *c = ctx;
    if (row->state != DF_ROW_DONE) return DF_OK;
    char *json = df_json_line_text(df_metadata_of(c->job, row));
    if (!json) return df_err_set(err, DF_ENOMEM, "a line of metadata.jsonl");
    df_sha256_add(c->lines, json, strlen(json));
    free(json);
    return DF_OK;
}

/* What its stats say of its lines; "" where they cannot be read. */
static void told_lines(df_tar_shard *s, char hex[DF_SHA256_HEX_BYTES]) {
    char *text = NULL;
    size_t bytes = 0;
    df_tar_stats stats = { 0 };
    if (!df_out_dir_read(s->dir, s->stats_name, MAX_STATS_BYTES, &text, &bytes, NULL))
        df_tar_stats_read(&stats, text, bytes, NULL);
    free(text);
    memcpy(hex, stats.metadata_sha256, DF_SHA256_HEX_BYTES);
}

/* A row that is done now may be missing in it, or be another row's double: lines tell both. */
static df_code check_age(df_tar_shard *s, df_store *store, df_err *err) {
    char now[DF_SHA256_HEX_BYTES], told[DF_SHA256_HEX_BYTES];
    size_t n;
    line_count c = { s->job, df_sha256_new() };
    if (!c.lines) return df_err_set(err, DF_ENOMEM, "a tar shard");
    df_code rc = df_store_each_row(store, s->job->key, s->first_row, s->end_row - s->first_row, add_line, &c, &n, err);
    df_sha256_end(&c.lines, now);
    if (rc) return rc;
    told_lines(s, told);
    s->may_be_old = false;
    s->is_whole = !strcmp(now, told);
    return s->is_whole ? DF_OK : begin(s, err);
}

/* the whole */

df_code df_tar_shard_open(df_tar_shard **out, const df_job *job, uint64_t number, df_err *err) {
    df_tar_shard *s = calloc(1, sizeof *s);
    df_err why;
    if (!s) return df_err_set(err, DF_ENOMEM, "a tar shard");
    s->job = job;
    s->fd = -1;
    s->first_row = s->next_row = number * DF_TAR_SHARD_ROWS;
    s->end_row = s->first_row + DF_TAR_SHARD_ROWS < job->n_rows ? s->first_row + DF_TAR_SHARD_ROWS : job->n_rows;
    set_names(s, number);
    df_code rc = df_out_dir_open(&s->dir, job->spec.out_dir, job->spec.job_id, &why);
    if (!rc) rc = look(s, &why);
    if (!rc && !s->is_whole) rc = begin(s, &why);
    if (rc) {
        df_tar_shard_close(&s);
        return df_err_set(err, rc, "%s", why.text);
    }
    *out = s;
    return DF_OK;
}

void df_tar_shard_close(df_tar_shard **s) {
    if (!s || !*s) return;
    char unused[DF_SHA256_HEX_BYTES];
    df_tar_file_close(&(*s)->tar);
    df_tar_source_close(&(*s)->source);
    if ((*s)->lines) df_sha256_end(&(*s)->lines, unused);
    if ((*s)->fd >= 0) {
        df_disk_close((*s)->fd);
        df_out_dir_drop((*s)->dir, (*s)->name); /* half of it only takes space that may be missing */
    }
    df_out_dir_close(&(*s)->dir);
    free(*s);
    *s = NULL;
}

df_code df_tar_shard_step(df_tar_shard *s, df_store *store, df_tar_shard_end *end, df_err *err) {
    df_code rc = DF_OK;
    size_t slice = 0;
    *end = DF_TAR_SHARD_GOES_ON;
    if (s->may_be_old && (rc = check_age(s, store, err))) return rc;
    while (!s->is_whole && s->next_row < s->end_row && slice < SLICE_BYTES)
        if ((rc = take_row(s, store, &slice, err))) return rc;
    if (!s->is_whole && s->next_row < s->end_row) {
        sync_file_range(s->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* begun now, so that the sync at the end is short */
        return DF_OK;
    }
    if (s->n_lost && s->is_marked && !s->is_retried)
        s->is_whole = true; /* the removal was begun, so the marks were synced */
    if (s->n_lost && !s->is_whole) {
        *end = DF_TAR_SHARD_LACKS;
        return DF_OK;
    }
    if (!s->is_whole && (rc = finish(s, err))) return rc;
    *end = s->is_whole ? DF_TAR_SHARD_WAS_WHOLE : DF_TAR_SHARD_WHOLE;
    df_out_dir_remove(s->dir, s->loose); /* what this leaves goes with OUT/.diffarm */
    return DF_OK;
}

const uint64_t *df_tar_shard_lost(const df_tar_shard *s, size_t *n) {
    *n = s->n_lost;
    return s->lost;
}
