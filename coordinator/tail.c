/* The slowest tail of a job: when nothing is left to lend and a lease runs far over the time it was expected to take,
 * an idle worker is lent its last rows once more. The picture that comes first is kept, the other is compared and
 * dropped like any late result.
 *
 * A copy is a lease of its own, with its own token. Its rows (DF_LEASE_ROW_COPY) stay the other lease's in the counts
 * and in the store, until that lease ends without them: then they are the copy's. A row is lent twice at most. What a
 * copy's worker fails at, or dies with, is not held against the row: the other worker still has it. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/farm.h"
#include "coordinator/row_extras.h"

/* Looking through many leases is not done more often than pays: a look at one takes about 0.1 us. */
enum { OVERDUE_TIMES = 2, GRACE_SHARE = 10, LOOK_LEASES_A_MS = 16 };

/* The lease that has the row in this state; NULL if there is none. A copy counts while its worker is at work on it; who
 * has the row itself has it until it is settled. */
static df_lease *find(const df_farm *f, const df_job *job, uint64_t row, df_lease_row_state state) {
    for (size_t i = 0; i < f->leases.n; i++) {
        df_lease *lease = f->leases.at[i];
        const df_lease_row *at = lease->job == job ? df_lease_find_row(lease, row) : NULL;
        if (at && at->state == state && (state != DF_LEASE_ROW_COPY || df_lease_is_live(lease))) return lease;
    }
    return NULL;
}

/* Nobody needs to go on with a lease of which all rows are done by others. */
static void finish(df_farm *f, df_lease *lease) {
    const df_worker *worker = df_worker_table_find(&f->workers, lease->worker_id);
    if (lease->n_closed != lease->n_rows || !df_lease_apply(lease, DF_LEASE_EV_ROWS_FINISHED)) return;
    if (worker) df_farm_revoke(f, worker, lease->token, "another worker was faster");
}

static void overtake(df_farm *f, df_lease *lease, uint64_t row) {
    if (lease) df_lease_row_apply(lease, df_lease_find_row(lease, row), DF_LEASE_ROW_EV_OVERTAKEN);
    if (lease) finish(f, lease);
}

/* what happens to the two */

df_lease *df_farm_copy_of(const df_farm *f, const df_job *job, const df_lease_row *row) {
    return row->has_copy ? find(f, job, row->row, DF_LEASE_ROW_COPY) : NULL;
}

void df_farm_take_first(df_farm *f, df_lease *lease, uint64_t row) {
    const df_lease_row *at = df_lease_find_row(lease, row);
    if (at->has_copy) overtake(f, find(f, lease->job, row, DF_LEASE_ROW_COPY), row);
    if (at->state == DF_LEASE_ROW_COPY) overtake(f, find(f, lease->job, row, DF_LEASE_ROW_OPEN), row);
}

void df_farm_drop_copy(df_farm *f, df_lease *lease, df_lease_row *row) {
    df_lease *first = find(f, lease->job, row->row, DF_LEASE_ROW_OPEN);
    if (first) df_lease_find_row(first, row->row)->has_copy = false;
    df_lease_row_apply(lease, row, DF_LEASE_ROW_EV_OVERTAKEN);
    if (lease->n_closed == lease->n_rows) df_lease_apply(lease, DF_LEASE_EV_ROWS_FINISHED);
}

void df_farm_settle_copy(df_farm *f, df_lease *copy, uint64_t row, bool failed) {
    if (failed)
        overtake(f, copy, row);
    else
        df_lease_row_apply(copy, df_lease_find_row(copy, row), DF_LEASE_ROW_EV_PROMOTED);
}

/* what is lent once more */

/* Leases that a worker holds beside each other are worked off one after another. */
static double overdue_s(const df_farm *f, const df_lease *lease) {
    const df_worker *holder = df_worker_table_find(&f->workers, lease->worker_id);
    int64_t from_ms = holder && holder->freed_ms > lease->granted_ms ? holder->freed_ms : lease->granted_ms;
    double target_s = f->cfg.lease_target_ms / 1000.0;
    double expected_s = lease->charged_s > 0 ? lease->charged_s : target_s; /* found after a restart: not known */
    return (double)(f->now_ms - from_ms) / 1000 - OVERDUE_TIMES * expected_s - target_s / GRACE_SHARE;
}

static bool has_open_without_copy(const df_lease *lease) {
    for (size_t i = 0; lease->n_open && i < lease->n_rows; i++)
        if (lease->rows[i].state == DF_LEASE_ROW_OPEN && !lease->rows[i].has_copy) return true;
    return false;
}

static bool is_slow(const df_farm *f, const df_lease *lease) {
    const df_job *job = lease->job;
    return job->state == DF_JOB_RUNNING && !df_job_pending(job) && df_lease_is_live(lease) && overdue_s(f, lease) > 0 &&
           has_open_without_copy(lease);
}

static bool may_have_tail(const df_farm *f) {
    for (size_t i = 0; i < f->jobs.n; i++) {
        const df_job *job = f->jobs.at[i];
        if (job->state == DF_JOB_RUNNING && job->n_leased && !df_job_pending(job)) return true;
    }
    return false;
}

static int slower_first(const void *a, const void *b) {
    const df_slow_lease *x = a, *y = b;
    return (x->overdue_s < y->overdue_s) - (x->overdue_s > y->overdue_s);
}

void df_farm_find_tail(df_farm *f, df_tail *tail) {
    *tail = (df_tail) { 0 };
    if (f->now_ms < f->tail_ms || !may_have_tail(f)) return;
    f->tail_ms = f->now_ms + (int64_t)f->leases.n / LOOK_LEASES_A_MS;
    for (size_t i = 0; i < f->leases.n && tail->n < DF_TAIL_LEASES; i++)
        if (is_slow(f, f->leases.at[i]))
            tail->at[tail->n++] = (df_slow_lease) { f->leases.at[i], overdue_s(f, f->leases.at[i]) };
    qsort(tail->at, tail->n, sizeof *tail->at, slower_first);
}

static df_lease *slowest(const df_tail *tail, const df_worker *worker) {
    for (size_t i = 0; i < tail->n; i++) {
        df_lease *lease = tail->at[i].lease;
        const df_job_spec *spec = &lease->job->spec;
        if (has_open_without_copy(lease) && strcmp(lease->worker_id, worker->id) != 0 && df_worker_can(worker, spec))
            return lease;
    }
    return NULL;
}

/* A row that somebody has died with or failed at goes its own way, so that it does no harm to one more. */
static bool is_harmless(df_farm *f, const df_job *job, uint64_t row, double *work) {
    df_stored_row stored;
    df_arena *arena = df_arena_new();
    bool yes =
        arena && !df_store_read_row(f->store, job->key, row, arena, &stored, NULL) && !stored.lost && !stored.attempts;
    if (yes)
        *work = (double)stored.is.width * stored.is.height * stored.is.steps * df_row_extras_share(stored.is.extras);
    df_arena_free(&arena);
    return yes;
}

/* The last ones, for rows are worked off in their order; ascending. */
static void choose(df_lent_rows *c, df_farm *f, const df_lease *lease, const df_worker *worker) {
    df_lease_size size = df_farm_lease_size(f, worker);
    double work;
    c->n = 0;
    c->seconds = 0;
    for (size_t i = lease->n_rows; i-- > 0;) {
        const df_lease_row *row = &lease->rows[i];
        if (row->state != DF_LEASE_ROW_OPEN || row->has_copy || !is_harmless(f, lease->job, row->row, &work)) continue;
        double seconds = df_farm_row_seconds(f, worker, work);
        if (!df_lease_size_take(&size, seconds)) break;
        c->rows[c->n++] = row->row;
        c->seconds += seconds;
    }
    for (size_t i = 0; i < c->n / 2; i++) {
        uint64_t row = c->rows[i];
        c->rows[i] = c->rows[c->n - 1 - i];
        c->rows[c->n - 1 - i] = row;
    }
}

void df_farm_copy_tail(df_farm *f, const df_tail *tail, df_worker *worker) {
    df_lent_rows c = { .n = 0 };
    df_lease *from = slowest(tail, worker);
    if (from) choose(&c, f, from, worker);
    if (!c.n || !df_farm_lend(f, from->job, worker, &c, true)) return;
    for (size_t i = 0; i < c.n; i++) df_lease_find_row(from, c.rows[i])->has_copy = true;
    df_farm_log(f, DF_LOG_INFO, "tail", "job=%s slow_worker=%s worker=%s rows=%zu", from->job->spec.job_id,
                from->worker_id, worker->id, c.n);
}
