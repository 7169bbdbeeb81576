/* What workers say: hello, give me work, this row is done, I am alive, goodbye. */
#include <inttypes.h>
#include <string.h>

#include "coordinator/adopt.h"
#include "coordinator/farm.h"

void df_farm_revoke(df_farm *f, const df_worker *worker, const char *token, const char *reason) {
    Diffarm__LeaseRevoked out = DIFFARM__LEASE_REVOKED__INIT;
    out.token = (char *)token;
    out.reason = (char *)reason;
    if (worker->identity_bytes)
        df_farm_send(f, worker->identity, worker->identity_bytes, &DF_WIRE_MESSAGE(LEASE_REVOKED, lease_revoked, &out));
}

/* hello */

static df_code check_hello(const df_farm *f, const Diffarm__Hello *hello, df_err *err) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:@+-";
    const char *id = hello->worker_id;
    if (!*id || strlen(id) >= DF_WORKER_ID_BYTES || id[strspn(id, plain)])
        return df_err_set(err, DF_EINVAL, "worker_id must have 1 to %d letters, digits or ._:@+-",
                          DF_WORKER_ID_BYTES - 1);
    if (hello->n_models > DF_WORKER_MAX_MODELS)
        return df_err_set(err, DF_ELIMIT, "%zu models, a worker offers at most %d", hello->n_models,
                          DF_WORKER_MAX_MODELS);
    if (f->workers.n >= f->max_workers && !df_worker_table_find(&f->workers, id))
        return df_err_set(err, DF_ELIMIT, "the farm has %zu workers, more would need more open files (ulimit -n)",
                          f->workers.n);
    return DF_OK;
}

static void welcome(df_farm *f, const df_wire_in *in) {
    Diffarm__Welcome out = DIFFARM__WELCOME__INIT;
    out.coordinator_id = f->id;
    out.heartbeat_ms = (uint32_t)f->cfg.heartbeat_ms;
    out.lease_timeout_ms = (uint32_t)f->cfg.lease_timeout_ms;
    df_farm_send(f, in->identity, in->identity_bytes, &DF_WIRE_MESSAGE(WELCOME, welcome, &out));
}

static df_lease *lease_of(df_farm *f, const df_worker *worker, const char *token) {
    df_lease *lease = df_lease_table_find(&f->leases, token);
    return lease && df_lease_is_live(lease) && !strcmp(lease->worker_id, worker->id) ? lease : NULL;
}

static void name_leases(df_farm *f, const df_worker *worker, char **tokens, size_t n) {
    for (size_t i = 0; i < n; i++) {
        df_lease *lease = lease_of(f, worker, tokens[i]);
        if (lease)
            df_farm_name_lease(f, lease);
        else
            df_farm_revoke(f, worker, tokens[i], "not held any more");
    }
}

static bool names(char **tokens, size_t n, const char *token) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(tokens[i], token)) return true;
    return false;
}

/* What a Hello does not name, the worker does not have: the Lease was lost with the connection. */
static void give_up_unheld(df_farm *f, const df_worker *worker, const Diffarm__Hello *hello) {
    for (df_lease *lease = df_lease_table_of(&f->leases, worker->id); lease; lease = lease->next_of_worker)
        if (!names(hello->leases_held, hello->n_leases_held, lease->token)) df_lease_apply(lease, DF_LEASE_EV_GIVEN_UP);
}

static void hello_of_worker(df_farm *f, const df_wire_in *in) {
    const Diffarm__Hello *hello = in->msg->hello;
    df_err why = { 0 };
    df_code rc = check_hello(f, hello, &why);
    df_worker *worker = rc ? NULL : df_worker_table_hello(&f->workers, hello, in->identity, in->identity_bytes);
    if (!worker) {
        if (!rc) df_err_set(&why, DF_ENOMEM, "out of memory for one more worker");
        df_farm_refuse(f, in, &why);
        return;
    }
    df_worker_table_apply(&f->workers, worker, DF_WORKER_EV_HELLO);
    worker->heard_ms = f->now_ms;
    df_farm_log_limited(f, DF_LINE_HELLO, DF_LOG_INFO, "worker=%s name=%s ranks=%u leases_held=%zu", worker->id,
                        df_farm_quote(f, worker->name), worker->pipeline_ranks, hello->n_leases_held);
    welcome(f, in);
    give_up_unheld(f, worker, hello);
    name_leases(f, worker, hello->leases_held, hello->n_leases_held);
}

static void hello(df_farm *f, const df_wire_in *in) {
    if (in->msg->hello->role == DIFFARM__HELLO__ROLE__WORKER)
        hello_of_worker(f, in);
    else
        welcome(f, in);
}

/* work */

static void lease_request(df_farm *f, df_worker *worker, const Diffarm__LeaseRequest *in) {
    df_worker_table_stop_asking(&f->workers, worker);
    if (worker->state == DF_WORKER_READY) df_worker_table_ask(&f->workers, worker);
    worker->ask_serial = ++f->n_asks;
    worker->max_rows = in->max_rows;
    worker->ends_ms =
        in->seconds_left > 0 && in->seconds_left < 1e9 ? f->now_ms + (int64_t)(in->seconds_left * 1000) : 0;
    worker->images_per_second = in->images_per_second >= 0 && in->images_per_second < 1e6 ? in->images_per_second : 0;
    worker->work_per_second = in->work_per_second >= 0 && in->work_per_second < 1e15 ? in->work_per_second : 0;
}

static void heartbeat(df_farm *f, df_worker *worker, const Diffarm__Heartbeat *in) {
    Diffarm__HeartbeatAck ack = DIFFARM__HEARTBEAT_ACK__INIT;
    ack.coordinator_id = f->id;
    worker->steps_done = in->steps_done >= 0 && in->steps_done < 1e6 ? in->steps_done : 0;
    if (in->draining && df_worker_table_apply(&f->workers, worker, DF_WORKER_EV_DRAIN))
        df_worker_table_stop_asking(&f->workers, worker);
    name_leases(f, worker, in->tokens, in->n_tokens);
    df_farm_send(f, worker->identity, worker->identity_bytes, &DF_WIRE_MESSAGE(HEARTBEAT_ACK, heartbeat_ack, &ack));
}

/* A result that nobody waits for: its lease was lost, or it comes twice. It is held against what is committed and
 * dropped; other bytes for the same row would mean that pictures are not reproducible, which must never pass unseen. */
static bool compare_late(df_farm *f, df_job *job, const df_worker *worker, const Diffarm__Result *result) {
    df_stored_row row = { 0 };
    df_arena *arena = df_arena_new();
    bool known = arena && !df_store_read_row(f->store, job->key, result->row, arena, &row, NULL);
    bool done = known && row.state == DF_ROW_DONE, same = done && !strcmp(row.png_sha256, result->png_sha256);
    job->n_duplicates++;
    job->n_conflicts += done && !same;
    job->counts_changed = true;
    df_farm_log_limited(f, done && !same ? DF_LINE_CONFLICT : DF_LINE_LATE_RESULT,
                        done && !same ? DF_LOG_ERROR : DF_LOG_INFO,
                        "job=%s row=%" PRIu64 " worker=%s sha256=%s committed=%s", job->spec.job_id, result->row,
                        worker->id, df_farm_quote(f, result->png_sha256), done ? row.png_sha256 : "no");
    df_arena_free(&arena);
    return same;
}

/* The row of a live lease that is still to come; NULL for anything late. *waits: it has come already, and its ack will
 * follow; or it is a copy, and what the other worker said of the row is not settled: it will be sent again. */
static df_lease *due(df_farm *f, df_worker *worker, const char *token, uint64_t row, bool *waits) {
    df_lease *lease = lease_of(f, worker, token);
    df_lease_row *at = lease ? df_lease_find_row(lease, row) : NULL;
    if (lease) df_farm_name_lease(f, lease);
    bool is_copy = at && at->state == DF_LEASE_ROW_COPY;
    *waits = at && (at->state == DF_LEASE_ROW_ARRIVED || (is_copy && df_farm_has_result(f, lease->job, row)));
    return at && !*waits && (is_copy || at->state == DF_LEASE_ROW_OPEN) ? lease : NULL;
}

/* What a late result has left beside OUT. Only its own: the file of a row that another worker's live lease speaks for
 * stays, whoever names its token. */
static void drop_late(df_farm *f, const df_job *job, const df_worker *worker, const Diffarm__Result *result) {
    const df_lease *lease = df_lease_table_find(&f->leases, result->token);
    if (!lease || !df_lease_is_live(lease) || !strcmp(lease->worker_id, worker->id))
        df_adopt_drop(job, result->token, &result->row, 1);
}

static void result(df_farm *f, df_worker *worker, df_wire_in *in, const df_png_look *look) {
    const Diffarm__Result *r = in->msg->result;
    bool waits, same = false;
    df_lease *lease = due(f, worker, r->token, r->row, &waits);
    if (waits) return;
    if (lease) {
        df_farm_queue_result(f, worker, lease, in, look);
        return;
    }
    df_job *job = df_job_table_find(&f->jobs, r->job_id);
    if (job) {
        same = compare_late(f, job, worker, r);
        drop_late(f, job, worker, r);
    }
    df_farm_ack(f, worker->id, r->token, r->row, same);
}

static void row_failed(df_farm *f, df_worker *worker, const Diffarm__RowFailed *in) {
    bool waits;
    df_lease *lease = due(f, worker, in->token, in->row, &waits);
    if (lease)
        df_farm_queue_failure(f, worker, lease, in);
    else if (!waits)
        df_farm_ack(f, worker->id, in->token, in->row, false);
}

/* leaving */

static void lease_returned(df_farm *f, df_worker *worker, const Diffarm__LeaseReturned *in) {
    df_lease *lease = lease_of(f, worker, in->token);
    if (!lease) return;
    if (!in->n_rows) df_lease_apply(lease, DF_LEASE_EV_GIVEN_UP);
    for (size_t i = 0; i < in->n_rows; i++) {
        df_lease_row *row = df_lease_find_row(lease, in->rows[i]);
        if (row && (row->state == DF_LEASE_ROW_OPEN || row->state == DF_LEASE_ROW_COPY))
            df_farm_queue_return(f, worker, lease, in->rows[i]);
    }
}

static void goodbye(df_farm *f, df_worker *worker) {
    df_worker_table_apply(&f->workers, worker, DF_WORKER_EV_GOODBYE);
    df_worker_table_stop_asking(&f->workers, worker);
    df_farm_log_limited(f, DF_LINE_GOODBYE, DF_LOG_INFO, "worker=%s name=%s", worker->id,
                        df_farm_quote(f, worker->name));
    df_farm_leases_of_worker(f, worker, DF_LEASE_EV_GIVEN_UP);
}

/* the border */

static void say_hello(df_farm *f, const df_wire_in *in) {
    Diffarm__SayHello out = DIFFARM__SAY_HELLO__INIT;
    out.coordinator_id = f->id;
    df_farm_send(f, in->identity, in->identity_bytes, &DF_WIRE_MESSAGE(SAY_HELLO, say_hello, &out));
}

static void take_known(df_farm *f, df_worker *worker, df_wire_in *in, const df_png_look *look) {
    const Diffarm__Message *m = in->msg;
    switch (m->body_case) {
    case DIFFARM__MESSAGE__BODY_LEASE_REQUEST: lease_request(f, worker, m->lease_request); break;
    case DIFFARM__MESSAGE__BODY_HEARTBEAT: heartbeat(f, worker, m->heartbeat); break;
    case DIFFARM__MESSAGE__BODY_RESULT: result(f, worker, in, look); break;
    case DIFFARM__MESSAGE__BODY_ROW_FAILED: row_failed(f, worker, m->row_failed); break;
    case DIFFARM__MESSAGE__BODY_LEASE_RETURNED: lease_returned(f, worker, m->lease_returned); break;
    case DIFFARM__MESSAGE__BODY_FILE_GET: df_farm_give_file(f, worker, m->file_get); break;
    case DIFFARM__MESSAGE__BODY_GOODBYE: goodbye(f, worker); break;
    default:
        df_farm_log_limited(f, DF_LINE_UNEXPECTED, DF_LOG_WARN, "kind=%d worker=%s", m->body_case, worker->id);
        break;
    }
}

void df_farm_take_worker(df_farm *f, df_wire_in *in, const df_png_look *look) {
    if (in->msg->body_case == DIFFARM__MESSAGE__BODY_HELLO) {
        hello(f, in);
        return;
    }
    df_worker *worker = df_worker_table_of(&f->workers, in->identity, in->identity_bytes);
    if (!worker) {
        say_hello(f, in);
        return;
    }
    worker->heard_ms = f->now_ms;
    df_worker_table_apply(&f->workers, worker, DF_WORKER_EV_HEARD);
    take_known(f, worker, in, look);
}
