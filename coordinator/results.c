/* Finished rows on their way to OUT and the store.
 *
 * A result waits in the queue until its file is in place (written, synced, renamed), its folder is synced, and its row
 * is committed; only then is it acknowledged. The queue is flushed once a turn: one sync a folder, one transaction. If
 * OUT or the store refuse, it stays in the queue and nothing was promised. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sha256.h"
#include "coordinator/adopt.h"
#include "coordinator/farm.h"
#include "coordinator/out_dir.h"
#include "coordinator/png_check.h"
#include "coordinator/tar_shard.h"
#include "coordinator/text.h"

enum { MAX_PARKED_BYTES = 256 << 20, MAX_FLAGS_BYTES = 1024 };

typedef enum result_kind {
    PICTURE,
    FAILURE, /* one attempt more */
    GIVEN_BACK, /* pending again, nobody is to blame */
} result_kind;

typedef enum result_stage {
    TO_WRITE, /* the picture is in memory, or beside OUT */
    TO_SYNC, /* in place; its folder is not synced */
    TO_COMMIT, /* on disk, or there is no picture */
    UNKEPT, /* its worker is to send it again: to be forgotten */
} result_stage;

struct df_result {
    df_result *next;
    df_job *job; /* borrowed: results of a job are dropped before it */
    uint64_t row;
    char token[DF_LEASE_TOKEN_BYTES];
    char worker_id[DF_WORKER_ID_BYTES];
    result_kind kind;
    result_stage stage;
    df_wire_in picture; /* owns the blob only */
    uint64_t beside_bytes; /* of the file that the worker has written beside OUT; 0: the picture is in memory */
    char png_sha256[DF_SHA256_HEX_BYTES];
    char flags[MAX_FLAGS_BYTES];
    char scheduler[65];
    double seconds;
    int64_t finished_ms;
    bool silent; /* no ack: the worker handed the row back itself */
    bool for_good; /* of a failure: no further attempt would help */
    bool is_nan; /* the same: what was to be the picture is not finite */
    uint64_t pixels_hash; /* of a picture; 0: not told */
    df_job_flagged flagged; /* set in the transaction: what the row adds to the job's counts */
    char error[512];
    bool ended_failed; /* set in the transaction: the row is failed now */
    bool handed_on; /* the same: a copy of the row has it now */
};

/* into the queue */

static df_result *enqueue(df_farm *f, df_worker *worker, df_lease *lease, uint64_t row) {
    df_result *r = calloc(1, sizeof *r);
    if (!r) return NULL; /* not acknowledged: the worker sends it again */
    r->job = lease->job;
    r->row = row;
    r->finished_ms = df_clock_wall_ms();
    snprintf(r->token, sizeof r->token, "%s", lease->token);
    snprintf(r->worker_id, sizeof r->worker_id, "%s", worker->id);
    df_lease_row_apply(lease, df_lease_find_row(lease, row), DF_LEASE_ROW_EV_RESULT);
    *f->results_end = r;
    f->results_end = &r->next;
    return r;
}

static df_result *enqueue_picture(df_farm *f, df_worker *worker, df_lease *lease, uint64_t row) {
    df_farm_take_first(f, lease, row);
    return enqueue(f, worker, lease, row);
}

static void set_flags(df_result *r, const Diffarm__Result *result) {
    size_t used = 0;
    for (size_t i = 0; i < result->n_flags; i++) {
        char flag[64];
        df_text_clean(flag, sizeof flag, result->flags[i]);
        int n = snprintf(r->flags + used, sizeof r->flags - used, "%s%s", used ? "\n" : "", flag);
        if (n < 0 || used + (size_t)n >= sizeof r->flags) {
            r->flags[used] = '\0';
            return;
        }
        used += (size_t)n;
    }
}

/* Is the picture what the row asks for and what the worker says it is? */
static df_code check_picture(df_farm *f, const df_lease *lease, const df_wire_in *in, const df_png_look *look,
                             df_err *err) {
    const Diffarm__Result *result = in->msg->result;
    df_stored_row row;
    df_arena *arena = df_arena_new();
    if (!arena) return df_err_set(err, DF_ENOMEM, "row");
    df_code rc = df_store_read_row(f->store, lease->job->key, result->row, arena, &row, err);
    if (!rc) rc = df_png_look_check(look, row.is.width, row.is.height, err);
    df_arena_free(&arena);
    if (rc || !strcmp(look->sha256, result->png_sha256)) return rc;
    return df_err_set(err, DF_EFORMAT, "result arrived with sha256 %.8s, it was sent with %.8s", look->sha256,
                      result->png_sha256);
}

static void set_failure(df_result *r, df_code code, const char *why) {
    r->stage = TO_COMMIT;
    r->kind = FAILURE;
    r->for_good = code == DF_EINVAL || code == DF_EUNSUPPORTED || code == DF_ESHAPE || code == DF_ELIMIT;
    r->is_nan = code == DF_ENUMERIC;
    df_text_clean(r->error, sizeof r->error, *why ? why : df_code_text(code));
}

/* The row is another worker's as well, and is not to blame. */
static void fail_copy(df_farm *f, df_worker *worker, df_lease *lease, df_lease_row *row, const char *why) {
    df_farm_drop_copy(f, lease, row);
    df_farm_ack(f, worker->id, lease->token, row->row, false);
    worker->n_failed++;
    df_farm_strike(f, worker, why);
}

static void fail(df_farm *f, df_worker *worker, df_lease *lease, uint64_t row, df_code code, const char *why) {
    df_lease_row *at = df_lease_find_row(lease, row);
    if (at->state == DF_LEASE_ROW_COPY) {
        fail_copy(f, worker, lease, at, why);
        return;
    }
    df_result *r = enqueue(f, worker, lease, row);
    if (r) set_failure(r, code, why);
}

void df_farm_queue_failure(df_farm *f, df_worker *worker, df_lease *lease, const Diffarm__RowFailed *failed) {
    df_farm_log_limited(f, DF_LINE_ROW_FAILED, DF_LOG_WARN, "job=%s row=%llu worker=%s code=%s",
                        lease->job->spec.job_id, (unsigned long long)failed->row, worker->id,
                        df_code_name((df_code)failed->code));
    fail(f, worker, lease, failed->row, (df_code)failed->code, failed->error);
}

static df_result *give_back(df_farm *f, df_worker *worker, df_lease *lease, uint64_t row) {
    df_lease_row *at = df_lease_find_row(lease, row);
    if (at->state == DF_LEASE_ROW_COPY) {
        df_farm_drop_copy(f, lease, at);
        return NULL;
    }
    df_result *r = enqueue(f, worker, lease, row);
    if (!r) return NULL;
    r->kind = GIVEN_BACK;
    r->stage = TO_COMMIT;
    return r;
}

void df_farm_queue_return(df_farm *f, df_worker *worker, df_lease *lease, uint64_t row) {
    df_result *r = give_back(f, worker, lease, row);
    if (r) r->silent = true;
}

static void describe(df_result *r, const Diffarm__Result *result, const char *sha256) {
    snprintf(r->png_sha256, sizeof r->png_sha256, "%s", sha256);
    set_flags(r, result);
    r->pixels_hash = result->pixels_hash;
    df_text_clean(r->scheduler, sizeof r->scheduler, result->scheduler);
    r->seconds = result->seconds >= 0 && result->seconds < 1e9 ? result->seconds : 0;
}

/* The picture lies beside OUT, and is looked at when it is put in place. */
static void queue_beside(df_farm *f, df_worker *worker, df_lease *lease, const Diffarm__Result *result) {
    df_result *r = enqueue_picture(f, worker, lease, result->row);
    if (!r) return;
    describe(r, result, result->png_sha256);
    r->beside_bytes = result->beside_bytes;
}

/* Of a job that keeps no pictures: what the worker says of it is all there is. */
static void queue_hash(df_farm *f, df_worker *worker, df_lease *lease, const Diffarm__Result *result) {
    if (!df_sha256_is_hex(result->png_sha256)) {
        fail(f, worker, lease, result->row, DF_EFORMAT, "result without a SHA-256");
        return;
    }
    df_result *r = enqueue_picture(f, worker, lease, result->row);
    if (!r) return;
    describe(r, result, result->png_sha256);
    r->stage = TO_COMMIT;
}

/* The picture came by message although its job has a shared sink; an earlier Result may have spoken of a file. */
static void note_by_message(df_farm *f, df_worker *worker, const df_lease *lease, const Diffarm__Result *result) {
    df_adopt_drop(lease->job, lease->token, &result->row, 1);
    if (!*result->beside_problem || worker->cannot_share == lease->job->key) return;
    worker->cannot_share = lease->job->key; /* said once a job */
    df_farm_log(f, DF_LOG_WARN, "sink_not_shared", "job=%s worker=%s name=%s why=%s", lease->job->spec.job_id,
                worker->id, worker->name, df_farm_quote(f, result->beside_problem));
}

void df_farm_queue_result(df_farm *f, df_worker *worker, df_lease *lease, df_wire_in *in, const df_png_look *look) {
    const Diffarm__Result *result = in->msg->result;
    if (!df_job_keeps_pictures(lease->job)) {
        queue_hash(f, worker, lease, result);
        return;
    }
    if (lease->job->spec.shared_sink && result->beside_bytes && !in->blob_bytes) {
        queue_beside(f, worker, lease, result);
        return;
    }
    if (lease->job->spec.shared_sink) note_by_message(f, worker, lease, result);
    df_png_look own;
    df_err why;
    if (!look) df_png_look_at(&own, in->blob, in->blob_bytes);
    if (!look) look = &own;
    df_code rc = check_picture(f, lease, in, look, &why);
    if (rc == DF_EFORMAT) { /* counts as an attempt: a worker that always sends such is not asked for ever */
        df_farm_log_limited(f, DF_LINE_BAD_RESULT, DF_LOG_WARN, "job=%s row=%llu worker=%s why=%s",
                            lease->job->spec.job_id, (unsigned long long)result->row, worker->id,
                            df_farm_quote(f, why.text));
        fail(f, worker, lease, result->row, rc, why.text);
        return;
    }
    if (rc) { /* our own trouble, not the picture's */
        df_farm_log(f, DF_LOG_ERROR, "result_dropped", "job=%s row=%llu why=%s", lease->job->spec.job_id,
                    (unsigned long long)result->row, df_farm_quote(f, why.text));
        give_back(f, worker, lease, result->row);
        return;
    }
    df_result *r = enqueue_picture(f, worker, lease, result->row);
    if (!r) return;
    describe(r, result, look->sha256);
    r->picture = (df_wire_in) { .blob = in->blob, .blob_bytes = in->blob_bytes, .frame = in->frame };
    f->results_bytes += in->blob_bytes;
    in->blob = NULL;
    in->blob_bytes = 0;
    in->frame = NULL;
}

/* out of the queue */

static void release_picture(df_farm *f, df_result *r) {
    f->results_bytes -= r->picture.blob_bytes;
    df_wire_in_free(&r->picture);
}

static void remove_at(df_farm *f, df_result **link) {
    df_result *r = *link;
    *link = r->next;
    if (!*link) f->results_end = link;
    release_picture(f, r);
    free(r);
}

void df_farm_drop_results(df_farm *f, const df_job *job) {
    for (df_result **link = &f->results; *link;) {
        if (job && (*link)->job != job) {
            link = &(*link)->next;
            continue;
        }
        df_lease *lease = df_lease_table_find(&f->leases, (*link)->token);
        if (lease) df_lease_row_apply(lease, df_lease_find_row(lease, (*link)->row), DF_LEASE_ROW_EV_UNKEPT);
        remove_at(f, link);
    }
}

bool df_farm_has_result(const df_farm *f, const df_job *job, uint64_t row) {
    for (const df_result *r = f->results; r; r = r->next)
        if (r->job == job && r->row == row) return true;
    return false;
}

bool df_farm_has_results(const df_farm *f, const df_job *job) {
    for (const df_result *r = f->results; r; r = r->next)
        if (r->job == job) return true;
    return false;
}

/* files */

/* Pictures that are written together, and then synced together, by the threads of the crew; then they are put in place
 * in their order. */
typedef struct writing {
    df_result *r;
    char path[DF_ROW_PATH_BYTES];
    uint32_t width, height; /* that the row asks for */
    df_code rc;
    df_err why;
} writing;

typedef struct write_group {
    df_out_dir *dir;
    writing at[DF_OUT_DIR_ASIDE];
    size_t n;
} write_group;

static df_code plan_writing(df_farm *f, writing *w, df_err *err) {
    df_result *r = w->r;
    df_stored_row row;
    df_arena *arena = df_arena_new();
    if (!arena) return df_err_set(err, DF_ENOMEM, "row");
    df_code rc = df_store_read_row(f->store, r->job->key, r->row, arena, &row, err);
    if (!rc && df_job_is_tar(r->job))
        df_tar_shard_loose(w->path, r->row);
    else if (!rc)
        df_row_path(w->path, r->row, row.is.name);
    w->width = rc ? 0 : row.is.width;
    w->height = rc ? 0 : row.is.height;
    df_arena_free(&arena);
    return rc;
}

static df_adoptee adoptee_of(const writing *w) {
    const df_result *r = w->r;
    return (df_adoptee) { .token = r->token,
                          .row = r->row,
                          .bytes = r->beside_bytes,
                          .sha256 = r->png_sha256,
                          .width = w->width,
                          .height = w->height };
}

/* In threads of the crew. */
static void write_aside(void *ctx, size_t i) {
    write_group *g = ctx;
    writing *w = &g->at[i];
    const df_adoptee is = adoptee_of(w);
    w->rc = w->r->beside_bytes
                ? df_adopt_look(g->dir, &is, &w->why)
                : df_out_dir_write_aside(g->dir, (int)i, w->r->picture.blob, w->r->picture.blob_bytes, &w->why);
}

static void sync_aside(void *ctx, size_t i) {
    write_group *g = ctx;
    writing *w = &g->at[i];
    if (!w->rc && !w->r->beside_bytes) w->rc = df_out_dir_sync_aside(g->dir, (int)i, &w->why);
}

static df_code put_in(write_group *g, size_t i, df_err *err) {
    const writing *w = &g->at[i];
    const df_adoptee is = adoptee_of(w);
    if (w->rc) return df_err_set(err, w->rc, "%s", w->why.text);
    return w->r->beside_bytes ? df_adopt_put_in(g->dir, &is, w->path, err)
                              : df_out_dir_put_in(g->dir, (int)i, w->path, err);
}

/* The path itself is impossible (a link in the way), or what lies beside OUT is no such picture: the row fails, the job
 * goes on. */
static void fail_picture(df_farm *f, df_result *r, const df_err *why) {
    if (why->code == DF_EFORMAT)
        df_farm_log_limited(f, DF_LINE_BAD_RESULT, DF_LOG_WARN, "job=%s row=%llu worker=%s why=%s", r->job->spec.job_id,
                            (unsigned long long)r->row, r->worker_id, df_farm_quote(f, why->text));
    release_picture(f, r);
    set_failure(r, why->code, why->text);
}

/* The file that was told of is not there, or not surely on the medium; the worker still has the picture. Its lease may
 * have ended meanwhile: then the row is rendered again. */
static void want_picture(df_farm *f, df_result *r) {
    df_worker *worker = df_worker_table_find(&f->workers, r->worker_id);
    df_lease *lease = df_lease_table_find(&f->leases, r->token);
    Diffarm__PictureWanted out = DIFFARM__PICTURE_WANTED__INIT;
    out.token = r->token;
    out.row = r->row;
    r->stage = lease ? UNKEPT : TO_COMMIT;
    r->kind = lease ? PICTURE : GIVEN_BACK;
    if (lease) df_lease_row_apply(lease, df_lease_find_row(lease, r->row), DF_LEASE_ROW_EV_UNKEPT);
    if (lease && worker && worker->identity_bytes)
        df_farm_send(f, worker->identity, worker->identity_bytes,
                     &DF_WIRE_MESSAGE(PICTURE_WANTED, picture_wanted, &out));
}

/* An error of OUT's ends it: the rest waits. */
static df_code put_in_group(df_farm *f, write_group *g, df_err *err) {
    for (size_t i = 0; i < g->n; i++) {
        df_result *r = g->at[i].r;
        df_code rc = put_in(g, i, err);
        if (rc == DF_EINVAL || rc == DF_EFORMAT)
            fail_picture(f, r, err);
        else if (rc == DF_ENOTFOUND && r->beside_bytes)
            want_picture(f, r);
        else if (rc) {
            for (size_t k = i + 1; k < g->n; k++)
                if (!g->at[k].rc && !g->at[k].r->beside_bytes) df_out_dir_drop_aside(g->dir, (int)k);
            return rc;
        } else
            r->stage = TO_SYNC;
    }
    return DF_OK;
}

static df_code write_pictures(df_farm *f, df_job *job, df_out_dir *dir, df_err *err) {
    write_group g = { .dir = dir };
    df_code rc = DF_OK;
    for (df_result *r = f->results; r && !rc; r = r->next) {
        if (r->job == job && r->stage == TO_WRITE) {
            g.at[g.n].r = r;
            rc = plan_writing(f, &g.at[g.n++], err);
        }
        if (rc || !g.n || (g.n < DF_OUT_DIR_ASIDE && r->next)) continue;
        df_crew_share(f->crew, write_aside, &g, g.n);
        df_crew_share(f->crew, sync_aside, &g, g.n);
        rc = put_in_group(f, &g, err);
        g.n = 0;
    }
    return rc;
}

/* Pictures are let go only when the folder is synced: a sync that failed may have lost what it was to keep. */
static void settle_pictures(df_farm *f, const df_job *job, bool synced) {
    for (df_result *r = f->results; r; r = r->next) {
        if (r->job != job || r->stage != TO_SYNC) continue;
        r->stage = synced ? TO_COMMIT : TO_WRITE;
        if (synced) release_picture(f, r);
        if (!synced && r->beside_bytes) want_picture(f, r);
    }
}

static void forget_unkept(df_farm *f) {
    for (df_result **link = &f->results; *link;)
        if ((*link)->stage == UNKEPT)
            remove_at(f, link);
        else
            link = &(*link)->next;
}

static void write_job(df_farm *f, df_job *job) {
    df_out_dir *dir = NULL;
    df_err why, sync_why;
    df_code rc = df_out_dir_open(&dir, job->spec.out_dir, job->spec.job_id, &why);
    if (!rc) {
        rc = write_pictures(f, job, dir, &why);
        df_code sync_rc = df_out_dir_sync(dir, &sync_why);
        settle_pictures(f, job, !sync_rc);
        if (!rc && sync_rc) {
            rc = sync_rc;
            why = sync_why;
        }
    }
    df_out_dir_close(&dir);
    forget_unkept(f);
    if (rc) {
        df_farm_sink_failed(f, job, &why);
    } else if (df_job_apply(job, DF_JOB_EV_SINK_WORKS) && job->problem[0]) {
        job->problem[0] = '\0';
        df_farm_log(f, DF_LOG_INFO, "goes_on", "job=%s", job->spec.job_id);
    }
}

/* A stalled job keeps its pictures in memory, within a limit. Beyond it the latest are let go: the row is rendered
 * again, to the same bytes. */
static void limit_parked(df_farm *f) {
    for (df_result *r = f->results; r && f->results_bytes > MAX_PARKED_BYTES; r = r->next) {
        if (r->stage != TO_WRITE || !r->picture.blob_bytes || !r->job->problem[0]) continue;
        release_picture(f, r);
        r->stage = TO_COMMIT;
        r->kind = GIVEN_BACK;
    }
}

static void write_files(df_farm *f) {
    for (size_t i = 0; i < f->jobs.n; i++) {
        df_job *job = f->jobs.at[i];
        bool paused = job->state == DF_JOB_PAUSED;
        if ((job->state == DF_JOB_STALLED || paused) && f->now_ms < job->retry_ms) continue;
        if (job->state == DF_JOB_STALLED || ((job->state == DF_JOB_RUNNING || paused) && df_farm_has_results(f, job)))
            write_job(f, job);
    }
    limit_parked(f);
}

/* the transaction */

static df_code commit_failure(df_farm *f, df_result *r, df_err *err) {
    df_code rc = df_store_row_attempt(f->store, r->job->key, r->row, r->worker_id, r->error, r->for_good,
                                      DF_FARM_MAX_ATTEMPTS, &r->ended_failed, err);
    r->flagged.n_nan = r->is_nan && r->ended_failed;
    return !rc && r->flagged.n_nan ? df_store_count_nan(f->store, r->job->key, err) : rc;
}

/* The worker that had the row has given up on it; another may be at work on a copy. NULL: there is none. */
static df_lease *copy_of(const df_farm *f, const df_result *r) {
    df_lease *lease = df_lease_table_find(&f->leases, r->token);
    return lease && r->kind != PICTURE ? df_farm_copy_of(f, r->job, df_lease_find_row(lease, r->row)) : NULL;
}

static df_code commit_no_picture(df_farm *f, df_result *r, df_err *err) {
    const df_lease *copy = copy_of(f, r);
    df_code rc = r->kind == FAILURE ? commit_failure(f, r, err) : df_store_row_back(f->store, r->job->key, r->row, err);
    r->handed_on = copy && !r->ended_failed;
    return !rc && r->handed_on ? df_store_lease_row(f->store, copy->key, r->job->key, r->row, err) : rc;
}

static df_code commit_one(df_farm *f, df_result *r, df_err *err) {
    if (r->kind != PICTURE) return commit_no_picture(f, r, err);
    df_row_result result = {
        .png_sha256 = r->png_sha256,
        .flags = r->flags,
        .scheduler = r->scheduler,
        .pixels_hash = r->pixels_hash,
        .worker = r->worker_id,
        .seconds = r->seconds,
        .finished_ms = r->finished_ms,
    };
    df_code rc = df_store_count_picture(f->store, r->job->key, r->row, &result, &r->flagged, err);
    return rc ? rc : df_store_row_done(f->store, r->job->key, r->row, &result, err);
}

static df_code commit_all(df_farm *f, df_err *err) {
    df_code rc = df_store_begin(f->store, true, err);
    for (df_result *r = f->results; r && !rc; r = r->next)
        if (r->stage == TO_COMMIT) rc = commit_one(f, r, err);
    return rc ? rc : df_store_commit(f->store, err);
}

static void count_row(df_farm *f, df_result *r) {
    df_job *job = r->job;
    df_worker *worker = df_worker_table_find(&f->workers, r->worker_id);
    job->n_leased -= !r->handed_on;
    df_job_count_flagged(job, &r->flagged);
    if (r->kind == PICTURE) {
        job->n_done++;
        df_rate_add(&job->rate, f->now_ms);
        f->recent[f->n_recent++ % DF_FARM_RECENT] = (df_farm_recent) { job, r->row };
        if (!worker) return;
        worker->n_done++;
        df_rate_add(&worker->rate, f->now_ms);
        df_farm_clear(worker);
        return;
    }
    if (worker && r->kind == FAILURE) {
        worker->n_failed++;
        if (!r->for_good) df_farm_strike(f, worker, r->error);
    }
    if (r->ended_failed) {
        job->n_failed++;
    } else if (r->kind == FAILURE) {
        job->n_retried++;
        job->counts_changed = true;
    }
}

/* Tables follow what was committed. */
static void apply_committed(df_farm *f, df_result *r) {
    df_lease *lease = df_lease_table_find(&f->leases, r->token), *copy = copy_of(f, r);
    count_row(f, r);
    if (copy) df_farm_settle_copy(f, copy, r->row, r->ended_failed);
    if (!lease) return; /* it ended while the result waited */
    df_lease_row_apply(lease, df_lease_find_row(lease, r->row), DF_LEASE_ROW_EV_COMMITTED);
    if (lease->n_closed == lease->n_rows) df_lease_apply(lease, DF_LEASE_EV_ROWS_FINISHED);
}

void df_farm_flush_results(df_farm *f) {
    df_err why;
    bool any = false;
    write_files(f);
    for (const df_result *r = f->results; r && !any; r = r->next) any = r->stage == TO_COMMIT;
    if (!any || df_farm_store_rests(f)) return;
    if (commit_all(f, &why)) {
        df_farm_store_failed(f, &why);
        return;
    }
    df_farm_store_works(f);
    for (df_result **link = &f->results; *link;) {
        df_result *r = *link;
        if (r->stage != TO_COMMIT) {
            link = &r->next;
            continue;
        }
        apply_committed(f, r);
        if (!r->silent) df_farm_ack_later(f, r->worker_id, r->token, r->row, r->kind == PICTURE);
        remove_at(f, link);
    }
    df_farm_send_acks(f);
}
