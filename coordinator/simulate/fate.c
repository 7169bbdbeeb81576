/* What goes wrong in a simulated world, and when. Each world has its own mix, drawn from its seed; after calm_ms
 * nothing goes wrong any more, and all must come to an end. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/simulate/world.h"

void df_sim_fate_begin(df_sim_world *w) {
    static const double chances[] = { 0, 0, 0.02, 0.1 };
    w->calm_ms = df_sim_between(&w->random, 5000, 45000);
    w->network.drop = chances[df_sim_below(&w->random, 4)];
    w->network.twice = chances[df_sim_below(&w->random, 4)];
    w->network.late = chances[df_sim_below(&w->random, 4)];
    w->fate_ms = df_sim_between(&w->random, 100, 4000);
}

/* the coordinator's life */

static df_code send_out(void *ctx, const void *to, size_t to_bytes, const Diffarm__Message *msg, df_err *err) {
    df_sim_world *w = ctx;
    char name[DF_WIRE_MAX_IDENTITY_BYTES + 1];
    int peer, connection;
    if (w->disk->stopped) return df_err_set(err, DF_EUNREACHABLE, "the machine stands");
    memcpy(name, to, to_bytes);
    name[to_bytes] = '\0';
    char *dot = strchr(name, '.');
    peer = atoi(name + 1);
    connection = atoi(dot + 1);
    df_sim_check_sent(w, peer, msg);
    if (connection != w->network.connection[peer]) return df_err_set(err, DF_EUNREACHABLE, "%s is gone", name);
    df_sim_network_send(&w->network, w->now_ms, false, peer, msg, NULL, 0);
    return DF_OK;
}

void df_sim_farm_open(df_sim_world *w) {
    df_wire_out wire = { w, send_out };
    df_err err;
    df_code rc = df_farm_open(&w->farm, &w->cfg, &wire, w->now_ms + w->clock_ms, &err);
    df_sim_note(w, "the coordinator starts: %s", rc ? err.text : "up");
    w->checked_changes = 0;
    if (rc && !w->disk->stopped) {
        if (rc == DF_EFORMAT) df_sim_broken(w, "the store is damaged: %s", err.text);
        w->open_ms = w->now_ms + 1000;
        return;
    }
    w->report->n_starts++;
    w->turn_ms = w->now_ms;
}

void df_sim_farm_stop(df_sim_world *w) {
    w->disk->stopped = true; /* its last words reach nobody */
    df_farm_close(&w->farm);
    if (w->cut_next)
        df_sim_disk_cut(w->disk);
    else
        df_sim_disk_revive(w->disk);
    df_sim_note(w, w->cut_next ? "the power is cut" : "the coordinator is killed");
    w->report->n_cuts += w->cut_next;
    w->cut_next = false;
    df_sim_network_reset(&w->network);
    w->disk->busy_ms = 0;
    w->open_ms = w->now_ms + df_sim_between(&w->random, 10, df_sim_chance(&w->random, 0.3) ? 15000 : 1000);
}

/* what strikes */

static void stop_farm(df_sim_world *w) {
    w->cut_next = df_sim_chance(&w->random, 0.5);
    if (!w->farm || df_sim_chance(&w->random, 0.2)) {
        if (w->farm || w->cut_next) df_sim_farm_stop(w);
        return;
    }
    w->disk->ops_to_live = (int)df_sim_between(&w->random, 1, 60);
    df_sim_note(w, "the coordinator will stop before its change %d", w->disk->ops_to_live);
}

static void fail_disk(df_sim_world *w) {
    w->disk->n_errors = (int)df_sim_between(&w->random, 1, df_sim_chance(&w->random, 0.3) ? 40 : 3);
    w->disk->ops_to_error = (int)df_sim_between(&w->random, 0, 60);
    df_sim_note(w, "the disk will fail %d times after %d changes", w->disk->n_errors, w->disk->ops_to_error);
}

static void fill_disk(df_sim_world *w) {
    w->disk->is_full = true;
    w->disk->room = df_sim_between(&w->random, 0, 20000);
    w->disk_heals_ms = w->now_ms + df_sim_between(&w->random, 1000, 20000);
    df_sim_note(w, "the disk has room for %d bytes", (int)w->disk->room);
}

static void slow_disk(df_sim_world *w) {
    w->disk->sync_ms = df_sim_between(&w->random, 20, 1500);
    w->disk_heals_ms = w->now_ms + df_sim_between(&w->random, 1000, 15000);
    df_sim_note(w, "a sync takes %d ms", (int)w->disk->sync_ms);
}

static void kill_worker(df_sim_world *w) {
    df_sim_worker *worker = &w->workers[df_sim_below(&w->random, (uint64_t)w->n_workers)];
    df_sim_worker_die(w, worker, w->now_ms + df_sim_between(&w->random, 50, 15000));
}

/* It lives and answers, and does not get on. */
static void slow_worker(df_sim_world *w) {
    df_sim_worker *worker = &w->workers[df_sim_below(&w->random, (uint64_t)w->n_workers)];
    worker->render_ms = w->now_ms + df_sim_between(&w->random, 10000, 120000);
    df_sim_note(w, "worker %d renders nothing until %d", worker->number, (int)worker->render_ms);
}

static void drain_worker(df_sim_world *w) {
    df_sim_worker *worker = &w->workers[df_sim_below(&w->random, (uint64_t)w->n_workers)];
    worker->is_draining = worker->is_up;
    df_sim_note(w, "worker %d drains", worker->number);
}

static void part(df_sim_world *w) {
    int peer = (int)df_sim_below(&w->random, DF_SIM_MAX_PEERS);
    w->network.cut_off_until_ms[peer] = w->now_ms + df_sim_between(&w->random, 500, 25000);
    if (w->network.connection[peer] && df_sim_chance(&w->random, 0.5)) w->network.connection[peer]++;
    df_sim_note(w, "peer %d is cut off", peer);
}

static void jump_clock(df_sim_world *w) {
    int64_t ms = df_sim_between(&w->random, 500, 30000);
    if (df_sim_chance(&w->random, 0.5))
        w->clock_ms += ms;
    else
        w->turn_ms = w->busy_until_ms = w->now_ms + ms; /* it stands still */
    df_sim_note(w, "the coordinator's clock jumps %d ms", (int)ms);
}

static void heal_disk(df_sim_world *w) {
    w->disk->is_full = false;
    w->disk->sync_ms = 0;
    w->disk_heals_ms = 0;
}

/* The client program is started again, and knows its job by its id only. */
static void restart_client(df_sim_world *w) {
    df_sim_client *client = &w->clients[df_sim_below(&w->random, (uint64_t)w->n_jobs)];
    if (client->step >= DF_SIM_WATCH) return;
    client->step = DF_SIM_BEGIN;
    client->wake_ms = w->now_ms + df_sim_between(&w->random, 10, 5000);
    df_sim_note(w, "client %d starts again", client->number);
}

static void calm_down(df_sim_world *w) {
    w->fate_ms = INT64_MAX;
    w->network.drop = w->network.twice = w->network.late = 0;
    memset(w->network.cut_off_until_ms, 0, sizeof w->network.cut_off_until_ms);
    w->disk->n_errors = w->disk->ops_to_live = 0;
    heal_disk(w);
    df_sim_note(w, "calm");
}

/* Also in the calm: a row's third loss takes longer to be found than most worlds are rough. */
void df_sim_fate_strikes_soon(df_sim_world *w, df_sim_job *job) {
    job->end_was_struck = true;
    if (df_sim_chance(&w->extra, 0.5)) return;
    w->cut_next = df_sim_chance(&w->extra, 0.7);
    w->disk->ops_to_live = (int)df_sim_between(&w->extra, 1, 60);
    df_sim_note(w, "job %s ends: the coordinator will stop before its change %d", job->id, w->disk->ops_to_live);
}

/* The last steps of a job are few among many, so they get strikes of their own: the last row's commit, shards, lists,
 * marker, tidying. They follow in one turn, so the strike is planned while that row is still out. */
void df_sim_fate_at_the_end(df_sim_world *w) {
    for (int i = 0; w->farm && !df_sim_is_calm(w) && i < w->n_jobs; i++) {
        df_sim_job *job = &w->jobs[i];
        const df_job *is = df_job_table_find(&w->farm->jobs, job->id);
        if (!is || !df_job_is_live(is) || job->end_was_struck || job->murderer >= 0) continue;
        if (is->n_done + is->n_failed + 1 >= is->n_rows) df_sim_fate_strikes_soon(w, job);
    }
}

void df_sim_fate_strikes(df_sim_world *w) {
    static void (*const strokes[])(df_sim_world *) = {
        stop_farm, stop_farm,   stop_farm,   fail_disk,    fail_disk,  fill_disk,      slow_disk,   part,
        part,      kill_worker, kill_worker, drain_worker, jump_clock, restart_client, slow_worker, slow_worker,
    };
    if (df_sim_is_calm(w)) {
        calm_down(w);
        return;
    }
    if (w->disk_heals_ms && w->now_ms >= w->disk_heals_ms) heal_disk(w);
    strokes[df_sim_below(&w->random, sizeof strokes / sizeof *strokes)](w);
    w->fate_ms = w->now_ms + df_sim_between(&w->random, 50, 4000);
    if (w->fate_ms > w->calm_ms) w->fate_ms = w->calm_ms;
}
