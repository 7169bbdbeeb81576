#include "coordinator/simulate/world.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/simulate/sqlite_disk.h"

enum { FIRST_CLIENT_PEER = 8, PATIENCE_MS = 400000 };

/* what is told */

static uint64_t hash_more(uint64_t hash, const char *text) {
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3u; /* FNV-1a */
    return hash;
}

void df_sim_note(df_sim_world *w, const char *fmt, ...) {
    char text[256], line[320];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(line, sizeof line, "%8" PRId64 " %s\n", w->now_ms, text);
    w->report->trace_hash = hash_more(w->report->trace_hash, line);
    if (w->trace) fputs(line, w->trace);
}

void df_sim_broken(df_sim_world *w, const char *fmt, ...) {
    if (w->report->why[0]) return;
    va_list args;
    va_start(args, fmt);
    int n = snprintf(w->report->why, sizeof w->report->why, "at %" PRId64 " ms: ", w->now_ms);
    vsnprintf(w->report->why + n, sizeof w->report->why - (size_t)n, fmt, args);
    va_end(args);
    if (w->trace) fprintf(w->trace, "         BROKEN %s\n", w->report->why);
}

bool df_sim_is_calm(const df_sim_world *w) {
    return w->now_ms >= w->calm_ms;
}

df_sim_job *df_sim_find_job(df_sim_world *w, const char *job_id) {
    for (int i = 0; i < w->n_jobs; i++)
        if (!strcmp(w->jobs[i].id, job_id)) return &w->jobs[i];
    return NULL;
}

/* making */

/* What a client will do beside submitting and watching. */
static void give_orders(df_sim_world *w, df_sim_client *client) {
    client->job->priority = (int)df_sim_between(&w->newer, -2, 2);
    if (df_sim_chance(&w->newer, 0.25)) client->pause_ms = df_sim_between(&w->newer, 500, 25000);
    client->n_retries = (int)df_sim_below(&w->newer, 3);
}

static void make_jobs(df_sim_world *w) {
    w->n_jobs = (int)df_sim_between(&w->random, 1, DF_SIM_MAX_JOBS);
    for (int i = 0; i < w->n_jobs; i++) {
        df_sim_job_make(&w->jobs[i], i, &w->random);
        if (df_sim_chance(&w->extra, 0.2)) w->jobs[i].murderer = (int64_t)df_sim_below(&w->extra, w->jobs[i].n_rows);
        w->clients[i] = (df_sim_client) { .number = i, .job = &w->jobs[i] };
        w->clients[i].wake_ms = df_sim_between(&w->random, 0, 8000);
        if (df_sim_chance(&w->random, 0.15)) w->clients[i].cancel_ms = df_sim_between(&w->random, 1000, 40000);
        give_orders(w, &w->clients[i]);
        w->network.connection[FIRST_CLIENT_PEER + i] = 1;
    }
}

static void make_peers(df_sim_world *w) {
    w->n_workers = (int)df_sim_between(&w->random, 1, DF_SIM_MAX_WORKERS);
    for (int i = 0; i < w->n_workers; i++) {
        df_sim_worker *worker = &w->workers[i];
        worker->number = i;
        worker->up_ms = df_sim_between(&w->random, 0, 3000);
        worker->row_ms = (int)df_sim_between(&w->random, 20, df_sim_chance(&w->random, 0.3) ? 4000 : 400);
        worker->lies = df_sim_chance(&w->random, 0.2) ? 0.3 : 0;
        worker->is_broken = df_sim_chance(&w->newer, 0.15);
        if (df_sim_chance(&w->newer, 0.25)) worker->walltime_ms = df_sim_between(&w->newer, 15000, 90000);
    }
    make_jobs(w);
}

static df_sim_world *make(df_sim_report *report, uint64_t seed, FILE *trace) {
    df_sim_world *w = calloc(1, sizeof *w);
    df_err err;
    if (!w) abort();
    w->random = df_sim_random_from(seed);
    w->extra = df_sim_random_from(~seed);
    w->newer = df_sim_random_from(seed << 32 | seed >> 32);
    w->report = report;
    w->trace = trace;
    w->network.random = &w->random;
    if (!(w->disk = df_sim_disk_new(&w->random)) || df_sim_sqlite_begin(&err)) abort();
    df_sim_disk_mount(w->disk);
    df_disk_use(df_sim_disk_calls());
    df_disk_mkdirat(AT_FDCWD, "/state", 0777);
    df_disk_mkdirat(AT_FDCWD, "/data", 0777);
    int fd = df_disk_openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0);
    df_disk_syncfs(fd);
    df_disk_close(fd);
    w->cfg = df_coordinator_cfg_default();
    w->cfg.state_dir = "/state";
    w->cfg.upload_timeout_ms = 60000;
    make_peers(w);
    df_sim_fate_begin(w);
    return w;
}

static void unmake(df_sim_world *w) {
    df_farm_close(&w->farm);
    df_sim_network_free(&w->network);
    df_disk_use(NULL);
    df_sim_disk_mount(NULL);
    df_sim_disk_free(&w->disk);
    free(w);
}

/* events */

static void deliver_to_farm(df_sim_world *w, const df_sim_flight *flight, Diffarm__Message *msg) {
    df_wire_in in = { .msg = msg, .version = DF_PROTOCOL_VERSION, .blob_bytes = flight->blob_bytes };
    in.blob = (void *)flight->blob;
    in.identity_bytes =
        (size_t)snprintf((char *)in.identity, sizeof in.identity, "p%d.%d", flight->peer, flight->connection);
    df_farm_take(w->farm, &in, w->now_ms + w->clock_ms);
    int64_t turn_ms = w->now_ms + df_sim_between(&w->random, 0, 2);
    if (turn_ms < w->turn_ms) w->turn_ms = turn_ms;
}

static void deliver(df_sim_world *w) {
    df_sim_flight flight = df_sim_network_take(&w->network);
    Diffarm__Message *msg = diffarm__message__unpack(NULL, flight.body_bytes, flight.body);
    free(flight.body);
    if (!msg) abort();
    df_sim_note(w, "%s p%d.%d kind %d", flight.to_farm ? "farm <-" : "farm ->", flight.peer, flight.connection,
                msg->body_case);
    bool connected = flight.connection == w->network.connection[flight.peer];
    if (flight.to_farm && w->farm)
        deliver_to_farm(w, &flight, msg);
    else if (!flight.to_farm && connected && flight.peer >= FIRST_CLIENT_PEER)
        df_sim_client_take(w, &w->clients[flight.peer - FIRST_CLIENT_PEER], msg);
    else if (!flight.to_farm && connected && w->workers[flight.peer].is_up)
        df_sim_worker_take(w, &w->workers[flight.peer], msg);
    diffarm__message__free_unpacked(msg, NULL);
}

static void turn(df_sim_world *w) {
    df_farm_turn(w->farm, w->now_ms + w->clock_ms);
    w->turn_ms = w->now_ms + df_farm_wait_ms(w->farm);
}

/* What syncs took is time in which the coordinator neither hears nor turns. */
static void settle_time(df_sim_world *w) {
    if (w->disk->stopped) df_sim_farm_stop(w);
    w->busy_until_ms = w->now_ms + w->disk->busy_ms;
    w->disk->busy_ms = 0;
    if (w->turn_ms < w->busy_until_ms) w->turn_ms = w->busy_until_ms;
}

/* the loop */

typedef enum due_kind { NOTHING, FATE, OPEN, DELIVERY, TURN, WORKER, CLIENT } due_kind;

typedef struct due {
    due_kind kind;
    int number;
    int64_t at_ms;
} due;

static void earlier(due *next, due_kind kind, int number, int64_t at_ms) {
    if (at_ms < next->at_ms) *next = (due) { kind, number, at_ms };
}

static due next_due(const df_sim_world *w) {
    due next = { NOTHING, 0, INT64_MAX };
    int64_t delivery_ms = df_sim_network_due_ms(&w->network);
    earlier(&next, FATE, 0, w->fate_ms);
    if (!w->farm) earlier(&next, OPEN, 0, w->open_ms);
    if (delivery_ms < w->busy_until_ms) delivery_ms = w->busy_until_ms; /* peers hear a little later as well: no harm */
    if (w->network.n) earlier(&next, DELIVERY, 0, delivery_ms);
    if (w->farm) earlier(&next, TURN, 0, w->turn_ms);
    for (int i = 0; i < w->n_workers; i++)
        earlier(&next, WORKER, i, w->workers[i].is_up ? w->workers[i].wake_ms : w->workers[i].up_ms);
    for (int i = 0; i < w->n_jobs; i++) earlier(&next, CLIENT, i, w->clients[i].wake_ms);
    return next;
}

static void step(df_sim_world *w) {
    due next = next_due(w);
    if (next.at_ms > w->now_ms) w->now_ms = next.at_ms;
    w->report->n_events++;
    switch (next.kind) {
    case FATE: df_sim_fate_strikes(w); break;
    case OPEN: df_sim_farm_open(w); break;
    case DELIVERY: deliver(w); break;
    case TURN: turn(w); break;
    case WORKER: df_sim_worker_wake(w, &w->workers[next.number]); break;
    case CLIENT: df_sim_client_wake(w, &w->clients[next.number]); break;
    case NOTHING: df_sim_broken(w, "nothing is due any more"); break;
    }
    settle_time(w);
}

/* Clients know that their jobs have ended, and OUT is given back. */
static bool is_over(const df_sim_world *w) {
    if (!w->farm || !df_sim_is_calm(w)) return false;
    for (int i = 0; i < w->n_jobs; i++) {
        const df_job *job = df_job_table_find(&w->farm->jobs, w->jobs[i].id);
        if (w->clients[i].step != DF_SIM_ENDED || !job || !job->released) return false;
    }
    return true;
}

static void give_up(df_sim_world *w) {
    for (int i = 0; i < w->n_jobs && w->farm; i++) {
        const df_job *is = df_job_table_find(&w->farm->jobs, w->jobs[i].id);
        if (is && is->released && w->clients[i].step == DF_SIM_ENDED) continue;
        df_sim_broken(
            w,
            "job %s is %s, long after the last fault: client in step %d, %d rows, %d done, %d failed, %d lent, "
            "released %d, problem \"%s\"",
            w->jobs[i].id, is ? df_job_state_name(is->state) : "not known", w->clients[i].step,
            is ? (int)is->n_rows : 0, is ? (int)is->n_done : 0, is ? (int)is->n_failed : 0, is ? (int)is->n_leased : 0,
            is ? is->released : 0, is ? is->problem : "");
    }
    df_sim_broken(w, "the coordinator is down, long after the last fault");
}

void df_sim_world_run(df_sim_report *report, uint64_t seed, FILE *trace) {
    *report = (df_sim_report) { .trace_hash = 0xcbf29ce484222325u };
    df_sim_world *w = make(report, seed, trace);
    while (!report->why[0] && !is_over(w)) {
        step(w);
        df_sim_check(w);
        df_sim_fate_at_the_end(w);
        if (w->now_ms > w->calm_ms + PATIENCE_MS) give_up(w);
    }
    if (!report->why[0]) df_sim_check_end(w);
    report->n_messages = w->network.n_sent;
    unmake(w);
}
