#include "coordinator/farm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "coordinator/adopt.h"
#include "coordinator/role.h"
#include "coordinator/tar_shard.h"

enum { STORE_RETRY_MS = 1000, TICK_MS = 250 };

/* opening: what the state folder knows is taken up again */

static df_code make_id(df_farm *f, df_err *err) {
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != sizeof random) return df_err_errno(err, errno, "random start id");
    snprintf(f->id, sizeof f->id, "%llx-%016llx", (long long)df_store_starts(f->store), (unsigned long long)random);
    return DF_OK;
}

static df_code add_job(void *ctx, df_job *job, df_err *err) {
    df_farm *f = ctx;
    return df_job_table_add(&f->jobs, job) ? DF_OK : df_err_set(err, DF_ENOMEM, "job %s", job->spec.job_id);
}

static df_job *job_by_key(const df_farm *f, int64_t key) {
    for (size_t i = 0; i < f->jobs.n; i++)
        if (f->jobs.at[i]->key == key) return f->jobs.at[i];
    return NULL;
}

static df_code add_lease(void *ctx, const df_stored_lease *stored, df_err *err) {
    df_farm *f = ctx;
    df_job *job = job_by_key(f, stored->job);
    df_lease *lease = df_lease_table_add(&f->leases, stored->token, stored->worker_id, stored->n_rows);
    if (!lease || !job) return df_err_set(err, lease ? DF_EFORMAT : DF_ENOMEM, "lease %s", stored->token);
    lease->key = stored->key;
    lease->job = job;
    lease->state = DF_LEASE_ORPHANED;
    lease->named_ms = lease->granted_ms = f->now_ms;
    for (size_t i = 0; i < stored->n_rows; i++) lease->rows[i].row = stored->rows[i];
    if (!stored->n_rows) df_lease_apply(lease, DF_LEASE_EV_ROWS_FINISHED); /* of copies, or all are done */
    if (df_job_is_live(job)) return DF_OK;
    job->n_leased += stored->n_rows; /* rows of a job that has ended are not counted when it is loaded */
    df_lease_apply(lease, DF_LEASE_EV_GIVEN_UP);
    return DF_OK;
}

/* Each connection takes a descriptor. When they run out, accept fails without a word and the farm hangs: so connections
 * are counted (door.h), and workers, and those that are too many are told. */
static df_code count_descriptors(df_farm *f, df_err *err) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return df_err_errno(err, errno, "limit of open files");
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = { limit.rlim_max, limit.rlim_max };
        if (!setrlimit(RLIMIT_NOFILE, &raised)) limit = raised;
    }
    if (limit.rlim_cur < 2 * DF_FARM_RESERVED_DESCRIPTORS)
        return df_err_set(err, DF_ELIMIT, "only %llu open files are allowed, at least %d are needed: raise `ulimit -n`",
                          (unsigned long long)limit.rlim_cur, 2 * DF_FARM_RESERVED_DESCRIPTORS);
    f->max_workers = limit.rlim_cur - DF_FARM_RESERVED_DESCRIPTORS;
    if (f->cfg.max_connections && f->cfg.max_connections < f->max_workers) f->max_workers = f->cfg.max_connections;
    return DF_OK;
}

/* Workers may have died beside jobs that go on. */
static void sweep_beside(df_farm *f) {
    for (size_t i = 0; i < f->jobs.n; i++)
        if (df_job_is_live(f->jobs.at[i])) df_adopt_sweep(f->jobs.at[i], &f->leases);
}

static df_code take_up(df_farm *f, df_err *err) {
    df_code rc = count_descriptors(f, err);
    if (!rc) rc = df_crew_open(&f->crew, f->cfg.n_helpers, err);
    if (!rc) rc = df_store_open(&f->store, f->cfg.state_dir, err);
    if (!rc) rc = df_store_set_cache(f->store, f->cfg.cache_kib, err);
    if (!rc) rc = make_id(f, err);
    if (!rc) rc = df_store_load_jobs(f->store, add_job, f, err);
    if (!rc) rc = df_store_load_leases(f->store, add_lease, f, err);
    if (!rc) rc = df_farm_load_put_outs(f, err);
    if (!rc) rc = df_farm_open_files(f, err);
    if (!rc) sweep_beside(f);
    return rc;
}

df_code df_farm_open(df_farm **out, const df_coordinator_cfg *cfg, const df_wire_out *wire, int64_t now_ms,
                     df_err *err) {
    df_farm *f = calloc(1, sizeof *f);
    if (!f) return df_err_set(err, DF_ENOMEM, "the farm");
    f->cfg = *cfg;
    f->wire = *wire;
    f->now_ms = f->last_turn_ms = f->opened_ms = f->idle_since_ms = now_ms;
    f->results_end = &f->results;
    df_code rc = take_up(f, err);
    if (rc) {
        df_farm_close(&f);
        return rc;
    }
    df_farm_log(f, DF_LOG_INFO, "opened", "state=%s start=%s jobs=%zu leases=%zu max_workers=%zu",
                df_farm_quote(f, f->cfg.state_dir), f->id, f->jobs.n, f->leases.n, f->max_workers);
    *out = f;
    return DF_OK;
}

void df_farm_close(df_farm **f) {
    if (!f || !*f) return;
    df_farm_drop_results(*f, NULL);
    free((*f)->acks.at);
    df_lease_table_free(&(*f)->leases);
    df_worker_table_free(&(*f)->workers);
    df_job_table_free(&(*f)->jobs);
    df_file_store_close(&(*f)->files);
    df_store_close(&(*f)->store);
    df_crew_close(&(*f)->crew);
    free(*f);
    *f = NULL;
}

/* one message, one turn */

void df_farm_take_looked(df_farm *f, df_wire_in *in, const df_png_look *look, int64_t now_ms) {
    df_err why;
    f->now_ms = now_ms;
    if (!strcmp(in->role, DF_ROLE_ONE_TOO_MANY)) {
        df_err_set(&why, DF_ELIMIT,
                   "the coordinator has %zu connections and takes no more: raise its --max-connections or `ulimit -n`",
                   f->max_workers);
        df_farm_refuse(f, in, &why);
    } else if (!df_role_may(in->role, in->msg)) {
        df_err_set(&why, DF_EINVAL, "its key has the role %s, which may not do this", in->role);
        df_farm_refuse(f, in, &why);
    } else if (df_farm_is_client_request(in->msg))
        df_farm_take_client(f, in);
    else
        df_farm_take_worker(f, in, look);
}

void df_farm_take(df_farm *f, df_wire_in *in, int64_t now_ms) {
    df_farm_take_looked(f, in, NULL, now_ms);
}

void df_farm_refuse(df_farm *f, const df_wire_in *in, const df_err *why) {
    Diffarm__Refused refused = DIFFARM__REFUSED__INIT;
    refused.reason = (char *)why->text;
    refused.code = why->code;
    f->n_bad_messages++;
    df_farm_log_limited(f, DF_LINE_REFUSED, DF_LOG_WARN, "version=%u n=%llu why=%s", in->version,
                        (unsigned long long)f->n_bad_messages, df_farm_quote(f, why->text));
    if (in->identity_bytes)
        df_farm_send(f, in->identity, in->identity_bytes, &DF_WIRE_MESSAGE(REFUSED, refused, &refused));
}

/* If this process stood still (stopped, swapped out, a slow disk), heartbeats wait unread in the socket: the time lost
 * is ours, and nobody was silent. */
static void forgive_lost_time(df_farm *f) {
    int64_t gap = f->now_ms - f->last_turn_ms;
    if (gap <= f->cfg.lease_timeout_ms / 4 + TICK_MS) return;
    for (size_t i = 0; i < f->workers.n; i++) f->workers.at[i]->heard_ms += gap;
    for (size_t i = 0; i < f->leases.n; i++) f->leases.at[i]->named_ms += gap;
    df_farm_log(f, DF_LOG_WARN, "stood_still", "ms=%lld", (long long)gap);
}

static void watch_idleness(df_farm *f) {
    for (size_t i = 0; i < f->jobs.n; i++)
        if (df_job_is_live(f->jobs.at[i]) || f->jobs.at[i]->state == DF_JOB_RECEIVING) f->idle_since_ms = f->now_ms;
}

void df_farm_turn(df_farm *f, int64_t now_ms) {
    f->now_ms = now_ms;
    f->work_left = false;
    forgive_lost_time(f);
    df_farm_flush_results(f);
    df_farm_pack_shards(f);
    df_farm_keep_house(f);
    df_farm_dispatch(f);
    df_farm_finish_jobs(f);
    watch_idleness(f);
    f->last_turn_ms = now_ms;
}

int64_t df_farm_tick_ms(const df_farm *f) {
    int64_t tick = f->cfg.lease_timeout_ms / 8;
    return tick < 10 ? 10 : tick > TICK_MS ? TICK_MS : tick;
}

int64_t df_farm_wait_ms(const df_farm *f) {
    return f->work_left ? 0 : df_farm_tick_ms(f);
}

bool df_farm_is_idle(const df_farm *f) {
    return f->cfg.exit_when_idle_ms > 0 && f->n_ended > 0 && f->now_ms - f->idle_since_ms >= f->cfg.exit_when_idle_ms;
}

/* helpers of the farm's files */

df_code df_farm_send(df_farm *f, const void *to, size_t to_bytes, const Diffarm__Message *msg) {
    df_err err = { 0 };
    df_code rc = f->wire.send(f->wire.ctx, to, to_bytes, msg, &err);
    if (rc) df_farm_log(f, DF_LOG_DEBUG, "not_sent", "kind=%d why=%s", msg->body_case, df_farm_quote(f, err.text));
    return rc;
}

static void log_text(df_farm *f, df_log_level level, const char *event, const char *fmt, va_list args) {
    char text[1024];
    vsnprintf(text, sizeof text, fmt, args);
    df_log_event(f->cfg.log, level, event, "%s", text);
}

void df_farm_log(df_farm *f, df_log_level level, const char *event, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    log_text(f, level, event, fmt, args);
    va_end(args);
}

static const char *const limited_events[DF_N_LIMITED_LINES] = {
    [DF_LINE_REFUSED] = "refused",   [DF_LINE_UNEXPECTED] = "unexpected", [DF_LINE_LATE_RESULT] = "late_result",
    [DF_LINE_CONFLICT] = "conflict", [DF_LINE_BAD_RESULT] = "bad_result", [DF_LINE_ROW_FAILED] = "row_failed",
    [DF_LINE_HELLO] = "hello",       [DF_LINE_GOODBYE] = "goodbye",
};

void df_farm_log_limited(df_farm *f, df_limited_line line, df_log_level level, const char *fmt, ...) {
    va_list args;
    if (!df_log_limit_allows(&f->limits[line], f->now_ms)) return;
    va_start(args, fmt);
    log_text(f, level, limited_events[line], fmt, args);
    va_end(args);
}

void df_farm_log_withheld(df_farm *f) {
    for (int i = 0; i < DF_N_LIMITED_LINES; i++) {
        uint64_t n = df_log_limit_withheld(&f->limits[i], f->now_ms);
        if (n) df_farm_log(f, DF_LOG_WARN, "withheld", "kind=%s n=%llu", limited_events[i], (unsigned long long)n);
    }
}

const char *df_farm_quote(df_farm *f, const char *text) {
    return df_log_quote(f->quoted, sizeof f->quoted, text);
}

void df_farm_store_failed(df_farm *f, const df_err *why) {
    df_store_rollback(f->store);
    f->store_retry_ms = f->now_ms + STORE_RETRY_MS;
    if (!f->store_problem[0]) df_farm_log(f, DF_LOG_ERROR, "store_failed", "why=%s", df_farm_quote(f, why->text));
    snprintf(f->store_problem, sizeof f->store_problem, "%.500s", why->text);
}

void df_farm_store_works(df_farm *f) {
    if (f->store_problem[0]) df_farm_log(f, DF_LOG_INFO, "store_works", "again=1");
    f->store_problem[0] = '\0';
    f->store_retry_ms = 0;
}

bool df_farm_store_rests(const df_farm *f) {
    return f->store_retry_ms > f->now_ms;
}

void df_farm_sink_failed(df_farm *f, df_job *job, const df_err *why) {
    if (!df_job_apply(job, DF_JOB_EV_SINK_FAILED)) return;
    if (strcmp(job->problem, why->text))
        df_farm_log(f, DF_LOG_ERROR, "stalled", "job=%s why=%s", job->spec.job_id, df_farm_quote(f, why->text));
    snprintf(job->problem, sizeof job->problem, "%.500s", why->text);
    job->retry_ms = f->now_ms + f->cfg.stall_retry_ms;
    df_out_lists_close(&job->lists);
    df_tar_shard_close(&job->shard);
}
