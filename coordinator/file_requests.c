/* Files of rows on their way: from clients at submit into STATE/files, from there to workers, and out when no job needs
 * them any more. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/farm.h"

enum { FILES_A_TURN = 200 };

/* The job needs it from now on: noted before it is there, so that a crash leaves no file that nobody knows of. */
static df_code note(df_farm *f, df_job *job, const char *sha256, df_err *err) {
    df_code rc = df_store_begin(f->store, false, err);
    if (!rc) rc = df_store_add_file(f->store, job->key, sha256, err);
    if (!rc) rc = df_store_commit(f->store, err);
    if (rc) df_store_rollback(f->store);
    if (!rc) job->has_files = true;
    return rc;
}

static df_code put(df_farm *f, const Diffarm__FilePut *in, uint64_t *have, df_err *err) {
    const df_file_piece piece = { .sha256 = in->sha256,
                                  .total_bytes = in->total_bytes,
                                  .offset = in->offset,
                                  .data = in->data.data,
                                  .bytes = in->data.len };
    df_job *job = df_job_table_find(&f->jobs, in->job_id);
    if (!job)
        return df_err_set(err, DF_ENOTFOUND, "job \"%.16s\" is not known; begin again at SubmitBegin", in->job_id);
    *have = in->total_bytes;
    if (job->state != DF_JOB_RECEIVING) return DF_OK; /* it has what it needs */
    job->upload_ms = f->now_ms;
    df_code rc = in->offset ? DF_OK : note(f, job, in->sha256, err);
    return rc ? rc : df_file_store_put(f->files, &piece, have, err);
}

void df_farm_take_file(df_farm *f, const df_wire_in *in) {
    df_err err = { 0 };
    Diffarm__FileState out = DIFFARM__FILE_STATE__INIT;
    out.request_id = in->msg->file_put->request_id;
    out.code = put(f, in->msg->file_put, &out.have_bytes, &err);
    out.text = err.text;
    if (out.code)
        df_farm_log(f, DF_LOG_WARN, "file_refused", "job=%s why=%s", in->msg->file_put->job_id,
                    df_farm_quote(f, err.text));
    df_farm_send(f, in->identity, in->identity_bytes, &DF_WIRE_MESSAGE(FILE_STATE, file_state, &out));
}

void df_farm_give_file(df_farm *f, const df_worker *worker, const Diffarm__FileGet *in) {
    df_err err = { 0 };
    Diffarm__FileChunk out = DIFFARM__FILE_CHUNK__INIT;
    size_t n = 0;
    out.sha256 = in->sha256;
    out.offset = in->offset;
    out.data.data = malloc(DF_FILE_PIECE_BYTES);
    if (!out.data.data) return; /* it asks again */
    out.code = df_file_store_get(f->files, in->sha256, in->offset, out.data.data, DF_FILE_PIECE_BYTES, &n,
                                 &out.total_bytes, &err);
    out.data.len = n;
    out.text = err.text;
    df_farm_send(f, worker->identity, worker->identity_bytes, &DF_WIRE_MESSAGE(FILE_CHUNK, file_chunk, &out));
    free(out.data.data);
}

static df_code remove_file(void *ctx, const char *sha256, df_err *err) {
    df_farm *f = ctx;
    return df_file_store_remove(f->files, sha256, err);
}

/* *done: none is left. A file that cannot be removed is tried again. */
static df_code release(df_farm *f, int64_t job, bool *done, df_err *err) {
    df_code rc = df_store_begin(f->store, false, err);
    if (!rc) rc = df_store_release_files(f->store, job, FILES_A_TURN, remove_file, f, done, err);
    if (!rc) rc = df_store_commit(f->store, err);
    if (rc) df_store_rollback(f->store);
    return rc;
}

/* Failed rows may be tried again. */
static bool needs_files(const df_job *job) {
    return !(job->state == DF_JOB_CANCELLED || (job->state == DF_JOB_DONE && !job->n_failed));
}

void df_farm_release_files(df_farm *f, df_job *job) {
    bool done = false;
    df_err why;
    if (!job->has_files || needs_files(job) || df_farm_store_rests(f)) return;
    if (release(f, job->key, &done, &why)) {
        df_farm_store_failed(f, &why);
        return;
    }
    job->has_files = !done;
    f->work_left |= !done;
}

df_code df_farm_sweep_files(df_farm *f, df_err *err) {
    bool has = true, done;
    int64_t job;
    df_code rc = DF_OK;
    while (!rc && !(rc = df_store_lost_files(f->store, &job, &has, err)) && has) rc = release(f, job, &done, err);
    return rc;
}

df_code df_farm_open_files(df_farm *f, df_err *err) {
    df_code rc = df_file_store_open(&f->files, f->cfg.state_dir, err);
    for (size_t i = 0; i < f->jobs.n && !rc; i++)
        rc = df_store_has_files(f->store, f->jobs.at[i]->key, &f->jobs.at[i]->has_files, err);
    return rc ? rc : df_farm_sweep_files(f, err);
}
