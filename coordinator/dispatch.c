/* Lending rows to workers that ask.
 *
 * The worker that has asked longest is served first, from the job it can do whose turn it is (fair_share.h: jobs share
 * the workers' time by their priority, so that a small job is not held up behind a long one). A lease begins with the
 * first pending row and takes more rows like it (adapters, size and steps, then without the steps), in manifest order,
 * so many that it lasts about cfg.lease_target_ms at the worker's speed. Towards the end of a job what is left is split
 * over all workers. A worker whose allocation ends gets what it can finish before. Rows that were lost with a worker
 * come in small leases, then alone, so that a row that kills its worker is found out without taking others with it.
 * When nothing is left, the slowest rows are lent once more (tail.c). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/farm.h"

enum { SUSPECT_ROWS = 8 };

/* how many */

static size_t workers_for(const df_farm *f, df_job *job) {
    if (job->able_at != f->workers.n_changes) {
        job->n_able = 0;
        job->able_at = f->workers.n_changes;
        for (size_t i = 0; i < f->workers.n; i++)
            job->n_able += f->workers.at[i]->state == DF_WORKER_READY &&
                           df_worker_can(f->workers.at[i], job->spec.model_sha256, job->spec.dtype);
    }
    return job->n_able ? job->n_able : 1;
}

static size_t share_of(const df_farm *f, df_job *job) {
    return (df_job_pending(job) + workers_for(f, job) - 1) / workers_for(f, job);
}

static size_t limit_suspects(size_t n, const df_worker *worker, int lost) {
    size_t slots = worker->max_rows && worker->max_rows < SUSPECT_ROWS ? worker->max_rows : SUSPECT_ROWS;
    if (lost >= 2) return 1;
    return lost == 1 && n > slots ? slots : n;
}

/* which */

static bool alike(const df_row_pick *a, const df_row_pick *b, bool steps_too) {
    return a->width == b->width && a->height == b->height && a->lost == b->lost && a->adapters == b->adapters &&
           (!steps_too || a->steps == b->steps);
}

static int by_row(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static const df_row_pick *first_of(const df_row_pick *picks, size_t n, uint64_t avoided) {
    for (size_t i = 0; i < n; i++)
        if (picks[i].failed_by != avoided) return &picks[i];
    return NULL;
}

/* picks: pending rows in manifest order; avoided: leave those that this worker failed at to others. */
static void choose(df_lent_rows *c, const df_farm *f, const df_worker *worker, const df_row_pick *picks, size_t n_picks,
                   uint64_t avoided, df_lease_size size) {
    const df_row_pick *first = first_of(picks, n_picks, avoided);
    c->n = 0;
    c->seconds = 0;
    if (!first) return;
    size.rows = limit_suspects(size.rows, worker, first->lost);
    bool has_room = true;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < n_picks && has_room; i++) {
            bool same_steps = picks[i].steps == first->steps;
            if (picks[i].failed_by == avoided || !alike(&picks[i], first, pass == 0) || (pass == 1 && same_steps))
                continue;
            double seconds = df_farm_row_seconds(f, worker, df_row_pick_work(&picks[i]));
            if (!(has_room = df_lease_size_take(&size, seconds))) break;
            c->rows[c->n++] = picks[i].row;
            c->seconds += seconds;
        }
    qsort(c->rows, c->n, sizeof *c->rows, by_row);
}

static df_code choose_from(df_farm *f, df_job *job, const df_worker *worker, df_lent_rows *c, df_err *err) {
    const df_row_pick *picks;
    size_t n_picks;
    df_lease_size size = df_farm_lease_size(f, worker);
    uint64_t avoided = workers_for(f, job) > 1 ? df_store_hash(worker->id) : UINT64_MAX;
    df_code rc = df_store_pending(f->store, job->key, &picks, &n_picks, err);
    if (size.rows > share_of(f, job)) size.rows = share_of(f, job);
    if (!rc) choose(c, f, worker, picks, n_picks, avoided, size);
    return rc;
}

/* lending */

/* n: of the rows that are its own in the store. */
static df_code store_lease(df_farm *f, df_lease *lease, size_t n, df_err *err) {
    int64_t job = lease->job->key;
    df_code rc = df_store_begin(f->store, false, err);
    if (!rc) rc = df_store_add_lease(f->store, job, lease->token, lease->worker_id, &lease->key, err);
    for (size_t i = 0; i < n && !rc; i++) rc = df_store_lease_row(f->store, lease->key, job, lease->rows[i].row, err);
    return rc ? rc : df_store_commit(f->store, err);
}

static df_lease *add_lease(df_farm *f, df_job *job, const df_worker *worker, const uint64_t *rows, size_t n) {
    char token[DF_LEASE_TOKEN_BYTES];
    snprintf(token, sizeof token, "%s-%" PRIu64, f->id, ++f->n_tokens);
    df_lease *lease = df_lease_table_add(&f->leases, token, worker->id, n);
    if (!lease) return NULL;
    lease->job = job;
    lease->state = DF_LEASE_GRANTED;
    lease->named_ms = lease->granted_ms = f->now_ms;
    for (size_t i = 0; i < n; i++) lease->rows[i].row = rows[i];
    return lease;
}

static void charge(df_farm *f, df_job *job, df_lease *lease, double seconds) {
    lease->charged_s = seconds;
    df_fair_charge(&f->shares, &job->turn, lease->charged_s, df_fair_weight(job->spec.priority));
}

static void spec_to_wire(Diffarm__JobSpec *out, const df_job_spec *in) {
    diffarm__job_spec__init(out);
    out->job_id = (char *)in->job_id;
    out->title = (char *)in->title;
    out->out_dir = (char *)in->out_dir;
    out->model_path = (char *)in->model_path;
    out->model_name = (char *)in->model_name;
    out->model_sha256 = (char *)in->model_sha256;
    out->dtype = (char *)in->dtype;
    out->noise = (char *)in->noise;
    out->format = (char *)in->format;
    out->micro_batch = in->micro_batch;
    out->manifest_sha256 = (char *)in->manifest_sha256;
    out->model_config = (char *)in->model_config;
    out->no_t5 = in->no_t5;
    out->long_prompts = in->long_prompts;
    out->prompt_weights = in->prompt_weights;
    out->fast_conv = in->fast_conv;
    out->shared_sink = in->shared_sink;
    out->priority = in->priority;
}

static df_code read_rows(df_farm *f, const df_lease *lease, df_arena *arena, Diffarm__Row **rows, df_err *err) {
    for (size_t i = 0; i < lease->n_rows; i++) {
        df_stored_row stored;
        df_code rc = df_store_read_row(f->store, lease->job->key, lease->rows[i].row, arena, &stored, err);
        if (rc) return rc;
        if (!(rows[i] = df_arena_alloc(arena, sizeof *rows[i]))) return df_err_set(err, DF_ENOMEM, "row of a lease");
        if ((rc = df_row_to_wire(rows[i], &stored.is, arena, err))) return rc;
    }
    return DF_OK;
}

static df_code send_lease(df_farm *f, const df_worker *worker, const df_lease *lease, df_err *err) {
    Diffarm__Row *rows[DF_LEASE_MAX_ROWS];
    Diffarm__JobSpec spec;
    Diffarm__Lease out = DIFFARM__LEASE__INIT;
    df_arena *arena = df_arena_new();
    if (!arena) return df_err_set(err, DF_ENOMEM, "lease");
    spec_to_wire(&spec, &lease->job->spec);
    out.token = (char *)lease->token;
    out.job = &spec;
    out.rows = rows;
    out.n_rows = lease->n_rows;
    df_code rc = read_rows(f, lease, arena, rows, err);
    if (!rc && (rc = df_farm_send(f, worker->identity, worker->identity_bytes, &DF_WIRE_MESSAGE(LEASE, lease, &out))))
        df_err_set(err, rc, "the lease could not be sent");
    df_arena_free(&arena);
    return rc;
}

/* The lease is stored before it is sent: a worker never holds one that a restarted coordinator would not know. */
bool df_farm_lend(df_farm *f, df_job *job, df_worker *worker, const df_lent_rows *lent, bool copies) {
    const uint64_t *rows = lent->rows;
    size_t n = lent->n;
    df_err why;
    df_lease *lease = add_lease(f, job, worker, rows, n);
    if (!lease) return false;
    if (store_lease(f, lease, copies ? 0 : n, &why)) {
        df_farm_store_failed(f, &why);
        df_lease_table_remove(&f->leases, lease);
        return false;
    }
    df_farm_store_works(f);
    charge(f, job, lease, lent->seconds);
    if (copies)
        df_lease_make_copies(lease);
    else
        job->n_leased += n;
    df_worker_table_stop_asking(&f->workers, worker);
    df_farm_log(f, DF_LOG_DEBUG, "lease", "lease=%s job=%s worker=%s rows=%zu first=%" PRIu64, lease->token,
                job->spec.job_id, worker->id, n, rows[0]);
    if (send_lease(f, worker, lease, &why)) {
        df_farm_log(f, DF_LOG_WARN, "lease_not_sent", "lease=%s why=%s", lease->token, df_farm_quote(f, why.text));
        df_lease_apply(lease, DF_LEASE_EV_GIVEN_UP);
    }
    return true;
}

/* The job whose turn it is, of those that the worker can do and that were not looked through for it; the older of two.
 */
static df_job *next_job(const df_farm *f, const df_worker *worker) {
    df_job *next = NULL;
    for (size_t i = 0; i < f->jobs.n; i++) {
        df_job *job = f->jobs.at[i];
        if (job->state != DF_JOB_RUNNING || !df_job_pending(job) || job->looked_at == worker->ask_serial ||
            !df_worker_can(worker, job->spec.model_sha256, job->spec.dtype))
            continue;
        if (!next || df_fair_start(&f->shares, &job->turn) < df_fair_start(&f->shares, &next->turn)) next = job;
    }
    return next;
}

static void serve(df_farm *f, df_worker *worker) {
    df_lent_rows c;
    df_err why;
    for (size_t i = 0; i < f->jobs.n; i++) f->jobs.at[i]->looked_at = 0;
    for (df_job *job; worker->asks && !df_farm_store_rests(f) && (job = next_job(f, worker));) {
        job->looked_at = worker->ask_serial;
        if (choose_from(f, job, worker, &c, &why))
            df_farm_store_failed(f, &why);
        else if (c.n)
            df_farm_lend(f, job, worker, &c, false);
    }
}

static bool any_pending(const df_farm *f) {
    for (size_t i = 0; i < f->jobs.n; i++)
        if (f->jobs.at[i]->state == DF_JOB_RUNNING && df_job_pending(f->jobs.at[i])) return true;
    return false;
}

/* What decides who is lent what, but for time: while none of it changes, those who got nothing get nothing again. */
static uint64_t mark_of(const df_farm *f) {
    uint64_t mark = f->n_asks * 0x9e3779b97f4a7c15u + f->workers.n_changes;
    for (size_t i = 0; i < f->jobs.n; i++) {
        const df_job *job = f->jobs.at[i];
        if (job->state == DF_JOB_RUNNING) mark = (mark ^ (df_job_pending(job) + i)) * 0x100000001b3u;
    }
    return mark;
}

/* In the order in which they asked. Who is served asks no more. */
void df_farm_dispatch(df_farm *f) {
    df_tail tail;
    uint64_t mark = mark_of(f);
    if (!f->workers.first_asking || (mark == f->looked_mark && f->now_ms < f->look_ms)) return;
    df_farm_find_tail(f, &tail);
    for (df_worker *w = f->workers.first_asking, *next; w && (tail.n || any_pending(f)) && !df_farm_store_rests(f);
         w = next) {
        next = w->asks_after;
        if (w->state != DF_WORKER_READY) continue;
        serve(f, w);
        if (w->asks && tail.n && !df_farm_store_rests(f)) df_farm_copy_tail(f, &tail, w);
    }
    f->looked_mark = df_farm_store_rests(f) ? 0 : mark_of(f);
    f->look_ms = f->now_ms + df_farm_tick_ms(f);
}
