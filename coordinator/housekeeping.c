/* What happens by the clock: silent workers, leases nobody names, uploads that stand still; and the end of leases. */
#include <string.h>

#include "coordinator/adopt.h"
#include "coordinator/farm.h"

enum { FORGET_WORKER_MS = 60000 };

/* events for leases */

void df_farm_name_lease(df_farm *f, df_lease *lease) {
    if (df_lease_apply(lease, DF_LEASE_EV_NAMED)) lease->named_ms = f->now_ms;
}

static void lease_event(df_farm *f, df_lease *lease, df_lease_event event) {
    if (!df_lease_apply(lease, event)) return;
    df_farm_log(f, event == DF_LEASE_EV_GIVEN_UP ? DF_LOG_INFO : DF_LOG_WARN, "lease_ended",
                "lease=%s job=%s worker=%s state=%s open=%zu", lease->token, lease->job->spec.job_id, lease->worker_id,
                df_lease_state_name(lease->state), lease->n_open);
}

void df_farm_leases_of_job(df_farm *f, const df_job *job, df_lease_event event) {
    for (size_t i = 0; i < f->leases.n; i++)
        if (f->leases.at[i]->job == job) lease_event(f, f->leases.at[i], event);
}

void df_farm_leases_of_worker(df_farm *f, const df_worker *worker, df_lease_event event) {
    for (df_lease *l = df_lease_table_of(&f->leases, worker->id); l; l = l->next_of_worker) lease_event(f, l, event);
}

/* the clock */

static void watch_worker(df_farm *f, df_worker *worker) {
    int64_t silent_ms = f->now_ms - worker->heard_ms;
    int64_t forget_ms = f->cfg.lease_timeout_ms > FORGET_WORKER_MS ? f->cfg.lease_timeout_ms : FORGET_WORKER_MS;
    if (silent_ms > f->cfg.lease_timeout_ms && df_worker_table_apply(&f->workers, worker, DF_WORKER_EV_SILENCE)) {
        df_worker_table_stop_asking(&f->workers, worker);
        worker->steps_done = 0;
        df_farm_log(f, DF_LOG_WARN, "worker_silent", "worker=%s name=%s ms=%lld", worker->id,
                    df_farm_quote(f, worker->name), (long long)silent_ms);
        df_farm_leases_of_worker(f, worker, DF_LEASE_EV_WORKER_SILENT);
    }
    df_farm_watch_put_out(f, worker);
    if (silent_ms > forget_ms) df_worker_table_apply(&f->workers, worker, DF_WORKER_EV_FORGET);
}

static void watch_workers(df_farm *f) {
    for (size_t i = f->workers.n; i-- > 0;) {
        df_worker *worker = f->workers.at[i];
        watch_worker(f, worker);
        if (df_farm_save_put_out(f, worker) && worker->state == DF_WORKER_GONE)
            df_worker_table_remove_at(&f->workers, i);
    }
}

/* A lease is unnamed when its worker was heard long after it last named it: the Lease or the last ack got lost on the
 * way. If the worker is not heard either, that is the worker's silence, not this. An orphan waits for its worker. */
static void watch_leases(df_farm *f) {
    for (size_t i = 0; i < f->leases.n; i++) {
        df_lease *lease = f->leases.at[i];
        const df_worker *worker = df_worker_table_find(&f->workers, lease->worker_id);
        int64_t until_ms = worker ? worker->heard_ms : f->now_ms;
        if (until_ms - lease->named_ms > f->cfg.lease_timeout_ms) lease_event(f, lease, DF_LEASE_EV_UNNAMED);
    }
}

static void watch_uploads(df_farm *f) {
    df_err why;
    for (size_t i = f->jobs.n; i-- > 0 && !df_farm_store_rests(f);) {
        df_job *job = f->jobs.at[i];
        if (job->state == DF_JOB_RECEIVING && f->now_ms - job->upload_ms > f->cfg.upload_timeout_ms)
            df_farm_forget_upload(f, job, &why);
    }
}

/* the end of leases */

enum { SETTLED_AT_ONCE = 64 };

typedef struct settlement {
    df_lease *lease;
    bool failed[DF_LEASE_MAX_ROWS]; /* by row of the lease */
    uint64_t n_failed, n_handed_on; /* handed on: to the lease that has a copy of the row */
} settlement;

static df_code settle_row(df_farm *f, const df_lease *lease, size_t i, bool *failed, df_err *err) {
    const df_lease_row *row = &lease->rows[i];
    const df_lease *copy = df_farm_copy_of(f, lease->job, row);
    int64_t job = lease->job->key;
    df_code rc = lease->state == DF_LEASE_LOST
                     ? df_store_row_lost(f->store, job, row->row, lease->worker_id, DF_FARM_MAX_LOSSES, failed, err)
                     : df_store_row_back(f->store, job, row->row, err);
    return !rc && copy && !*failed ? df_store_lease_row(f->store, copy->key, job, row->row, err) : rc;
}

static df_code settle_rows(df_farm *f, settlement *s, df_err *err) {
    const df_lease *lease = s->lease;
    df_code rc = DF_OK;
    for (size_t i = 0; i < lease->n_rows && !rc; i++) {
        if (lease->rows[i].state != DF_LEASE_ROW_OPEN) continue;
        rc = settle_row(f, lease, i, &s->failed[i], err);
        s->n_failed += s->failed[i];
    }
    return rc;
}

/* The tables follow, where a row was lent twice. */
static void settle_copies(df_farm *f, settlement *s) {
    df_lease *lease = s->lease;
    for (size_t i = 0; i < lease->n_rows; i++) {
        df_lease_row *row = &lease->rows[i];
        if (row->state == DF_LEASE_ROW_COPY) df_farm_drop_copy(f, lease, row);
        df_lease *copy = row->state == DF_LEASE_ROW_OPEN ? df_farm_copy_of(f, lease->job, row) : NULL;
        if (!copy) continue;
        df_farm_settle_copy(f, copy, row->row, s->failed[i]);
        s->n_handed_on += !s->failed[i];
    }
}

/* Its job was charged for what the lease was expected to take. Leases that a worker holds beside each other are worked
 * off one after another. */
static void correct_charge(df_farm *f, const df_lease *lease) {
    df_worker *worker = df_worker_table_find(&f->workers, lease->worker_id);
    int64_t from_ms = worker && worker->freed_ms > lease->granted_ms ? worker->freed_ms : lease->granted_ms;
    double took_s = (double)(f->now_ms - from_ms) / 1000;
    df_fair_correct(&lease->job->turn, took_s - lease->charged_s, df_fair_weight(lease->job->spec.priority));
    if (worker) worker->freed_ms = f->now_ms;
}

/* Pictures that its worker has written beside OUT and not told of. */
static void drop_beside(const df_lease *lease) {
    uint64_t rows[DF_LEASE_MAX_ROWS];
    size_t n = 0;
    for (size_t i = 0; i < lease->n_rows && n < DF_LEASE_MAX_ROWS; i++)
        if (lease->rows[i].state == DF_LEASE_ROW_OPEN || lease->rows[i].state == DF_LEASE_ROW_COPY)
            rows[n++] = lease->rows[i].row;
    df_adopt_drop(lease->job, lease->token, rows, n);
}

/* What is failed for good must not come back in a power cut: shards are packed on it. */
static bool may_fail_rows(const settlement *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (s[i].lease->state == DF_LEASE_LOST) return true;
    return false;
}

static df_code commit_settled(df_farm *f, settlement *s, size_t n, df_err *err) {
    df_code rc = df_store_begin(f->store, may_fail_rows(s, n), err);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = settle_rows(f, &s[i], err);
        if (!rc) rc = df_store_remove_lease(f->store, s[i].lease->key, err);
    }
    return rc ? rc : df_store_commit(f->store, err);
}

static void apply_settled(df_farm *f, settlement *s) {
    df_lease *lease = s->lease;
    df_job *job = lease->job;
    drop_beside(lease);
    correct_charge(f, lease);
    settle_copies(f, s);
    job->n_leased -= lease->n_open - s->n_handed_on;
    job->n_failed += s->n_failed;
    if (lease->state == DF_LEASE_LOST && lease->n_open) {
        job->n_retried += lease->n_open - s->n_failed;
        job->counts_changed = true;
    }
    df_lease_table_remove(&f->leases, lease);
}

/* Many in one transaction: the tables follow its commit, and an error leaves both as they were. */
static void settle_ended(df_farm *f) {
    df_err why;
    while (f->leases.first_ended && !df_farm_store_rests(f)) {
        settlement s[SETTLED_AT_ONCE];
        size_t n = 0;
        for (df_lease *l = f->leases.first_ended; l && n < SETTLED_AT_ONCE; l = l->next_ended)
            s[n++] = (settlement) { .lease = l };
        if (commit_settled(f, s, n, &why)) {
            df_farm_store_failed(f, &why);
            return;
        }
        df_farm_store_works(f);
        for (size_t i = 0; i < n; i++) apply_settled(f, &s[i]);
    }
}

static void save_counts(df_farm *f) {
    df_err why;
    for (size_t i = 0; i < f->jobs.n; i++) {
        df_job *job = f->jobs.at[i];
        if (!job->counts_changed || df_farm_store_rests(f)) continue;
        df_code rc = df_store_begin(f->store, false, &why);
        if (!rc) rc = df_store_save_job(f->store, job, &why);
        if (!rc) rc = df_store_commit(f->store, &why);
        if (rc)
            df_farm_store_failed(f, &why);
        else
            job->counts_changed = false;
    }
}

void df_farm_keep_house(df_farm *f) {
    if (f->now_ms >= f->watch_ms) {
        watch_workers(f);
        watch_leases(f);
        watch_uploads(f);
        df_farm_log_withheld(f);
        f->watch_ms = f->now_ms + df_farm_tick_ms(f);
    }
    settle_ended(f);
    save_counts(f);
}
