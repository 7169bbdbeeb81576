/* Lending: the lease into the table and the store, then to its worker.
 *
 * A lease is stored before it is sent: a worker never holds one that a restarted coordinator would not know. With
 * thousands of workers a transaction for each would be most of what lending costs, so up to DF_LEND_LEASES of a turn
 * share one. Tables follow at once, so that the next lease is chosen as if it were committed; if it cannot be, all of
 * them are taken back, and who asked still asks. */
#include <inttypes.h>
#include <stdio.h>

#include "coordinator/farm.h"

/* the tables, there and back */

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

static void note_lent(df_farm *f, df_lease *lease, double seconds, bool copies) {
    df_job *job = lease->job;
    lease->charged_s = seconds;
    df_fair_charge(&f->shares, &job->turn, seconds, df_fair_weight(job->spec.priority));
    if (copies)
        df_lease_make_copies(lease);
    else
        job->n_leased += lease->n_rows;
}

static void take_back(df_farm *f, df_lease *lease) {
    df_job *job = lease->job;
    df_fair_correct(&job->turn, -lease->charged_s, df_fair_weight(job->spec.priority));
    job->n_leased -= lease->n_open;
    for (size_t i = 0; i < lease->n_rows; i++)
        if (lease->rows[i].state == DF_LEASE_ROW_COPY) df_farm_drop_copy(f, lease, &lease->rows[i]);
    df_lease_table_remove(&f->leases, lease);
}

void df_farm_lending_failed(df_farm *f, const df_err *why) {
    df_farm_store_failed(f, why);
    while (f->lending.n) take_back(f, f->lending.at[--f->lending.n].lease);
}

/* the store */

/* n: of the rows that are its own in the store. */
static df_code store_lease(df_farm *f, df_lease *lease, size_t n, df_err *err) {
    int64_t job = lease->job->key;
    df_code rc = f->lending.n ? DF_OK : df_store_begin(f->store, false, err);
    if (!rc) rc = df_store_add_lease(f->store, job, lease->token, lease->worker_id, &lease->key, err);
    for (size_t i = 0; i < n && !rc; i++) rc = df_store_lease_row(f->store, lease->key, job, lease->rows[i].row, err);
    return rc;
}

/* the wire */

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
    out->backend = (char *)in->backend;
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

static void send_one(df_farm *f, df_worker *worker, df_lease *lease) {
    df_err why;
    df_worker_table_stop_asking(&f->workers, worker);
    df_farm_log(f, DF_LOG_DEBUG, "lease", "lease=%s job=%s worker=%s rows=%zu first=%" PRIu64, lease->token,
                lease->job->spec.job_id, worker->id, lease->n_rows, lease->rows[0].row);
    if (lease->rows[0].state == DF_LEASE_ROW_COPY) f->n_copied += lease->n_rows;
    if (!send_lease(f, worker, lease, &why)) return;
    df_farm_log(f, DF_LOG_WARN, "lease_not_sent", "lease=%s why=%s", lease->token, df_farm_quote(f, why.text));
    df_lease_apply(lease, DF_LEASE_EV_GIVEN_UP);
}

/* all of it */

void df_farm_send_lent(df_farm *f) {
    df_err why;
    if (!f->lending.n) return;
    if (df_store_commit(f->store, &why)) {
        df_farm_lending_failed(f, &why);
        return;
    }
    df_farm_store_works(f);
    for (size_t i = 0; i < f->lending.n; i++) send_one(f, f->lending.at[i].worker, f->lending.at[i].lease);
    f->lending.n = 0;
}

bool df_farm_lend(df_farm *f, df_job *job, df_worker *worker, const df_lent_rows *lent, bool copies) {
    df_err why;
    df_lease *lease = add_lease(f, job, worker, lent->rows, lent->n);
    if (!lease) return false;
    if (store_lease(f, lease, copies ? 0 : lent->n, &why)) {
        df_lease_table_remove(&f->leases, lease);
        df_farm_lending_failed(f, &why);
        return false;
    }
    note_lent(f, lease, lent->seconds, copies);
    f->lending.at[f->lending.n++] = (df_lent) { lease, worker };
    return true;
}
