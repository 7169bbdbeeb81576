/* What clients ask: submit a job, cancel it; looking is answered by status.c and explain.c. Every request may come
 * twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "coordinator/farm.h"
#include "coordinator/out_dir.h"
#include "coordinator/tar_shard.h"
#include "coordinator/text.h"

enum { MAX_WORD_BYTES = 256, MAX_OUT_BYTES = 3000 };

bool df_farm_is_client_request(const Diffarm__Message *msg) {
    switch (msg->body_case) {
    case DIFFARM__MESSAGE__BODY_SUBMIT_BEGIN:
    case DIFFARM__MESSAGE__BODY_SUBMIT_ROWS:
    case DIFFARM__MESSAGE__BODY_SUBMIT_END:
    case DIFFARM__MESSAGE__BODY_FILE_PUT:
    case DIFFARM__MESSAGE__BODY_JOB_QUERY:
    case DIFFARM__MESSAGE__BODY_JOB_CANCEL:
    case DIFFARM__MESSAGE__BODY_JOB_CONTROL:
    case DIFFARM__MESSAGE__BODY_WORKER_READMIT:
    case DIFFARM__MESSAGE__BODY_FAILURES_QUERY:
    case DIFFARM__MESSAGE__BODY_EXPLAIN_QUERY:
    case DIFFARM__MESSAGE__BODY_WORKERS_QUERY: return true;
    default: return false;
    }
}

static void reply(df_farm *f, const df_wire_in *in, uint64_t request_id, df_code code, const char *text) {
    Diffarm__Reply out = DIFFARM__REPLY__INIT;
    out.request_id = request_id;
    out.code = code;
    out.text = (char *)text;
    df_farm_send(f, in->identity, in->identity_bytes, &DF_WIRE_MESSAGE(REPLY, reply, &out));
}

/* submit: begin */

static df_code check_word(const char *text, const char *field, size_t max_bytes, df_err *err) {
    if (strlen(text) > max_bytes) return df_err_set(err, DF_EINVAL, "%s is over %zu bytes", field, max_bytes);
    if (!df_text_is_utf8(text) || df_text_has_control(text))
        return df_err_set(err, DF_EINVAL, "%s has control characters or is not UTF-8", field);
    return DF_OK;
}

static df_code check_ids(const df_job_spec *s, df_err *err) {
    if (!df_text_is_hex(s->job_id, DF_JOB_ID_CHARS))
        return df_err_set(err, DF_EINVAL, "job_id must be %d digits of 0-9a-f", DF_JOB_ID_CHARS);
    if (!df_sha256_is_hex(s->model_sha256)) return df_err_set(err, DF_EINVAL, "model_sha256 is not a SHA-256");
    if (!df_sha256_is_hex(s->manifest_sha256)) return df_err_set(err, DF_EINVAL, "manifest_sha256 is not a SHA-256");
    return DF_OK;
}

static df_code check_spec(const df_job_spec *s, df_err *err) {
    const struct {
        const char *text, *field;
        size_t max_bytes;
    } words[] = {
        { s->title, "title", MAX_WORD_BYTES * 4 },      { s->out_dir, "out_dir", MAX_OUT_BYTES },
        { s->model_path, "model_path", MAX_OUT_BYTES }, { s->model_name, "model_name", MAX_WORD_BYTES },
        { s->dtype, "dtype", MAX_WORD_BYTES },          { s->noise, "noise", MAX_WORD_BYTES },
        { s->format, "format", MAX_WORD_BYTES },        { s->model_config, "model_config", MAX_OUT_BYTES },
        { s->backend, "backend", MAX_WORD_BYTES },
    };
    df_code rc = check_ids(s, err);
    for (size_t i = 0; i < sizeof words / sizeof *words && !rc; i++)
        rc = check_word(words[i].text, words[i].field, words[i].max_bytes, err);
    if (rc) return rc;
    if (s->priority < -DF_JOB_MAX_PRIORITY || s->priority > DF_JOB_MAX_PRIORITY)
        return df_err_set(err, DF_EINVAL, "priority %d is not in -%d..%d", s->priority, DF_JOB_MAX_PRIORITY,
                          DF_JOB_MAX_PRIORITY);
    if (df_job_backend_of(s->backend) < 0)
        return df_err_set(err, DF_EUNSUPPORTED, "backend \"%s\": this coordinator knows cpu, cuda, reference and any",
                          s->backend);
    if (*s->out_dir != '/') return df_err_set(err, DF_EINVAL, "out_dir \"%s\" is not absolute", s->out_dir);
    if (!strcmp(s->format, "png") || !strcmp(s->format, "tar") || !strcmp(s->format, "none")) return DF_OK;
    return df_err_set(err, DF_EUNSUPPORTED, "format \"%s\": this coordinator writes png, tar and none", s->format);
}

static df_job_spec spec_from_wire(const Diffarm__JobSpec *in) {
    return (df_job_spec) {
        .job_id = in->job_id,
        .title = in->title,
        .out_dir = in->out_dir,
        .model_path = in->model_path,
        .model_name = in->model_name,
        .model_sha256 = in->model_sha256,
        .dtype = in->dtype,
        .noise = in->noise,
        .format = *in->format ? in->format : "png",
        .manifest_sha256 = in->manifest_sha256,
        .model_config = in->model_config,
        .micro_batch = in->micro_batch,
        .no_t5 = in->no_t5,
        .long_prompts = in->long_prompts,
        .prompt_weights = in->prompt_weights,
        .fast_conv = in->fast_conv,
        .backend = strcmp(in->backend, "cpu") ? in->backend : "",
        .shared_sink = in->shared_sink,
        .priority = in->priority,
    };
}

static df_code check_same(const df_job *job, const df_job_spec *spec, df_err *err) {
    if (strcmp(job->spec.manifest_sha256, spec->manifest_sha256) || strcmp(job->spec.out_dir, spec->out_dir))
        return df_err_set(err, DF_EEXIST, "job %s exists with another manifest or OUT; submit under a new id",
                          spec->job_id);
    return DF_OK;
}

static df_code store_new(df_farm *f, df_job *job, df_err *err) {
    df_code rc = df_store_begin(f->store, false, err);
    if (!rc) rc = df_store_add_job(f->store, job, err);
    if (!rc) rc = df_store_commit(f->store, err);
    if (rc) df_store_rollback(f->store);
    return rc;
}

static df_code submit_begin(df_farm *f, const Diffarm__SubmitBegin *in, df_err *err) {
    if (!in->job) return df_err_set(err, DF_EINVAL, "job is missing");
    df_job_spec spec = spec_from_wire(in->job);
    df_code rc = check_spec(&spec, err);
    if (rc) return rc;
    df_job *job = df_job_table_find(&f->jobs, spec.job_id);
    if (job) return check_same(job, &spec, err);
    if ((rc = df_out_dir_check(spec.out_dir, spec.job_id, err))) return rc;
    if (!(job = df_job_new(&spec))) return df_err_set(err, DF_ENOMEM, "job %s", spec.job_id);
    job->upload_ms = f->now_ms;
    if ((rc = store_new(f, job, err)) || !df_job_table_add(&f->jobs, job)) {
        df_job_free(&job);
        return rc ? rc : df_err_set(err, DF_ENOMEM, "job %s", spec.job_id);
    }
    return DF_OK;
}

/* submit: rows and end */

df_code df_farm_forget_upload(df_farm *f, df_job *job, df_err *err) {
    df_code rc = df_store_begin(f->store, false, err);
    if (!rc) rc = df_store_remove_job(f->store, job->key, err);
    if (!rc) rc = df_store_commit(f->store, err);
    if (rc) {
        df_farm_store_failed(f, err);
        return rc;
    }
    df_farm_log(f, DF_LOG_INFO, "upload_forgotten", "job=%s rows=%llu", job->spec.job_id,
                (unsigned long long)job->n_rows);
    bool has_files = job->has_files;
    df_job_table_remove(&f->jobs, job);
    return has_files ? df_farm_sweep_files(f, err) : DF_OK;
}

static df_code uploaded_job(df_farm *f, const char *job_id, df_job **job, df_err *err) {
    *job = df_job_table_find(&f->jobs, job_id);
    if (*job) return DF_OK;
    return df_err_set(err, DF_ENOTFOUND, "job \"%.16s\" is not known; begin again at SubmitBegin", job_id);
}

static df_code store_rows(df_farm *f, const df_job *job, const Diffarm__SubmitRows *in, df_err *err) {
    df_arena *arena = df_arena_new();
    if (!arena) return df_err_set(err, DF_ENOMEM, "a batch of rows");
    df_code rc = df_store_begin(f->store, false, err);
    for (size_t i = 0; i < in->n_rows && !rc; i++) {
        df_row row;
        rc = df_row_from_wire(&row, in->rows[i], arena, err);
        if (!rc && row.row != job->n_rows + i)
            rc = df_err_set(err, DF_EINVAL, "row %llu came where row %llu was due", (unsigned long long)row.row,
                            (unsigned long long)(job->n_rows + i));
        if (!rc && (rc = df_store_add_row(f->store, job->key, &row, err)) == DF_EEXIST)
            rc = df_err_set(err, DF_EINVAL, "line %llu: name \"%.200s\" is used twice", (unsigned long long)row.line,
                            row.name);
    }
    if (!rc) rc = df_store_commit(f->store, err);
    if (rc) df_store_rollback(f->store);
    df_arena_free(&arena);
    return rc;
}

static df_code submit_rows(df_farm *f, const Diffarm__SubmitRows *in, df_err *err) {
    df_job *job;
    df_code rc = uploaded_job(f, in->job_id, &job, err);
    if (rc || job->state != DF_JOB_RECEIVING) return rc;
    job->upload_ms = f->now_ms;
    if (in->batch < job->next_batch) return DF_OK; /* had it before */
    if (in->batch > job->next_batch) /* of an upload that a restart has forgotten, and a late SubmitBegin begun again */
        return df_err_set(err, DF_ENOTFOUND, "batch %llu came where %llu was due; begin again at SubmitBegin",
                          (unsigned long long)in->batch, (unsigned long long)job->next_batch);
    rc = store_rows(f, job, in, err);
    if (rc == DF_EINVAL) df_farm_forget_upload(f, job, &(df_err) { 0 }); /* it can never be completed */
    if (rc) return rc;
    job->next_batch++;
    job->n_rows += in->n_rows;
    return DF_OK;
}

/* From here on the job is the farm's: OUT is taken, then the job is committed and synced, then it is answered. */
static df_code accept_job(df_farm *f, df_job *job, df_err *err) {
    df_job after = *job;
    df_code rc = job->has_files ? df_file_store_sync(f->files, err) : DF_OK;
    if (!rc) rc = df_out_dir_claim(job->spec.out_dir, job->spec.job_id, err);
    if (rc) return rc;
    df_job_apply(&after, DF_JOB_EV_UPLOADED);
    rc = df_store_begin(f->store, true, err);
    if (!rc) rc = df_store_save_job(f->store, &after, err);
    if (!rc) rc = df_store_commit(f->store, err);
    if (rc) {
        df_store_rollback(f->store);
        df_out_dir_release(job->spec.out_dir, job->spec.job_id, NULL);
        return rc;
    }
    df_job_apply(job, DF_JOB_EV_UPLOADED);
    df_farm_log(f, DF_LOG_INFO, "job", "job=%s rows=%llu out=%s", job->spec.job_id, (unsigned long long)job->n_rows,
                df_farm_quote(f, job->spec.out_dir));
    return DF_OK;
}

static df_code submit_end(df_farm *f, const Diffarm__SubmitEnd *in, df_err *err) {
    df_job *job;
    df_code rc = uploaded_job(f, in->job_id, &job, err);
    if (rc || job->state != DF_JOB_RECEIVING) return rc;
    if (in->n_rows > job->n_rows)
        return df_err_set(err, DF_ENOTFOUND, "%llu rows were sent, the end says %llu; begin again at SubmitBegin",
                          (unsigned long long)job->n_rows, (unsigned long long)in->n_rows);
    if (!job->n_rows || in->n_rows != job->n_rows)
        return df_err_set(err, DF_EINVAL, "%llu rows were sent, the end says %llu; a job has at least one",
                          (unsigned long long)job->n_rows, (unsigned long long)in->n_rows);
    return accept_job(f, job, err);
}

/* cancel */

static void revoke_leases(df_farm *f, const df_job *job) {
    for (size_t i = 0; i < f->leases.n; i++) {
        const df_lease *lease = f->leases.at[i];
        const df_worker *worker = df_worker_table_find(&f->workers, lease->worker_id);
        if (lease->job == job && worker) df_farm_revoke(f, worker, lease->token, "the job was cancelled");
    }
    df_farm_leases_of_job(f, job, DF_LEASE_EV_GIVEN_UP);
}

static df_code job_cancel(df_farm *f, const Diffarm__JobCancel *in, df_err *err) {
    df_job *job = df_job_table_find(&f->jobs, in->job_id);
    if (!job) return df_err_set(err, DF_ENOTFOUND, "no job \"%.16s\"", in->job_id);
    if (job->state == DF_JOB_CANCELLED) return DF_OK;
    if (job->state == DF_JOB_RECEIVING) return df_farm_forget_upload(f, job, err);
    df_job after = *job;
    if (!df_job_apply(&after, DF_JOB_EV_CANCEL))
        return df_err_set(err, DF_EINVAL, "job %s is %s already", in->job_id, df_job_state_name(job->state));
    df_code rc = df_store_begin(f->store, true, err);
    if (!rc) rc = df_store_save_job(f->store, &after, err);
    if (!rc) rc = df_store_commit(f->store, err);
    if (rc) {
        df_store_rollback(f->store);
        return rc;
    }
    df_job_apply(job, DF_JOB_EV_CANCEL);
    df_out_lists_close(&job->lists);
    df_tar_shard_close(&job->shard);
    df_farm_drop_results(f, job);
    revoke_leases(f, job);
    job->problem[0] = '\0';
    job->retry_ms = 0;
    f->n_ended++;
    df_farm_log(f, DF_LOG_INFO, "cancelled", "job=%s", job->spec.job_id);
    return DF_OK;
}

/* the border */

void df_farm_take_client(df_farm *f, const df_wire_in *in) {
    df_err err = { 0 };
    const Diffarm__Message *m = in->msg;
    switch (m->body_case) {
    case DIFFARM__MESSAGE__BODY_SUBMIT_BEGIN:
        reply(f, in, m->submit_begin->request_id, submit_begin(f, m->submit_begin, &err), err.text);
        break;
    case DIFFARM__MESSAGE__BODY_SUBMIT_ROWS:
        reply(f, in, m->submit_rows->request_id, submit_rows(f, m->submit_rows, &err), err.text);
        break;
    case DIFFARM__MESSAGE__BODY_SUBMIT_END:
        reply(f, in, m->submit_end->request_id, submit_end(f, m->submit_end, &err), err.text);
        break;
    case DIFFARM__MESSAGE__BODY_JOB_CANCEL:
        reply(f, in, m->job_cancel->request_id, job_cancel(f, m->job_cancel, &err), err.text);
        break;
    case DIFFARM__MESSAGE__BODY_JOB_CONTROL:
        reply(f, in, m->job_control->request_id, df_farm_control_job(f, m->job_control, &err), err.text);
        break;
    case DIFFARM__MESSAGE__BODY_WORKER_READMIT:
        reply(f, in, m->worker_readmit->request_id, df_farm_readmit(f, m->worker_readmit, &err), err.text);
        break;
    case DIFFARM__MESSAGE__BODY_FILE_PUT: df_farm_take_file(f, in); break;
    case DIFFARM__MESSAGE__BODY_JOB_QUERY: df_farm_answer_jobs(f, in); break;
    case DIFFARM__MESSAGE__BODY_WORKERS_QUERY: df_farm_answer_workers(f, in); break;
    case DIFFARM__MESSAGE__BODY_FAILURES_QUERY: df_farm_answer_failures(f, in); break;
    case DIFFARM__MESSAGE__BODY_EXPLAIN_QUERY: df_farm_answer_explain(f, in); break;
    default: break;
    }
}
