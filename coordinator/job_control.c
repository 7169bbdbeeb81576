/* What people do to a job that is there: pause, resume, retry. Each may come twice. */
#include "coordinator/farm.h"
#include "coordinator/out_dir.h"
#include "coordinator/out_lists.h"
#include "coordinator/tar_shard.h"

/* As the job will be: committed and synced before the table follows. */
static df_code commit(df_farm *f, const df_job *after, bool retries, df_err *err) {
    df_code rc = df_store_begin(f->store, true, err);
    if (!rc && retries) rc = df_store_retry_failed(f->store, after->key, err);
    if (!rc) rc = df_store_save_job(f->store, after, err);
    if (!rc) rc = df_store_commit(f->store, err);
    if (rc) df_store_rollback(f->store);
    return rc;
}

static df_code pause_or_resume(df_farm *f, df_job *job, df_job_event event, df_err *err) {
    df_job after = *job;
    if (!df_job_apply(&after, event))
        return df_err_set(err, DF_EINVAL, "job %s is %s", job->spec.job_id, df_job_state_name(job->state));
    if (after.state == job->state) return DF_OK;
    df_code rc = commit(f, &after, false, err);
    if (rc) return rc;
    df_job_apply(job, event);
    if (event == DF_JOB_EV_RESUME) job->problem[0] = '\0';
    df_tar_shard_close(&job->shard);
    df_farm_log(f, DF_LOG_INFO, event == DF_JOB_EV_PAUSE ? "paused" : "resumed", "job=%s", job->spec.job_id);
    return DF_OK;
}

/* A job that had ended has given OUT back. It is told so before it takes OUT again: a crash in between leaves a done
 * job that gives OUT back once more. */
static df_code take_out_again(df_farm *f, df_job *job, df_err *err) {
    df_job after = *job;
    df_code rc = df_out_lists_check(job, err);
    if (rc) return rc;
    after.released = false;
    if ((rc = commit(f, &after, false, err))) return rc;
    job->released = false;
    return df_out_dir_claim_again(job->spec.out_dir, job->spec.job_id, err);
}

static df_code retry(df_farm *f, df_job *job, df_err *err) {
    df_job after = *job;
    if (!df_job_apply(&after, DF_JOB_EV_RETRY))
        return df_err_set(err, DF_EINVAL, "job %s is %s", job->spec.job_id, df_job_state_name(job->state));
    if (!job->n_failed) return DF_OK;
    df_code rc = job->state == DF_JOB_DONE ? take_out_again(f, job, err) : DF_OK;
    after.n_failed = 0;
    after.released = false;
    if (!rc && df_job_is_tar(job)) rc = df_tar_shard_may_be_old(job, err);
    if (!rc) rc = commit(f, &after, true, err);
    if (rc) return rc;
    df_out_lists_close(&job->lists);
    df_tar_shard_close(&job->shard);
    job->next_shard = job->finished_at_look = 0;
    df_farm_log(f, DF_LOG_INFO, "retry", "job=%s rows=%llu", job->spec.job_id, (unsigned long long)job->n_failed);
    df_job_apply(job, DF_JOB_EV_RETRY);
    job->n_failed = job->flagged.n_nan = 0;
    job->released = false;
    return DF_OK;
}

df_code df_farm_control_job(df_farm *f, const Diffarm__JobControl *in, df_err *err) {
    df_job *job = df_job_table_find(&f->jobs, in->job_id);
    if (!job) return df_err_set(err, DF_ENOTFOUND, "no job \"%.16s\"", in->job_id);
    switch (in->action) {
    case DIFFARM__JOB_CONTROL__ACTION__PAUSE: return pause_or_resume(f, job, DF_JOB_EV_PAUSE, err);
    case DIFFARM__JOB_CONTROL__ACTION__RESUME: return pause_or_resume(f, job, DF_JOB_EV_RESUME, err);
    case DIFFARM__JOB_CONTROL__ACTION__RETRY: return retry(f, job, err);
    default: return df_err_set(err, DF_EUNSUPPORTED, "this coordinator does not know action %d", (int)in->action);
    }
}
