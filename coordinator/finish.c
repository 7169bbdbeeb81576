/* The end of a job: lists, marker, state, and OUT given back. Each step may be repeated after a crash. */
#include "coordinator/farm.h"
#include "coordinator/out_dir.h"
#include "coordinator/out_lists.h"

enum { SLICE_ROWS = 2000 };

/* The job as it would be after the event, committed first, then made true in the table. */
static df_code commit_event(df_farm *f, df_job *job, df_job_event event, df_err *err) {
    df_job after = *job;
    if (!df_job_apply(&after, event)) return df_err_set(err, DF_EINTERNAL, "job %s cannot end now", job->spec.job_id);
    df_code rc = df_store_begin(f->store, true, err);
    if (!rc) rc = df_store_save_job(f->store, &after, err);
    if (!rc) rc = df_store_commit(f->store, err);
    if (rc)
        df_farm_store_failed(f, err);
    else
        df_job_apply(job, event);
    return rc;
}

static void write_lists(df_farm *f, df_job *job) {
    bool done = false;
    df_err why;
    df_code rc = job->lists ? DF_OK : df_out_lists_open(&job->lists, job, &why);
    if (!rc) rc = df_out_lists_step(job->lists, f->store, SLICE_ROWS, &done, &why);
    if (rc) {
        df_farm_sink_failed(f, job, &why);
        return;
    }
    f->work_left |= !done;
    if (!done) return;
    df_out_lists_close(&job->lists);
    if (commit_event(f, job, DF_JOB_EV_LISTS_WRITTEN, &why)) return;
    job->problem[0] = '\0';
    f->n_ended++;
    df_farm_log(f, DF_LOG_INFO, "done", "job=%s rows=%llu failed=%llu", job->spec.job_id,
                (unsigned long long)job->n_rows, (unsigned long long)job->n_failed);
}

static void release(df_farm *f, df_job *job) {
    df_err why;
    df_job after = *job;
    df_code rc = df_out_dir_release(job->spec.out_dir, job->spec.job_id, &why);
    if (!rc) {
        after.released = true;
        rc = df_store_begin(f->store, false, &why);
        if (!rc) rc = df_store_save_job(f->store, &after, &why);
        if (!rc) rc = df_store_commit(f->store, &why);
        if (rc) df_farm_store_failed(f, &why);
    }
    job->released = !rc;
    if (!rc) return;
    df_farm_log(f, DF_LOG_WARN, "not_released", "job=%s why=%s", job->spec.job_id, df_farm_quote(f, why.text));
    job->retry_ms = f->now_ms + f->cfg.stall_retry_ms;
}

static void act(df_farm *f, df_job *job) {
    if (job->state == DF_JOB_RUNNING && job->n_done + job->n_failed == job->n_rows && df_farm_is_packed(job))
        df_job_apply(job, DF_JOB_EV_ROWS_FINISHED);
    if (df_farm_store_rests(f)) return;
    if (job->state == DF_JOB_FINISHING) write_lists(f, job);
    if ((job->state == DF_JOB_DONE || job->state == DF_JOB_CANCELLED) && !job->released && f->now_ms >= job->retry_ms)
        release(f, job);
    if (job->released) df_farm_release_files(f, job);
}

void df_farm_finish_jobs(df_farm *f) {
    for (size_t i = 0; i < f->jobs.n; i++) act(f, f->jobs.at[i]);
}
