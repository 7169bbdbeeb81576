#include "coordinator/out_lists.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/file.h"
#include "coordinator/chain.h"
#include "coordinator/json_line.h"
#include "coordinator/metadata.h"
#include "coordinator/out_dir.h"
#include "coordinator/version.h"

enum { MAX_MARKER_BYTES = 1 << 20 };

typedef enum list_kind { METADATA, FAILURES, RUNS, N_LISTS } list_kind;

static const char marker_name[] = "job.json";
static const char *const names[N_LISTS] = { "metadata.jsonl", "failures.jsonl", "runs.jsonl" };

struct df_out_lists {
    const df_job *job; /* borrowed */
    df_out_dir *dir;
    int fds[N_LISTS]; /* -1 while not open */
    FILE *files[N_LISTS]; /* onto fds */
    uint64_t next_row;
    char root[DF_SHA256_HEX_BYTES]; /* of the chain over metadata.jsonl so far */
};

/* lines */

static json_t *failure_of(const df_stored_row *r) {
    return json_pack("{s:I, s:I, s:s, s:s, s:I, s:s}", "row", (json_int_t)r->is.row, "line", (json_int_t)r->is.line,
                     "name", r->is.name, "prompt", r->is.prompt, "seed", (json_int_t)r->is.seed, "error", r->error);
}

static json_t *run_of(const df_stored_row *r) {
    char stamp[DF_CLOCK_STAMP_BYTES];
    return json_pack("{s:I, s:s, s:s, s:f, s:i, s:i, s:s}", "row", (json_int_t)r->is.row, "state",
                     r->state == DF_ROW_DONE ? "done" : "failed", "worker", r->worker, "seconds", r->seconds,
                     "attempts", r->attempts, "workers_lost", r->lost, "finished",
                     r->state == DF_ROW_DONE ? df_clock_stamp(r->finished_ms, stamp) : "");
}

static df_code write_metadata(df_out_lists *l, const df_stored_row *r, df_err *err) {
    char *line = df_json_line_text(df_metadata_of(l->job, r));
    if (!line || !df_chain_add(l->root, line, strlen(line))) {
        free(line);
        return df_err_set(err, DF_ENOMEM, "a line of metadata.jsonl");
    }
    int failed = fputs(line, l->files[METADATA]) == EOF, why = errno;
    free(line);
    return failed ? df_err_errno(err, why, "metadata.jsonl") : DF_OK;
}

static df_code take_row(void *ctx, const df_stored_row *r, df_err *err) {
    df_out_lists *l = ctx;
    df_code rc;
    if (r->state == DF_ROW_DONE)
        rc = write_metadata(l, r, err);
    else
        rc = df_json_line_write(l->files[FAILURES], failure_of(r), err);
    l->next_row = r->is.row + 1;
    return rc ? rc : df_json_line_write(l->files[RUNS], run_of(r), err);
}

static json_t *job_of(const df_job *job, const char *root) {
    const df_job_spec *s = &job->spec;
    return json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s}", "title", s->title, "model",
                     s->model_name, "model_sha256", s->model_sha256, "dtype", s->dtype, "backend",
                     *s->backend ? s->backend : NULL, "noise", s->noise, "format", s->format, "n_rows",
                     (json_int_t)job->n_rows, "n_done", (json_int_t)job->n_done, "n_failed", (json_int_t)job->n_failed,
                     "manifest_sha256", s->manifest_sha256, "metadata_root", root, "software", DF_COORDINATOR_SOFTWARE);
}

/* files */

static df_code begin(df_out_dir *dir, const char *name, int *fd, FILE **file, df_err *err) {
    if ((*fd = df_out_dir_begin(dir, name, err)) < 0) return err->code;
    return (*file = df_disk_stream(*fd)) ? DF_OK : df_err_errno(err, errno, "%s", name);
}

/* Whatever of them is open. */
static int close_both(int *fd, FILE **file) {
    int failed = *file && fclose(*file);
    if (*fd >= 0 && df_disk_close(*fd)) failed = 1;
    *file = NULL;
    *fd = -1;
    return failed;
}

/* To the disk and into place; closes the file. */
static df_code finish(df_out_dir *dir, int *fd, FILE **file, const char *name, df_err *err) {
    int failed = fflush(*file) || df_disk_fsync(*fd), why = errno;
    if (close_both(fd, file) && !failed) {
        failed = 1;
        why = errno;
    }
    return failed ? df_err_errno(err, why, "%s", name) : df_out_dir_place(dir, name, err);
}

static df_code write_marker(df_out_lists *l, df_err *err) {
    FILE *file = NULL;
    int fd;
    df_code rc = begin(l->dir, marker_name, &fd, &file, err);
    if (!rc) rc = df_json_line_write(file, job_of(l->job, l->root), err);
    if (!rc) rc = finish(l->dir, &fd, &file, marker_name, err);
    close_both(&fd, &file);
    return rc ? rc : df_out_dir_sync(l->dir, err);
}

/* Is the marker in OUT the one that is to be written? After a retry it is that of the lists before; when a crash came
 * after all was in place it is, and nothing may be taken away. */
static bool marker_is_current(df_out_lists *l) {
    char *there = NULL, *wanted = NULL;
    size_t n_there = 0, n_wanted = 0;
    FILE *file = open_memstream(&wanted, &n_wanted);
    bool made = file && !df_json_line_write(file, job_of(l->job, l->root), NULL);
    if (file) fclose(file);
    bool same = made && !df_out_dir_read(l->dir, marker_name, MAX_MARKER_BYTES, &there, &n_there, NULL) &&
                n_there == n_wanted && !memcmp(there, wanted, n_wanted);
    free(there);
    free(wanted);
    return same;
}

static df_code finish_all(df_out_lists *l, df_err *err) {
    df_code rc = marker_is_current(l) ? DF_OK : df_out_dir_take_away(l->dir, marker_name, err);
    if (!rc) rc = df_out_dir_sync(l->dir, err);
    for (int i = 0; i < N_LISTS && !rc; i++) rc = finish(l->dir, &l->fds[i], &l->files[i], names[i], err);
    if (!rc) rc = df_out_dir_sync(l->dir, err); /* the lists are durable before their marker appears */
    return rc ? rc : write_marker(l, err);
}

df_code df_out_lists_check(const df_job *job, df_err *err) {
    char path[4096], *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/%s", job->spec.out_dir, marker_name);
    df_code rc = df_file_read(path, MAX_MARKER_BYTES, &text, &bytes, err);
    if (rc) return rc;
    json_t *marker = json_loadb(text, bytes, 0, NULL);
    const char *sha256 = json_string_value(json_object_get(marker, "manifest_sha256"));
    if (!sha256 || strcmp(sha256, job->spec.manifest_sha256) != 0)
        rc = df_err_set(err, DF_EEXIST, "%s: not of job %s any more", path, job->spec.job_id);
    json_decref(marker);
    free(text);
    return rc;
}

df_code df_out_lists_open(df_out_lists **out, const df_job *job, df_err *err) {
    df_out_lists *l = calloc(1, sizeof *l);
    if (!l) return df_err_set(err, DF_ENOMEM, "lists of job %s", job->spec.job_id);
    l->job = job;
    df_chain_begin(l->root);
    for (int i = 0; i < N_LISTS; i++) l->fds[i] = -1;
    df_code rc = df_out_dir_open(&l->dir, job->spec.out_dir, job->spec.job_id, err);
    for (int i = 0; i < N_LISTS && !rc; i++) rc = begin(l->dir, names[i], &l->fds[i], &l->files[i], err);
    if (rc)
        df_out_lists_close(&l);
    else
        *out = l;
    return rc;
}

void df_out_lists_close(df_out_lists **l) {
    if (!l || !*l) return;
    for (int i = 0; i < N_LISTS; i++) close_both(&(*l)->fds[i], &(*l)->files[i]);
    df_out_dir_close(&(*l)->dir);
    free(*l);
    *l = NULL;
}

df_code df_out_lists_step(df_out_lists *l, df_store *store, size_t max_rows, bool *done, df_err *err) {
    size_t n = 0;
    df_code rc = df_store_each_row(store, l->job->key, l->next_row, max_rows, take_row, l, &n, err);
    *done = !rc && n < max_rows;
    if (*done) rc = finish_all(l, err);
    return rc ? df_err_wrap(err, "%s", l->job->spec.out_dir) : DF_OK;
}
