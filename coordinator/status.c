/* What the farm tells of its jobs, failures and workers, to clients and to the web page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/farm.h"

enum { MAX_LISTED_JOBS = 1000, MAX_LISTED_FAILURES = 10, MAX_FAILURES_A_PAGE = 500 };

/* jobs */

typedef struct listing {
    df_arena *arena;
    Diffarm__Failure **failures;
    size_t n;
} listing;

static df_code add_failure(void *ctx, const df_stored_row *row, df_err *err) {
    listing *l = ctx;
    Diffarm__Failure *failure = df_arena_alloc(l->arena, sizeof *failure);
    if (!failure) return df_err_set(err, DF_ENOMEM, "a list of failures");
    diffarm__failure__init(failure);
    failure->row = row->is.row;
    failure->line = row->is.line;
    failure->attempts = (uint32_t)(row->attempts + row->lost);
    failure->error = df_arena_strdup(l->arena, row->error);
    failure->prompt = df_arena_strdup(l->arena, row->is.prompt);
    failure->name = df_arena_strdup(l->arena, row->is.name);
    failure->seed = row->is.seed;
    if (!failure->error || !failure->prompt || !failure->name) return df_err_set(err, DF_ENOMEM, "a list of failures");
    l->failures[l->n++] = failure;
    return DF_OK;
}

static df_code list_failures(df_farm *f, const df_job *job, uint64_t from, size_t max, listing *l, df_err *err) {
    l->n = 0;
    l->failures = df_arena_alloc(l->arena, max * sizeof(Diffarm__Failure *));
    if (!l->failures) return df_err_set(err, DF_ENOMEM, "a list of failures");
    return df_store_each_failed(f->store, job->key, from, max, add_failure, l, err);
}

void df_farm_count_open(const df_farm *f, const df_job *job) {
    for (size_t w = 0; w < f->workers.n; w++) f->workers.at[w]->n_open = f->workers.at[w]->n_open_of_job = 0;
    for (size_t i = 0; i < f->leases.n; i++) {
        const df_lease *lease = f->leases.at[i];
        df_worker *worker = df_worker_table_find(&f->workers, lease->worker_id);
        if (!worker || !df_lease_is_live(lease)) continue;
        worker->n_open += lease->n_open;
        if (lease->job == job) worker->n_open_of_job += lease->n_open;
    }
}

/* Does a worker hold rows of the job, and how far is it inside them? */
static void add_workers(const df_farm *f, const df_job *job, Diffarm__JobStatus *s) {
    df_farm_count_open(f, job);
    for (size_t w = 0; w < f->workers.n; w++) {
        const df_worker *worker = f->workers.at[w];
        if (!worker->n_open_of_job) continue;
        s->n_workers++;
        s->steps_done += worker->steps_done * (double)worker->n_open_of_job / (double)worker->n_open;
    }
}

static double eta_seconds(const df_job *job, double rate, double steps_done) {
    double left = (double)(job->n_rows - job->n_done - job->n_failed) - steps_done;
    if (!df_job_is_live(job)) return 0;
    if (job->state == DF_JOB_STALLED || job->state == DF_JOB_PAUSED || rate <= 0) return -1;
    return left > 0 ? left / rate : 0;
}

static Diffarm__Flagged *flagged_of(const df_job *job, df_arena *arena) {
    Diffarm__Flagged *out = df_arena_alloc(arena, sizeof *out);
    if (!out) return NULL;
    diffarm__flagged__init(out);
    out->n_flat = job->flagged.n_flat;
    out->n_duplicate = job->flagged.n_duplicate;
    out->n_made_in_f32 = job->flagged.n_made_in_f32;
    out->n_nan = job->flagged.n_nan;
    return out;
}

Diffarm__JobStatus *df_farm_job_status(df_farm *f, const df_job *job, df_arena *arena) {
    Diffarm__JobStatus *s = df_arena_alloc(arena, sizeof *s);
    if (!s) return NULL;
    diffarm__job_status__init(s);
    s->job_id = (char *)job->spec.job_id;
    s->title = (char *)job->spec.title;
    s->out_dir = (char *)job->spec.out_dir;
    s->state = (char *)df_job_state_name(job->state);
    s->n_rows = job->n_rows;
    s->n_done = job->n_done;
    s->n_failed = job->n_failed;
    s->n_leased = job->n_leased;
    s->n_retried = job->n_retried;
    s->n_duplicates = job->n_duplicates;
    s->n_conflicts = job->n_conflicts;
    s->priority = job->spec.priority;
    s->flagged = flagged_of(job, arena);
    s->problem = (char *)(!job->problem[0] && df_job_is_live(job) ? f->store_problem : job->problem);
    if (df_job_is_live(job)) {
        add_workers(f, job, s);
        s->images_per_second = df_rate_per_second(&job->rate, f->now_ms);
    }
    s->eta_seconds = eta_seconds(job, s->images_per_second, s->steps_done);
    listing l = { .arena = arena };
    if (job->n_failed && !list_failures(f, job, 0, MAX_LISTED_FAILURES, &l, NULL)) {
        s->failures = l.failures;
        s->n_failures = l.n;
    }
    return s;
}

void df_farm_answer_jobs(df_farm *f, const df_wire_in *in) {
    const Diffarm__JobQuery *query = in->msg->job_query;
    df_job *one = *query->job_id ? df_job_table_find(&f->jobs, query->job_id) : NULL;
    Diffarm__JobList list = DIFFARM__JOB_LIST__INIT;
    Diffarm__JobStatus *jobs[MAX_LISTED_JOBS];
    df_arena *arena = df_arena_new();
    if (!arena) return; /* asked again */
    size_t first = one || f->jobs.n <= MAX_LISTED_JOBS ? 0 : f->jobs.n - MAX_LISTED_JOBS; /* the latest */
    list.request_id = query->request_id;
    list.jobs = jobs;
    for (size_t i = first; i < f->jobs.n && (one || !*query->job_id); i++)
        if (!one || f->jobs.at[i] == one)
            if ((jobs[list.n_jobs] = df_farm_job_status(f, f->jobs.at[i], arena))) list.n_jobs++;
    if (*query->job_id && !one) {
        list.code = DF_ENOTFOUND;
        list.text = df_arena_printf(arena, "no job \"%.16s\"", query->job_id);
    }
    df_farm_send(f, in->identity, in->identity_bytes, &DF_WIRE_MESSAGE(JOB_LIST, job_list, &list));
    df_arena_free(&arena);
}

/* failures */

void df_farm_answer_failures(df_farm *f, const df_wire_in *in) {
    const Diffarm__FailuresQuery *query = in->msg->failures_query;
    const df_job *job = df_job_table_find(&f->jobs, query->job_id);
    Diffarm__FailureList list = DIFFARM__FAILURE_LIST__INIT;
    df_err err = { 0 };
    listing l = { .arena = df_arena_new() };
    if (!l.arena) return; /* asked again */
    list.request_id = query->request_id;
    if (!job)
        list.code = df_err_set(&err, DF_ENOTFOUND, "no job \"%.16s\"", query->job_id);
    else if (query->from_row > INT64_MAX)
        list.code = df_err_set(&err, DF_EINVAL, "from_row is over 2^63 - 1");
    else
        list.code = list_failures(f, job, query->from_row, MAX_FAILURES_A_PAGE, &l, &err);
    list.text = err.text;
    list.failures = l.failures;
    list.n_failures = list.code ? 0 : l.n;
    list.more = !list.code && l.n == MAX_FAILURES_A_PAGE;
    df_farm_send(f, in->identity, in->identity_bytes, &DF_WIRE_MESSAGE(FAILURE_LIST, failure_list, &list));
    df_arena_free(&l.arena);
}

/* workers */

void df_farm_worker_status(const df_farm *f, const df_worker *worker, Diffarm__WorkerStatus *s) {
    diffarm__worker_status__init(s);
    s->worker_id = (char *)worker->id;
    s->name = (char *)worker->name;
    s->rows_leased = (uint32_t)worker->n_open;
    s->state = (char *)(worker->state != DF_WORKER_READY ? df_worker_state_name(worker->state)
                        : s->rows_leased                 ? "working"
                                                         : "idle");
    s->pipeline_ranks = worker->pipeline_ranks;
    s->threads = worker->threads;
    s->n_done = worker->n_done;
    s->n_failed = worker->n_failed;
    s->images_per_second = df_rate_per_second(&worker->rate, f->now_ms);
    s->silent_ms = f->now_ms - worker->heard_ms;
    s->reason = (char *)worker->out_reason;
}

void df_farm_answer_workers(df_farm *f, const df_wire_in *in) {
    Diffarm__WorkerList list = DIFFARM__WORKER_LIST__INIT;
    Diffarm__WorkerStatus *all = calloc(f->workers.n + 1, sizeof *all);
    Diffarm__WorkerStatus **at = calloc(f->workers.n + 1, sizeof *at);
    df_farm_count_open(f, NULL);
    list.request_id = in->msg->workers_query->request_id;
    list.workers = at;
    for (size_t i = 0; all && at && i < f->workers.n; i++) {
        df_farm_worker_status(f, f->workers.at[i], &all[i]);
        at[list.n_workers++] = &all[i];
    }
    df_farm_send(f, in->identity, in->identity_bytes, &DF_WIRE_MESSAGE(WORKER_LIST, worker_list, &list));
    free(at);
    free(all);
}
