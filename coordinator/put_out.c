/* Workers that fail again and again are put out, so that a broken machine does not use up the attempts of every row it
 * can get hold of. One that failed MAX_STRIKES times without a picture in between gets nothing for a minute, then one
 * row on trial; if that fails as well it is out for twice as long, up to an hour. A picture clears it. As long as no
 * other worker is well nobody is put out: then it is the rows.
 *
 * The store has a line for each that is out or on trial, brought up to date by housekeeping. A coordinator that is
 * started again puts them out again, for as long as the last time. */
#include <stdio.h>
#include <string.h>

#include "coordinator/farm.h"

enum { MAX_STRIKES = 5, FIRST_OUT_MS = 60000, MAX_OUT_MS = 3600000 };

static bool another_is_well(const df_farm *f, const df_worker *worker) {
    for (size_t i = 0; i < f->workers.n; i++) {
        const df_worker *w = f->workers.at[i];
        if (w != worker && w->state == DF_WORKER_READY && !w->n_strikes) return true;
    }
    return false;
}

static void put_out(df_farm *f, df_worker *worker, const char *why) {
    if (!df_worker_table_apply(&f->workers, worker, DF_WORKER_EV_PUT_OUT)) return;
    df_worker_table_stop_asking(&f->workers, worker);
    worker->out_ms = worker->out_ms ? 2 * worker->out_ms : FIRST_OUT_MS;
    if (worker->out_ms > MAX_OUT_MS) worker->out_ms = MAX_OUT_MS;
    worker->out_until_ms = f->now_ms + worker->out_ms;
    snprintf(worker->out_reason, sizeof worker->out_reason, "failed %d times without a picture, last: %.180s",
             worker->n_strikes, why);
    df_farm_log(f, DF_LOG_WARN, "put_out", "worker=%s ms=%lld why=%s", worker->id, (long long)worker->out_ms,
                df_farm_quote(f, worker->out_reason));
    for (const df_lease *lease = df_lease_table_of(&f->leases, worker->id); lease; lease = lease->next_of_worker)
        df_farm_revoke(f, worker, lease->token, "this worker fails too often");
    df_farm_leases_of_worker(f, worker, DF_LEASE_EV_GIVEN_UP);
}

/* the store */

static df_code write_put_out(df_farm *f, const df_worker *worker, int64_t out_ms, df_err *err) {
    const df_stored_put_out p = {
        .worker_id = worker->id, .name = worker->name, .reason = worker->out_reason, .out_ms = out_ms
    };
    df_code rc = df_store_begin(f->store, false, err);
    if (!rc) rc = out_ms ? df_store_put_out(f->store, &p, err) : df_store_not_put_out(f->store, worker->id, err);
    return rc ? rc : df_store_commit(f->store, err);
}

bool df_farm_save_put_out(df_farm *f, df_worker *worker) {
    df_err why;
    int64_t out_ms = worker->state == DF_WORKER_GONE ? 0 : worker->out_ms;
    if (out_ms == worker->stored_out_ms) return true;
    if (df_farm_store_rests(f)) return false;
    if (write_put_out(f, worker, out_ms, &why)) {
        df_farm_store_failed(f, &why);
        return false;
    }
    worker->stored_out_ms = out_ms;
    return true;
}

/* Its leases went back when it was put out, perhaps without a trace in the store. */
static df_code put_out_again(void *ctx, const df_stored_put_out *p, df_err *err) {
    df_farm *f = ctx;
    df_worker *worker = df_worker_table_add(&f->workers, p->worker_id);
    if (!worker) return df_err_set(err, DF_ENOMEM, "worker %s", p->worker_id);
    df_worker_table_apply(&f->workers, worker, DF_WORKER_EV_PUT_OUT);
    snprintf(worker->name, sizeof worker->name, "%s", p->name);
    snprintf(worker->out_reason, sizeof worker->out_reason, "%s", p->reason);
    worker->n_strikes = MAX_STRIKES;
    worker->out_ms = worker->stored_out_ms = p->out_ms;
    worker->out_until_ms = f->now_ms + p->out_ms;
    worker->heard_ms = f->now_ms;
    df_farm_leases_of_worker(f, worker, DF_LEASE_EV_GIVEN_UP);
    return DF_OK;
}

df_code df_farm_load_put_outs(df_farm *f, df_err *err) {
    return df_store_load_put_outs(f->store, put_out_again, f, err);
}

/* in and out */

void df_farm_strike(df_farm *f, df_worker *worker, const char *why) {
    worker->n_strikes++;
    if (worker->n_strikes >= MAX_STRIKES && another_is_well(f, worker)) put_out(f, worker, why);
}

void df_farm_clear(df_worker *worker) {
    worker->n_strikes = 0;
    worker->out_ms = 0;
    worker->out_reason[0] = '\0';
}

bool df_farm_is_on_trial(const df_worker *worker) {
    return worker->n_strikes >= MAX_STRIKES - 1;
}

void df_farm_watch_put_out(df_farm *f, df_worker *worker) {
    if (worker->state != DF_WORKER_PUT_OUT || f->now_ms < worker->out_until_ms) return;
    df_worker_table_apply(&f->workers, worker, DF_WORKER_EV_READMIT);
    worker->n_strikes = MAX_STRIKES - 1;
    df_farm_log(f, DF_LOG_INFO, "on_trial", "worker=%s", worker->id);
}

df_code df_farm_readmit(df_farm *f, const Diffarm__WorkerReadmit *in, df_err *err) {
    bool found = false;
    for (size_t i = 0; i < f->workers.n; i++) {
        df_worker *w = f->workers.at[i];
        if (strcmp(w->id, in->worker) != 0 && strcmp(w->name, in->worker) != 0) continue;
        found = true;
        if (!df_worker_table_apply(&f->workers, w, DF_WORKER_EV_READMIT)) continue;
        df_farm_clear(w);
        df_farm_log(f, DF_LOG_INFO, "readmitted", "worker=%s", w->id);
    }
    return found ? DF_OK : df_err_set(err, DF_ENOTFOUND, "no worker \"%.64s\"", in->worker);
}
