/* Who may be lent what: nothing of a job that is paused, nothing to a worker that is put out, one row to one on trial,
 * and to one whose allocation ends only what it can finish. And who is put out stays so. */
#include <inttypes.h>
#include <string.h>

#include "coordinator/simulate/world.h"

enum { RESERVE_PERCENT = 20 };

static double seconds_of(const df_sim_job *job, uint64_t row, const df_worker *worker) {
    const df_sim_row *r = &job->rows[row];
    if (worker->work_per_second > 0) return (double)r->side * r->side * r->steps / worker->work_per_second;
    return 1 / worker->images_per_second;
}

/* Whose speed is not known gets one row, if there is time for a whole lease. */
static bool has_time(const df_sim_world *w, const df_worker *worker, const df_sim_job *job,
                     const Diffarm__Lease *lease) {
    double left_s = (double)(worker->ends_ms - w->farm->now_ms) / 1000 * (100 - RESERVE_PERCENT) / 100, needed_s = 0;
    if (worker->work_per_second <= 0 && worker->images_per_second <= 0)
        return lease->n_rows == 1 && left_s * 1000 >= w->cfg.lease_target_ms;
    for (size_t i = 0; i < lease->n_rows; i++) needed_s += seconds_of(job, lease->rows[i]->row, worker);
    return needed_s <= left_s + 1e-6;
}

void df_sim_check_lent(df_sim_world *w, const Diffarm__Lease *lease) {
    const df_lease *is = df_lease_table_find(&w->farm->leases, lease->token);
    const df_sim_job *job = df_sim_find_job(w, lease->job->job_id);
    const df_worker *worker = is ? df_worker_table_find(&w->farm->workers, is->worker_id) : NULL;
    if (!worker || !job) {
        df_sim_broken(w, "lease %s is of no job, or of nobody", lease->token);
        return;
    }
    if (is->job->state != DF_JOB_RUNNING)
        df_sim_broken(w, "rows of job %s are lent, it is %s", job->id, df_job_state_name(is->job->state));
    if (worker->state != DF_WORKER_READY)
        df_sim_broken(w, "worker %s is lent rows, it is %s", worker->id, df_worker_state_name(worker->state));
    if (worker->out_ms && w->farm->now_ms < worker->out_until_ms)
        df_sim_broken(w, "worker %s is put out for %" PRId64 " ms more, and is lent rows", worker->id,
                      worker->out_until_ms - w->farm->now_ms);
    if (worker->out_ms && lease->n_rows > 1)
        df_sim_broken(w, "worker %s is on trial, and is lent %zu rows", worker->id, lease->n_rows);
    w->report->n_ends_met += worker->ends_ms > 0;
    if (worker->ends_ms && !has_time(w, worker, job, lease))
        df_sim_broken(w, "worker %s has %" PRId64 " ms left, and is lent %zu rows", worker->id,
                      worker->ends_ms - w->farm->now_ms, lease->n_rows);
}

/* Its time is over, and workers were looked through since. */
static void check_times(df_sim_world *w) {
    const df_farm *f = w->farm;
    for (size_t i = 0; i < f->workers.n; i++) {
        const df_worker *worker = f->workers.at[i];
        if (worker->state == DF_WORKER_PUT_OUT && worker->out_until_ms < f->watch_ms - df_farm_tick_ms(f))
            df_sim_broken(w, "worker %s stays put out, its time was over %" PRId64 " ms ago", worker->id,
                          f->now_ms - worker->out_until_ms);
    }
}

/* A put-out worker has no lease that lives, and comes in again. */
void df_sim_check_put_out(df_sim_world *w) {
    const df_farm *f = w->farm;
    check_times(w);
    for (size_t i = 0; i < f->leases.n; i++) {
        const df_worker *worker = df_worker_table_find(&f->workers, f->leases.at[i]->worker_id);
        if (worker && worker->state == DF_WORKER_PUT_OUT && df_lease_is_live(f->leases.at[i]))
            df_sim_broken(w, "lease %s of worker %s, who is put out, lives on", f->leases.at[i]->token, worker->id);
    }
}

typedef struct counting {
    df_sim_world *w;
    size_t n;
} counting;

static df_code look_at_line(void *ctx, const df_stored_put_out *p, df_err *err) {
    counting *c = ctx;
    const df_worker *worker = df_worker_table_find(&c->w->farm->workers, p->worker_id);
    (void)err;
    c->n++;
    if (!worker || worker->stored_out_ms != p->out_ms)
        df_sim_broken(c->w, "worker %s is put out in the store, for %" PRId64 " ms; the tables do not say so",
                      p->worker_id, p->out_ms);
    return DF_OK;
}

/* The store has a line for each worker of which the tables say so, and no other. */
void df_sim_check_put_outs_stored(df_sim_world *w) {
    counting c = { .w = w };
    size_t n = 0;
    df_err err;
    if (df_store_load_put_outs(w->farm->store, look_at_line, &c, &err)) df_sim_broken(w, "put-outs: %s", err.text);
    for (size_t i = 0; i < w->farm->workers.n; i++) n += w->farm->workers.at[i]->stored_out_ms != 0;
    if (n != c.n) df_sim_broken(w, "%zu workers are put out in the store, %zu in the tables", c.n, n);
    if (c.n > w->report->n_put_out) w->report->n_put_out = c.n;
}
