/* Lending rows to workers that ask.
 *
 * The worker that has asked longest is served first, from the job it can do whose turn it is (fair_share.h: jobs share
 * the workers' time by their priority, so that a small job is not held up behind a long one). A lease begins with the
 * first pending row and takes more rows like it (adapters, size and steps, then without the steps), in manifest order,
 * so many that it lasts about cfg.lease_target_ms at the worker's speed. Towards the end of a job what is left is split
 * over all workers. A worker whose allocation ends gets what it can finish before. Rows that were lost with a worker
 * come in small leases, then alone, so that a row that kills its worker is found out without taking others with it.
 * When nothing is left, the slowest rows are lent once more (tail.c). How rows are lent is in lend.c. */
#include <stdlib.h>

#include "coordinator/farm.h"

enum { SUSPECT_ROWS = 8 };

/* how many */

static size_t workers_for(const df_farm *f, df_job *job) {
    if (job->able_at != f->workers.n_changes) {
        job->n_able = 0;
        job->able_at = f->workers.n_changes;
        for (size_t i = 0; i < f->workers.n; i++)
            job->n_able += f->workers.at[i]->state == DF_WORKER_READY && df_worker_can(f->workers.at[i], &job->spec);
    }
    return job->n_able ? job->n_able : 1;
}

static size_t share_of(const df_farm *f, df_job *job) {
    return (df_job_pending(job) + workers_for(f, job) - 1) / workers_for(f, job);
}

static size_t limit_suspects(size_t n, const df_worker *worker, int lost) {
    size_t slots = worker->max_rows && worker->max_rows < SUSPECT_ROWS ? worker->max_rows : SUSPECT_ROWS;
    if (lost >= 2) slots = 1;
    return lost && n > slots ? slots : n;
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

/* whose */

/* The job whose turn it is, of those that the worker can do and that were not looked through for it; the older of two.
 */
static df_job *next_job(const df_farm *f, const df_worker *worker) {
    df_job *next = NULL;
    for (size_t i = 0; i < f->jobs.n; i++) {
        df_job *job = f->jobs.at[i];
        if (job->state != DF_JOB_RUNNING || !df_job_pending(job) || job->looked_at == worker->ask_serial ||
            !df_worker_can(worker, &job->spec))
            continue;
        if (!next || df_fair_start(&f->shares, &job->turn) < df_fair_start(&f->shares, &next->turn)) next = job;
    }
    return next;
}

/* false: there is nothing for it. */
static bool serve(df_farm *f, df_worker *worker) {
    df_lent_rows c;
    df_err why;
    for (size_t i = 0; i < f->jobs.n; i++) f->jobs.at[i]->looked_at = 0;
    for (df_job *job; !df_farm_store_rests(f) && (job = next_job(f, worker));) {
        job->looked_at = worker->ask_serial;
        if (choose_from(f, job, worker, &c, &why))
            df_farm_lending_failed(f, &why);
        else if (c.n && df_farm_lend(f, job, worker, &c, false))
            return true;
    }
    return false;
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

/* In the order in which they asked. Who is served asks no more when its lease is sent. */
void df_farm_dispatch(df_farm *f) {
    df_tail tail;
    uint64_t mark = mark_of(f);
    if (!f->workers.first_asking || (mark == f->looked_mark && f->now_ms < f->look_ms)) return;
    df_farm_find_tail(f, &tail);
    for (df_worker *w = f->workers.first_asking, *next; w && (tail.n || any_pending(f)) && !df_farm_store_rests(f);
         w = next) {
        next = w->asks_after;
        if (w->state != DF_WORKER_READY) continue;
        if (!serve(f, w) && tail.n && !df_farm_store_rests(f)) df_farm_copy_tail(f, &tail, w);
        if (f->lending.n == DF_LEND_LEASES) df_farm_send_lent(f);
    }
    df_farm_send_lent(f);
    f->looked_mark = df_farm_store_rests(f) ? 0 : mark_of(f);
    f->look_ms = f->now_ms + df_farm_tick_ms(f);
}
