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

enum { SLICE_BYTES = 8 << 20, MAX_PICTURE_BYTES = 256 << 20 };

struct df_tar_shard {
    const df_job *job; /* borrowed */
    df_out_dir *dir;
    char name[DF_TAR_SHARD_PATH_BYTES], stats_name[DF_TAR_SHARD_PATH_BYTES], loose[DF_TAR_SHARD_PATH_BYTES];
    uint64_t first_row, next_row, end_row;
    bool is_marked; /* archive and stats are in place, but perhaps not on the medium yet */
    bool is_whole; /* they are: their pictures were let go */
    int fd; /* of the archive, -1 while there is none */
    df_tar_file *tar;
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

/* The object as one line of text; caller frees *text. */
static df_code text_of(json_t *object, char **text, size_t *bytes, df_err *err) {
    *text = NULL;
    FILE *file = open_memstream(text, bytes);
    if (!file) {
        json_decref(object);
        return df_err_set(err, DF_ENOMEM, "a line of JSON");
    }
    df_code rc = df_json_line_write(file, object, err);
    if (fclose(file) && !rc) rc = df_err_set(err, DF_ENOMEM, "a line of JSON");
    return rc;
}

static df_code add_member(df_tar_shard *s, uint64_t row, const char *extension, const void *data, size_t bytes,
                          df_err *err) {
    char name[DF_TAR_SHARD_PATH_BYTES];
    df_err why;
    snprintf(name, sizeof name, "%08" PRIu64 ".%s", row, extension);
    df_code rc = df_tar_file_add(s->tar, name, data, bytes, &why);
    return rc ? df_err_set(err, rc, "%s/%s: %s", s->job->spec.out_dir, s->name, why.text) : DF_OK;
}

static df_code add_sample(df_tar_shard *s, const df_stored_row *row, const char *png, size_t bytes, df_err *err) {
    char *json = NULL;
    size_t json_bytes = 0;
    df_code rc = text_of(df_metadata_of(s->job, row), &json, &json_bytes, err);
    if (!rc) rc = add_member(s, row->is.row, "png", png, bytes, err);
    if (!rc) rc = add_member(s, row->is.row, "json", json, json_bytes, err);
    if (!rc) rc = add_member(s, row->is.row, "txt", row->is.prompt, strlen(row->is.prompt), err);
    free(json);
    return rc;
}

/* The picture as it was committed; NULL in *png if it is gone or has other bytes. */
static df_code read_picture(df_tar_shard *s, const df_stored_row *row, char **png, size_t *bytes, df_err *err) {
    char path[DF_TAR_SHARD_PATH_BYTES], sha256[DF_SHA256_HEX_BYTES];
    df_code rc = df_out_dir_read(s->dir, df_tar_shard_loose(path, row->is.row), MAX_PICTURE_BYTES, png, bytes, err);
    if (rc) {
        *png = NULL;
        return rc == DF_ENOTFOUND || rc == DF_EINVAL ? DF_OK : rc;
    }
    df_sha256_of(*png, *bytes, sha256);
    if (!strcmp(sha256, row->png_sha256)) return DF_OK;
    free(*png);
    *png = NULL;
    return DF_OK;
}

static df_code take_done(df_tar_shard *s, const df_stored_row *row, size_t *slice, df_err *err) {
    char *png;
    size_t bytes;
    df_code rc = read_picture(s, row, &png, &bytes, err);
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
    char *text;
    size_t n;
    json_t *stats =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:s}", "shard", s->name, "first_row", (json_int_t)s->first_row,
                  "n_rows", (json_int_t)(s->end_row - s->first_row), "n_done", (json_int_t)s->n_done, "n_failed",
                  (json_int_t)s->n_failed, "bytes", (json_int_t)bytes, "sha256", sha256);
    df_code rc = text_of(stats, &text, &n, err);
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
    rc = df_out_dir_place(s->dir, s->name, err);
    return rc ? rc : df_out_dir_sync(s->dir, err); /* the archive is durable before its mark appears */
}

static df_code finish(df_tar_shard *s, df_err *err) {
    uint64_t bytes;
    char sha256[DF_SHA256_HEX_BYTES];
    df_code rc = place(s, &bytes, sha256, err);
    return rc ? rc : write_stats(s, bytes, sha256, err);
}

static df_code begin(df_tar_shard *s, df_err *err) {
    s->fd = df_out_dir_begin(s->dir, s->name, err);
    return s->fd < 0 ? err->code : df_tar_file_open(&s->tar, s->fd, err);
}

static df_code look(df_tar_shard *s, df_err *err) {
    bool has_stats = false, has_archive = false, has_loose = false;
    df_code rc = df_out_dir_has(s->dir, s->stats_name, &has_stats, err);
    if (!rc) rc = df_out_dir_has(s->dir, s->name, &has_archive, err);
    if (!rc) rc = df_out_dir_has(s->dir, s->loose, &has_loose, err);
    s->is_marked = has_stats && has_archive;
    s->is_whole = s->is_marked && !has_loose;
    return rc;
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
    df_tar_file_close(&(*s)->tar);
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
    while (!s->is_whole && s->next_row < s->end_row && slice < SLICE_BYTES)
        if ((rc = take_row(s, store, &slice, err))) return rc;
    if (!s->is_whole && s->next_row < s->end_row) {
        sync_file_range(s->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* begun now, so that the sync at the end is short */
        return DF_OK;
    }
    if (s->n_lost && s->is_marked) s->is_whole = true; /* the removal was begun, so the marks were synced */
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
