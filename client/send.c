#include "client/send.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "client/upload.h"

#define BATCH_ROWS 512
#define BATCH_BYTES (1u << 20)
#define MAX_STARTS 20

typedef struct sending {
    df_link *link;
    df_draft *job;
    int timeout_ms;
    df_sha256 *hash; /* of what is sent: the manifest may have changed since it was checked */
    char coordinator[80]; /* that was told Begin */
    bool start_over;
    df_arena *texts; /* of the batch */
    Diffarm__Row row[BATCH_ROWS], *rows[BATCH_ROWS];
    size_t n, bytes;
    uint64_t batch;
} sending;

df_code df_job_id_new(char out[DF_JOB_ID_BYTES], df_err *err) {
    uint64_t id;
    if (getrandom(&id, sizeof id, 0) != sizeof id) return df_err_errno(err, errno, "a random job id");
    snprintf(out, DF_JOB_ID_BYTES, "%016llx", (unsigned long long)id);
    return DF_OK;
}

/* True if rows that were sent may be forgotten by now. */
static bool other_coordinator(const sending *s) {
    return s->coordinator[0] && strcmp(s->coordinator, df_link_coordinator(s->link));
}

/* ENOTFOUND in the middle of an upload: it was forgotten with the coordinator that took its beginning. */
static df_code answer_of(sending *s, const Diffarm__Message *question, const Diffarm__Message *m, df_err *err) {
    if (m->body_case != DIFFARM__MESSAGE__BODY_REPLY)
        return df_err_set(err, DF_EPROTOCOL, "the coordinator answered with a message of kind %d", m->body_case);
    s->start_over = m->reply->code == DF_ENOTFOUND && question->body_case != DIFFARM__MESSAGE__BODY_SUBMIT_BEGIN;
    return m->reply->code ? df_err_set(err, (df_code)m->reply->code, "%s", m->reply->text) : DF_OK;
}

static df_code ask(sending *s, Diffarm__Message *msg, df_err *err) {
    df_wire_in in;
    int64_t deadline = s->timeout_ms < 0 ? INT64_MAX : df_clock_ms() + s->timeout_ms;
    df_code rc = df_link_ask(s->link, msg, &in, deadline, err);
    if (rc) return rc;
    if (other_coordinator(s)) {
        s->start_over = true;
        rc = df_err_set(err, DF_ECANCELLED, "the coordinator was started anew");
    } else {
        rc = answer_of(s, msg, in.msg, err);
    }
    df_wire_in_free(&in);
    return rc;
}

static df_code send_begin(sending *s, df_err *err) {
    Diffarm__SubmitBegin begin = DIFFARM__SUBMIT_BEGIN__INIT;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    begin.job = &s->job->spec;
    m.body_case = DIFFARM__MESSAGE__BODY_SUBMIT_BEGIN;
    m.submit_begin = &begin;
    df_code rc = ask(s, &m, err);
    if (!rc) snprintf(s->coordinator, sizeof s->coordinator, "%s", df_link_coordinator(s->link));
    return rc;
}

static df_code send_batch(sending *s, df_err *err) {
    if (!s->n) return DF_OK;
    Diffarm__SubmitRows rows = DIFFARM__SUBMIT_ROWS__INIT;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    rows.job_id = s->job->spec.job_id;
    rows.batch = s->batch++;
    rows.n_rows = s->n;
    rows.rows = s->rows;
    m.body_case = DIFFARM__MESSAGE__BODY_SUBMIT_ROWS;
    m.submit_rows = &rows;
    df_code rc = ask(s, &m, err);
    df_arena_free(&s->texts);
    s->n = s->bytes = 0;
    return rc;
}

static df_code send_end(sending *s, uint64_t n_rows, df_err *err) {
    Diffarm__SubmitEnd end = DIFFARM__SUBMIT_END__INIT;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    end.job_id = s->job->spec.job_id;
    end.n_rows = n_rows;
    m.body_case = DIFFARM__MESSAGE__BODY_SUBMIT_END;
    m.submit_end = &end;
    return ask(s, &m, err);
}

/* The message lasts for a row, what it points to for the job. */
static bool copy_input(df_arena *texts, Diffarm__Input **in) {
    Diffarm__Input *to = *in ? df_arena_alloc(texts, sizeof *to) : NULL;
    if (to) *to = **in;
    bool whole = to || !*in;
    *in = to;
    return whole;
}

static bool copy_adapters(df_arena *texts, Diffarm__Row *row) {
    Diffarm__Adapter **list = row->n_adapters ? df_arena_alloc(texts, row->n_adapters * sizeof *list) : NULL;
    if (!list && row->n_adapters) return false;
    for (size_t i = 0; i < row->n_adapters; i++) {
        if (!(list[i] = df_arena_alloc(texts, sizeof *list[i]))) return false;
        *list[i] = *row->adapters[i];
        if (!copy_input(texts, &list[i]->file)) return false;
    }
    row->adapters = list;
    return true;
}

static df_code copy_row(sending *s, const Diffarm__Row *row, df_err *err) {
    if (!s->texts && !(s->texts = df_arena_new())) return df_err_set(err, DF_ENOMEM, "a batch of rows");
    Diffarm__Row *to = &s->row[s->n];
    *to = *row;
    to->prompt = df_arena_strdup(s->texts, row->prompt);
    to->negative = df_arena_strdup(s->texts, row->negative);
    to->scheduler = df_arena_strdup(s->texts, row->scheduler);
    to->task = df_arena_strdup(s->texts, row->task);
    to->name = df_arena_strdup(s->texts, row->name);
    bool files = copy_input(s->texts, &to->image) && copy_input(s->texts, &to->mask) && copy_adapters(s->texts, to);
    if (!to->prompt || !to->negative || !to->scheduler || !to->task || !to->name || !files)
        return df_err_set(err, DF_ENOMEM, "a batch of rows");
    s->rows[s->n++] = to;
    s->bytes += diffarm__row__get_packed_size(to);
    return DF_OK;
}

static df_code take_row(void *ctx, const Diffarm__Row *row, df_err *err) {
    sending *s = ctx;
    df_code rc = df_draft_hash_row(s->hash, row, err);
    if (!rc) rc = copy_row(s, row, err);
    if (!rc && (s->n == BATCH_ROWS || s->bytes >= BATCH_BYTES)) rc = send_batch(s, err);
    return rc;
}

static df_code same_as_checked(sending *s, df_err *err) {
    char hex[DF_SHA256_HEX_BYTES];
    df_sha256_end(&s->hash, hex);
    if (!strcmp(hex, s->job->spec.manifest_sha256)) return DF_OK;
    return df_err_set(err, DF_EINVAL, "%s: changed while it was being sent; nothing was started", s->job->spec.title);
}

static df_code send_file(void *ctx, const df_input_file *file, df_err *err) {
    sending *s = ctx;
    const df_upload to = { .link = s->link, .job_id = s->job->spec.job_id, .timeout_ms = s->timeout_ms };
    df_code rc = df_upload_file(&to, file, err);
    s->start_over = rc == DF_ENOTFOUND && other_coordinator(s);
    return rc;
}

static df_code send_files(sending *s, df_err *err) {
    if (!s->job->upload) return DF_OK;
    df_code rc = s->job->int8_scales.path ? send_file(s, &s->job->int8_scales, err) : DF_OK;
    return rc ? rc : df_input_files_each(s->job->files, send_file, s, err);
}

static df_code send_once(sending *s, df_err *err) {
    df_code rc;
    uint64_t n_rows;
    df_problems ignored = { 0 }; /* the first pass has told them */
    s->coordinator[0] = '\0';
    s->start_over = false;
    s->batch = s->n = s->bytes = 0;
    if (!(s->hash = df_draft_hash_begin(&s->job->spec))) return df_err_set(err, DF_ENOMEM, "hash of the manifest");
    if (!(rc = send_begin(s, err))) rc = send_files(s, err);
    if (!rc) rc = df_rows_each(&s->job->rows, &ignored, take_row, s, &n_rows, err);
    if (!rc) rc = send_batch(s, err);
    if (!rc) rc = same_as_checked(s, err);
    if (!rc) rc = send_end(s, n_rows, err);
    if (s->hash) df_sha256_end(&s->hash, (char[DF_SHA256_HEX_BYTES]) { 0 });
    df_problems_free(&ignored);
    df_arena_free(&s->texts);
    return rc;
}

df_code df_send_job(df_link *l, df_draft *job, int timeout_ms, df_err *err) {
    sending *s = calloc(1, sizeof *s);
    if (!s) return df_err_set(err, DF_ENOMEM, "a batch of rows");
    s->link = l;
    s->job = job;
    s->timeout_ms = timeout_ms;
    df_code rc;
    int starts = 0;
    do rc = send_once(s, err);
    while (rc && s->start_over && ++starts < MAX_STARTS);
    free(s);
    return rc;
}
