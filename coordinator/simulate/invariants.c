/* What must hold in a simulated world, whatever fate does. docs/simulator.md lists it in the same order. */
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/simulate/world.h"
#include "coordinator/tar_shard.h"

/* LATEST_COPY_MS: a message comes so late, if the coordinator stood still as well. */
enum { PATH_BYTES = 512, FIRST_CLIENT_PEER = 8, LATEST_COPY_MS = 60000 };

/* pictures */

static bool is_there(const df_sim_world *w, const char *path, const void *bytes, size_t n, bool synced) {
    size_t found;
    const void *at = df_sim_disk_look(w->disk, path, synced, &found);
    return at && found == n && !memcmp(at, bytes, n);
}

static bool is_in_shard(const df_sim_world *w, const df_sim_job *job, const df_sim_row *row, bool synced) {
    char path[PATH_BYTES];
    size_t n;
    snprintf(path, sizeof path, "%s/shard-000000_stats.json", job->out_dir);
    /* Of a job that is retried the stats go first; what the old archive has is taken over from there. */
    if (!job->retry_ms && !df_sim_disk_look(w->disk, path, synced, &n)) return false;
    snprintf(path, sizeof path, "%s/shard-000000.tar", job->out_dir);
    const void *tar = df_sim_disk_look(w->disk, path, synced, &n);
    return tar && memmem(tar, n, row->png, row->png_bytes);
}

static bool has_picture(const df_sim_world *w, const df_sim_job *job, uint64_t row, bool synced) {
    const df_sim_row *r = &job->rows[row];
    char path[PATH_BYTES], loose[DF_TAR_SHARD_PATH_BYTES];
    if (strcmp(job->format, "tar") != 0) {
        df_sim_job_path(job, row, path, sizeof path);
        return is_there(w, path, r->png, r->png_bytes, synced);
    }
    snprintf(path, sizeof path, "%s/%s", job->out_dir, df_tar_shard_loose(loose, row));
    return is_there(w, path, r->png, r->png_bytes, synced) || is_in_shard(w, job, r, synced);
}

/* what is said */

static df_sim_job *job_of_token(df_sim_world *w, const char *token) {
    for (int i = w->n_tokens - 1; i >= 0; i--)
        if (!strcmp(w->tokens[i].text, token)) return w->tokens[i].job;
    return NULL;
}

static void check_lease(df_sim_world *w, const Diffarm__Lease *lease) {
    if (job_of_token(w, lease->token)) df_sim_broken(w, "token %s is lent twice", lease->token);
    if (w->n_tokens == DF_SIM_MAX_TOKENS) {
        df_sim_broken(w, "%d leases for so few rows", w->n_tokens);
        return;
    }
    df_sim_token *token = &w->tokens[w->n_tokens++];
    const df_lease *is = df_lease_table_find(&w->farm->leases, lease->token);
    token->job = df_sim_find_job(w, lease->job->job_id);
    token->row = lease->n_rows ? lease->rows[0]->row : 0;
    snprintf(token->worker_id, sizeof token->worker_id, "%s", is ? is->worker_id : "");
    if (is) w->report->n_copied += is->rows[0].state == DF_LEASE_ROW_COPY ? is->n_rows : 0;
    snprintf(token->text, sizeof token->text, "%s", lease->token);
    df_sim_check_lent(w, lease);
}

static void check_acked_row(df_sim_world *w, df_sim_job *job, uint64_t row) {
    if (row >= job->n_rows) return;
    if (!job->cancelled && !has_picture(w, job, row, true))
        df_sim_broken(w, "row %" PRIu64 " of job %s is acknowledged, its picture is not on the medium", row, job->id);
    w->report->n_committed += !job->rows[row].acked;
    job->rows[row].acked = true;
}

static void check_ack(df_sim_world *w, const Diffarm__ResultAck *ack) {
    df_sim_job *job = ack->committed ? job_of_token(w, ack->token) : NULL;
    if (!job) return;
    check_acked_row(w, job, ack->row);
    for (size_t i = 0; i < ack->n_more_rows; i++) check_acked_row(w, job, ack->more_rows[i]);
}

static void check_reply(df_sim_world *w, int peer, const Diffarm__Reply *reply) {
    df_sim_job *job = &w->jobs[peer - FIRST_CLIENT_PEER];
    const df_job *is = df_job_table_find(&w->farm->jobs, job->id);
    if (reply->code || !is) return;
    job->accepted |= is->state != DF_JOB_RECEIVING;
    job->cancelled |= is->state == DF_JOB_CANCELLED;
    job->paused |= is->state == DF_JOB_PAUSED && !job->resume_sent;
}

static void check_status(df_sim_world *w, const Diffarm__JobStatus *status) {
    df_sim_job *job = df_sim_find_job(w, status->job_id);
    char path[PATH_BYTES];
    size_t n;
    if (!job || strcmp(status->state, "done") != 0) return;
    snprintf(path, sizeof path, "%s/job.json", job->out_dir);
    if (!df_sim_disk_look(w->disk, path, true, &n) || !n)
        df_sim_broken(w, "job %s is shown as done, its job.json is not on the medium", job->id);
    if (!job->retry_ms || w->now_ms > job->retry_ms + LATEST_COPY_MS) job->ended = true;
}

void df_sim_check_sent(df_sim_world *w, int peer, const Diffarm__Message *m) {
    if (m->body_case == DIFFARM__MESSAGE__BODY_LEASE) check_lease(w, m->lease);
    if (m->body_case == DIFFARM__MESSAGE__BODY_RESULT_ACK) check_ack(w, m->result_ack);
    if (m->body_case == DIFFARM__MESSAGE__BODY_REPLY) check_reply(w, peer, m->reply);
    if (m->body_case == DIFFARM__MESSAGE__BODY_JOB_LIST)
        for (size_t i = 0; i < m->job_list->n_jobs; i++) check_status(w, m->job_list->jobs[i]);
}

/* the store, row by row */

typedef struct look {
    df_sim_world *w;
    df_sim_job *job;
    const df_job *is;
    df_row_state state[DF_SIM_MAX_ROWS];
    uint64_t n[4]; /* by state */
} look;

static void check_done(const look *l, const df_stored_row *row, df_sim_row *truth) {
    truth->was_done = true;
    if (strcmp(row->png_sha256, truth->png_sha256) != 0)
        df_sim_broken(l->w, "row %" PRIu64 " of job %s is committed with sha256 %.8s, it is %.8s", row->is.row,
                      l->job->id, row->png_sha256, truth->png_sha256);
    bool is_gone = l->is->state == DF_JOB_CANCELLED && !strcmp(l->job->format, "tar"); /* loose pictures went with it */
    if (!is_gone && !has_picture(l->w, l->job, row->is.row, false))
        df_sim_broken(l->w, "row %" PRIu64 " of job %s is committed, its picture is not in OUT", row->is.row,
                      l->job->id);
}

static void check_not_done(const look *l, const df_stored_row *row, const df_sim_row *truth) {
    if (truth->was_done || truth->acked)
        df_sim_broken(l->w, "row %" PRIu64 " of job %s was %s and is not done any more", row->is.row, l->job->id,
                      truth->acked ? "acknowledged" : "committed");
    if (row->state == DF_ROW_FAILED && row->attempts < DF_FARM_MAX_ATTEMPTS && row->lost < DF_FARM_MAX_LOSSES &&
        !truth->doomed)
        df_sim_broken(l->w, "row %" PRIu64 " of job %s is failed after %d attempts and %d losses", row->is.row,
                      l->job->id, row->attempts, row->lost);
}

static df_code look_at_row(void *ctx, const df_stored_row *row, df_err *err) {
    look *l = ctx;
    if (row->is.row >= l->job->n_rows) return df_err_set(err, DF_EFORMAT, "row %" PRIu64, row->is.row);
    df_sim_row *truth = &l->job->rows[row->is.row];
    l->state[row->is.row] = row->state;
    l->n[row->state]++;
    if (row->state == DF_ROW_DONE)
        check_done(l, row, truth);
    else
        check_not_done(l, row, truth);
    return DF_OK;
}

static void check_counts(const look *l) {
    const df_job *is = l->is;
    df_sim_note(l->w, "job %s %s: %" PRIu64 " pending, %" PRIu64 " lent, %" PRIu64 " done, %" PRIu64 " failed",
                l->job->id, df_job_state_name(is->state), l->n[DF_ROW_PENDING], l->n[DF_ROW_LEASED], l->n[DF_ROW_DONE],
                l->n[DF_ROW_FAILED]);
    uint64_t n_rows = l->n[DF_ROW_PENDING] + l->n[DF_ROW_LEASED] + l->n[DF_ROW_DONE] + l->n[DF_ROW_FAILED];
    if (n_rows != is->n_rows)
        df_sim_broken(l->w, "job %s has %" PRIu64 " rows, the store %" PRIu64, l->job->id, is->n_rows, n_rows);
    if (!df_job_is_live(is)) return;
    if (is->n_done != l->n[DF_ROW_DONE] || is->n_failed != l->n[DF_ROW_FAILED] || is->n_leased != l->n[DF_ROW_LEASED])
        df_sim_broken(l->w,
                      "job %s counts done %" PRIu64 " failed %" PRIu64 " leased %" PRIu64 ", the store %" PRIu64
                      " %" PRIu64 " %" PRIu64,
                      l->job->id, is->n_done, is->n_failed, is->n_leased, l->n[DF_ROW_DONE], l->n[DF_ROW_FAILED],
                      l->n[DF_ROW_LEASED]);
}

/* A row is in one lease at most, and once more as a copy; and only rows that the store has as lent. */
static void check_leases(const look *l) {
    int lent[DF_SIM_MAX_ROWS] = { 0 }, copied[DF_SIM_MAX_ROWS] = { 0 };
    for (size_t i = 0; i < l->w->farm->leases.n; i++) {
        const df_lease *lease = l->w->farm->leases.at[i];
        if (lease->job != l->is) continue;
        for (size_t k = 0; k < lease->n_rows; k++) {
            uint64_t row = lease->rows[k].row;
            if (lease->rows[k].state == DF_LEASE_ROW_CLOSED) continue;
            if (l->state[row] != DF_ROW_LEASED)
                df_sim_broken(l->w, "row %" PRIu64 " of job %s is in lease %s, the store has it in state %d", row,
                              l->job->id, lease->token, l->state[row]);
            lent[row] += lease->rows[k].state != DF_LEASE_ROW_COPY;
            copied[row] += lease->rows[k].state == DF_LEASE_ROW_COPY;
        }
    }
    for (uint64_t row = 0; row < l->job->n_rows; row++)
        if (lent[row] > 1 || copied[row] > lent[row])
            df_sim_broken(l->w, "row %" PRIu64 " of job %s is in %d leases, and %d times a copy", row, l->job->id,
                          lent[row], copied[row]);
}

static size_t count_lines(const df_sim_world *w, const df_sim_job *job, const char *name, bool synced) {
    char path[PATH_BYTES];
    size_t n = 0, lines = 0;
    snprintf(path, sizeof path, "%s/%s", job->out_dir, name);
    const char *text = df_sim_disk_look(w->disk, path, synced, &n);
    for (size_t i = 0; text && i < n; i++) lines += text[i] == '\n';
    return lines;
}

/* An empty list is there as well. */
static bool has_list(const df_sim_world *w, const df_sim_job *job, const char *name, size_t n_lines) {
    char path[PATH_BYTES];
    size_t n;
    snprintf(path, sizeof path, "%s/%s", job->out_dir, name);
    return df_sim_disk_look(w->disk, path, false, &n) && count_lines(w, job, name, false) == n_lines;
}

/* job.json is the mark that all the rest is there. */
static void check_mark(const look *l) {
    char path[PATH_BYTES];
    size_t n;
    snprintf(path, sizeof path, "%s/job.json", l->job->out_dir);
    if (!df_sim_disk_look(l->w->disk, path, false, &n)) return;
    if (l->job->retry_ms && l->is->state != DF_JOB_DONE) return; /* it is the one of the end before */
    if (!has_list(l->w, l->job, "metadata.jsonl", l->n[DF_ROW_DONE]) ||
        !has_list(l->w, l->job, "failures.jsonl", l->n[DF_ROW_FAILED]) ||
        !has_list(l->w, l->job, "runs.jsonl", l->n[DF_ROW_DONE] + l->n[DF_ROW_FAILED]))
        df_sim_broken(l->w, "job %s has its job.json, but its lists are not whole", l->job->id);
}

/* A shard is packed on what its rows have come to: none of them may be open again, but for a retry, which leaves its
 * mark first; cancelled then, the job leaves the shard as it was. All rows are of the first shard. */
static void check_packed(const look *l) {
    char path[PATH_BYTES];
    size_t n;
    snprintf(path, sizeof path, "%s/shard-000000_stats.json", l->job->out_dir);
    if (!df_sim_disk_look(l->w->disk, path, false, &n)) return;
    snprintf(path, sizeof path, "%s/.diffarm/retried", l->job->out_dir);
    bool is_marked = df_sim_disk_look(l->w->disk, path, false, &n);
    if (l->job->retry_ms && (is_marked || l->is->state == DF_JOB_CANCELLED)) return;
    for (uint64_t row = 0; row < l->job->n_rows; row++)
        if (l->state[row] != DF_ROW_DONE && l->state[row] != DF_ROW_FAILED)
            df_sim_broken(l->w, "row %" PRIu64 " of job %s is open, its shard is packed", row, l->job->id);
}

static void check_job(df_sim_world *w, df_sim_job *job) {
    const df_job *is = df_job_table_find(&w->farm->jobs, job->id);
    look l = { .w = w, .job = job, .is = is };
    size_t n;
    df_err err;
    if (!is) {
        if (job->accepted) df_sim_broken(w, "job %s was accepted and is gone", job->id);
        return;
    }
    if (job->accepted && is->state == DF_JOB_RECEIVING) df_sim_broken(w, "job %s was accepted and is not", job->id);
    if (job->cancelled && is->state != DF_JOB_CANCELLED) df_sim_broken(w, "job %s was cancelled and is not", job->id);
    if (job->paused && is->state != DF_JOB_PAUSED && is->state != DF_JOB_CANCELLED)
        df_sim_broken(w, "job %s was paused and is %s", job->id, df_job_state_name(is->state));
    if (is->spec.priority != job->priority)
        df_sim_broken(w, "job %s has priority %d, it was given %d", job->id, is->spec.priority, job->priority);
    if (job->ended && is->state != DF_JOB_DONE) df_sim_broken(w, "job %s was done and is not", job->id);
    if (df_store_each_row(w->farm->store, is->key, 0, DF_SIM_MAX_ROWS + 1, look_at_row, &l, &n, &err))
        df_sim_broken(w, "job %s: %s", job->id, err.text);
    check_counts(&l);
    check_mark(&l);
    if (!strcmp(job->format, "tar")) check_packed(&l);
    df_sim_check_alike(w, job, is, l.state);
    if (job->ended) df_sim_check_alike_lines(w, job, l.state);
    if (df_job_is_live(is)) check_leases(&l);
}

/* the tables */

static void check_queues(df_sim_world *w) {
    const df_farm *f = w->farm;
    uint64_t n_leased = 0;
    for (size_t i = 0; i < f->jobs.n; i++) n_leased += f->jobs.at[i]->n_leased;
    if (f->results_bytes > n_leased * DF_SIM_PNG_BYTES)
        df_sim_broken(w, "%zu bytes of results wait, for %" PRIu64 " rows that are lent", f->results_bytes, n_leased);
    if (f->leases.n > n_leased + (size_t)w->n_tokens || f->workers.n > 200)
        df_sim_broken(w, "%zu leases, %zu workers in the tables", f->leases.n, f->workers.n);
    if (w->disk->n_handles > 100) df_sim_broken(w, "%d files are open", w->disk->n_handles);
}

static void check_silent(df_sim_world *w) {
    const df_farm *f = w->farm;
    for (size_t i = 0; i < f->leases.n; i++) {
        const df_worker *worker = df_worker_table_find(&f->workers, f->leases.at[i]->worker_id);
        if (worker && worker->state == DF_WORKER_SILENT && df_lease_is_live(f->leases.at[i]))
            df_sim_broken(w, "lease %s of a silent worker lives on", f->leases.at[i]->token);
    }
}

static bool anybody_lies(const df_sim_world *w) {
    for (int i = 0; i < w->n_workers; i++)
        if (w->workers[i].lies > 0) return true;
    return false;
}

static void check_conflicts(df_sim_world *w) {
    for (size_t i = 0; i < w->farm->jobs.n; i++)
        if (w->farm->jobs.at[i]->n_conflicts && !anybody_lies(w))
            df_sim_broken(w, "job %s has conflicts, and nobody lies", w->farm->jobs.at[i]->spec.job_id);
}

void df_sim_check(df_sim_world *w) {
    if (!w->farm || w->report->why[0]) return;
    check_queues(w);
    check_silent(w);
    check_conflicts(w);
    df_sim_check_put_out(w);
    if (w->checked_changes == w->disk->n_changes) return;
    w->checked_changes = w->disk->n_changes;
    w->disk->suspended = true;
    for (int i = 0; i < w->n_jobs; i++) check_job(w, &w->jobs[i]);
    df_sim_check_put_outs_stored(w);
    w->disk->suspended = false;
}

/* the end */

static void check_out(df_sim_world *w, const df_sim_job *job, const df_job *is) {
    char path[PATH_BYTES];
    size_t n;
    snprintf(path, sizeof path, "%s/.diffarm/job", job->out_dir);
    if (df_sim_disk_look(w->disk, path, false, &n))
        df_sim_broken(w, "job %s has ended, OUT is not given back", job->id);
    if (is->state != DF_JOB_DONE) return;
    if (is->n_done + is->n_failed != job->n_rows) df_sim_broken(w, "job %s ended with rows left", job->id);
    if (count_lines(w, job, "metadata.jsonl", true) != is->n_done ||
        count_lines(w, job, "failures.jsonl", true) != is->n_failed)
        df_sim_broken(w, "the lists of job %s are not whole", job->id);
    for (uint64_t row = 0; row < job->n_rows; row++)
        if (job->rows[row].was_done && !has_picture(w, job, row, true))
            df_sim_broken(w, "job %s has ended, the picture of row %" PRIu64 " is not on the medium", job->id, row);
}

static int take_verdict(void *ctx, int n, char **values, char **names) {
    (void)names;
    if (n == 1 && strcmp(values[0], "ok") != 0) df_sim_broken(ctx, "the database says: %s", values[0]);
    return 0;
}

static void check_database(df_sim_world *w) {
    sqlite3 *db = NULL;
    if (sqlite3_open("/state/farm.db", &db) || sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL) ||
        sqlite3_exec(db, "PRAGMA integrity_check", take_verdict, w, NULL))
        df_sim_broken(w, "the database: %s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

void df_sim_check_end(df_sim_world *w) {
    w->disk->ops_to_live = 0; /* a strike that is still out: its job ended before it */
    for (int i = 0; i < w->n_jobs; i++) check_out(w, &w->jobs[i], df_job_table_find(&w->farm->jobs, w->jobs[i].id));
    df_farm_close(&w->farm);
    if (w->disk->n_handles) df_sim_broken(w, "%d files were left open", w->disk->n_handles);
    check_database(w);
}
