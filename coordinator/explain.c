/* Why a job waits: told from the tables by which rows are lent, in one sentence and a line for each worker. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/farm.h"

enum { MAX_TOLD_WORKERS = 100 };

/* What a worker is to a job, the more useful the later. */
typedef enum verdict {
    IS_AWAY, /* silent or draining */
    LACKS_BACKEND,
    LACKS_DTYPE,
    LACKS_MODEL,
    IS_ELSEWHERE, /* could, but works for other jobs */
    IS_FREE,
    IS_AT_IT,
    N_VERDICTS
} verdict;

typedef struct account {
    df_farm *farm;
    const df_job *job;
    df_arena *arena;
    Diffarm__Explanation *out;
    size_t n_workers[N_VERDICTS];
} account;

static void tell(account *a, const char *line) {
    if (line) a->out->details[a->out->n_details++] = (char *)line; /* NULL: out of memory, one line less */
}

static const df_job *other_job_of(const df_farm *f, const df_worker *worker) {
    for (const df_lease *lease = df_lease_table_of(&f->leases, worker->id); lease; lease = lease->next_of_worker)
        if (df_lease_is_live(lease)) return lease->job;
    return NULL;
}

static verdict judge(const account *a, const df_worker *worker) {
    const df_job_spec *spec = &a->job->spec;
    if (worker->n_open_of_job) return IS_AT_IT;
    if (worker->state != DF_WORKER_READY) return IS_AWAY;
    if (!df_worker_offers(worker, spec->model_sha256)) return LACKS_MODEL;
    if (!df_worker_computes_on(worker, spec->backend)) return LACKS_BACKEND;
    if (!df_worker_can(worker, spec)) return LACKS_DTYPE;
    return worker->n_open ? IS_ELSEWHERE : IS_FREE;
}

static const char *backend_of(const account *a) {
    return *a->job->spec.backend ? a->job->spec.backend : "cpu";
}

static const char *word(const account *a, const df_worker *worker, verdict v) {
    const df_job *other;
    switch (v) {
    case IS_AT_IT: return df_arena_printf(a->arena, "works on %zu pictures of this job", worker->n_open_of_job);
    case IS_AWAY:
        if (worker->state == DF_WORKER_PUT_OUT)
            return df_arena_printf(a->arena, "is put out for %.0f s more: %s",
                                   (double)(worker->out_until_ms - a->farm->now_ms) / 1000, worker->out_reason);
        return df_arena_printf(a->arena, "is %s, last heard %.1f s ago", df_worker_state_name(worker->state),
                               (double)(a->farm->now_ms - worker->heard_ms) / 1000);
    case LACKS_MODEL:
        return df_arena_printf(a->arena, "has not this model: it offers %zu, none with hash %.12s...", worker->n_models,
                               a->job->spec.model_sha256);
    case LACKS_BACKEND: return df_arena_printf(a->arena, "computes on %s, not on %s", worker->backend, backend_of(a));
    case LACKS_DTYPE:
        return df_arena_printf(a->arena, "does not compute in %s, only in %s", a->job->spec.dtype, worker->dtypes);
    case IS_ELSEWHERE:
        other = other_job_of(a->farm, worker);
        return df_arena_printf(a->arena, "works on %zu pictures of job %s", worker->n_open,
                               other ? other->spec.job_id : "?");
    default: return worker->asks ? "asks for work" : "is idle and does not ask for work yet";
    }
}

static void tell_workers(account *a) {
    const df_farm *f = a->farm;
    df_farm_count_open(f, a->job);
    for (size_t i = 0; i < f->workers.n; i++) {
        verdict v = judge(a, f->workers.at[i]);
        a->n_workers[v]++;
        const char *what = i < MAX_TOLD_WORKERS ? word(a, f->workers.at[i], v) : NULL;
        if (what) tell(a, df_arena_printf(a->arena, "worker %s %s", f->workers.at[i]->name, what));
    }
    if (f->workers.n > MAX_TOLD_WORKERS)
        tell(a, df_arena_printf(a->arena, "and %zu workers more", f->workers.n - MAX_TOLD_WORKERS));
}

static const char *no_worker(const account *a) {
    const size_t *n = a->n_workers;
    if (!a->farm->workers.n) return "it waits for a worker: none is connected; start one with `diffarm worker`";
    if (n[LACKS_MODEL])
        return df_arena_printf(a->arena,
                               "it waits for a worker that has its model (%s, hash %.12s...): start one with "
                               "`diffarm worker -m %s`, or without -m, where that path can be read",
                               a->job->spec.model_name, a->job->spec.model_sha256, a->job->spec.model_path);
    if (n[LACKS_BACKEND])
        return df_arena_printf(a->arena, "it waits for a worker on %s (`diffarm worker --backend %s`)", backend_of(a),
                               backend_of(a));
    if (n[LACKS_DTYPE])
        return df_arena_printf(a->arena, "it waits for a worker that computes in %s", a->job->spec.dtype);
    return "it waits for a worker: all are silent, draining or put out";
}

static const char *of_running(account *a) {
    const df_job *job = a->job;
    const size_t *n = a->n_workers;
    uint64_t pending = df_job_pending(job);
    if (a->farm->store_problem[0])
        return df_arena_printf(a->arena, "the store cannot be written, nothing is lent: %s", a->farm->store_problem);
    if (n[IS_AT_IT] && !pending)
        return df_arena_printf(a->arena, "its last %" PRIu64 " pictures are in work, nothing is left to be lent",
                               job->n_leased);
    if (n[IS_AT_IT])
        return df_arena_printf(a->arena, "it goes on: %" PRIu64 " pictures in work, %" PRIu64 " not yet lent",
                               job->n_leased, pending);
    if (job->n_leased)
        return df_arena_printf(a->arena,
                               "%" PRIu64 " pictures are lent to workers that have not come back since the coordinator "
                               "was started, or are silent; they are lent anew when %d s have passed",
                               job->n_leased, a->farm->cfg.lease_timeout_ms / 1000);
    if (n[IS_FREE]) return "a worker that can do it is about to take it";
    if (n[IS_ELSEWHERE])
        return df_arena_printf(a->arena, "all %zu workers that can do it work on other jobs", n[IS_ELSEWHERE]);
    return no_worker(a);
}

static const char *summary(account *a) {
    const df_job *job = a->job;
    switch (job->state) {
    case DF_JOB_RECEIVING:
        return df_arena_printf(a->arena, "its manifest is being sent: %" PRIu64 " rows so far, the last %.1f s ago",
                               job->n_rows, (double)(a->farm->now_ms - job->upload_ms) / 1000);
    case DF_JOB_RUNNING: return of_running(a);
    case DF_JOB_STALLED:
        return df_arena_printf(a->arena, "OUT cannot be written (tried again every %.1f s): %s",
                               a->farm->cfg.stall_retry_ms / 1000.0, job->problem);
    case DF_JOB_FINISHING: return "every picture is done or failed; its lists are being written";
    case DF_JOB_PAUSED: return df_arena_printf(a->arena, "it is paused: `diffarm resume %s` goes on", job->spec.job_id);
    case DF_JOB_DONE:
        if (!job->n_failed) return "it waits for nothing: all pictures are done";
        return df_arena_printf(a->arena, "it waits for nothing: it is done, %" PRIu64 " pictures failed",
                               job->n_failed);
    default: return df_arena_printf(a->arena, "it is %s", df_job_state_name(job->state));
    }
}

static bool explain(account *a, df_err *err) {
    const df_job *job = a->job;
    a->out->details = df_arena_alloc(a->arena, (MAX_TOLD_WORKERS + 4) * sizeof *a->out->details);
    if (!a->out->details) return df_err_set(err, DF_ENOMEM, "job %s", job->spec.job_id), false;
    tell(a, df_arena_printf(a->arena,
                            "pictures: %" PRIu64 " of %" PRIu64 " done, %" PRIu64 " failed, %" PRIu64
                            " in work, %" PRIu64 " not yet lent",
                            job->n_done, job->n_rows, job->n_failed, job->n_leased, df_job_pending(job)));
    if (df_job_is_live(job)) tell_workers(a);
    const char *text = summary(a);
    if (text) a->out->summary = (char *)text;
    a->out->state = (char *)df_job_state_name(job->state);
    return true;
}

void df_farm_answer_explain(df_farm *f, const df_wire_in *in) {
    const Diffarm__ExplainQuery *query = in->msg->explain_query;
    Diffarm__Explanation out = DIFFARM__EXPLANATION__INIT;
    df_err err = { 0 };
    account a = { .farm = f, .job = df_job_table_find(&f->jobs, query->job_id), .arena = df_arena_new(), .out = &out };
    if (!a.arena) return; /* asked again */
    out.request_id = query->request_id;
    if (!a.job)
        df_err_set(&err, DF_ENOTFOUND, "no job \"%.16s\"", query->job_id);
    else
        explain(&a, &err);
    out.code = err.code;
    out.text = err.text;
    df_farm_send(f, in->identity, in->identity_bytes, &DF_WIRE_MESSAGE(EXPLANATION, explanation, &out));
    df_arena_free(&a.arena);
}
