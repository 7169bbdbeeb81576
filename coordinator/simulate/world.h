/* A simulated world: the real farm (tables, dispatch, store, OUT) on a simulated disk, clock and network, with workers
 * and clients that follow docs/protocol.md, and a fate that breaks them. docs/simulator.md tells what is tried and what
 * must hold.
 *
 *   df_sim_world_run(&report, seed, trace);     one schedule from its seed; the same seed gives the same events
 *
 * Threads: one world at a time in a process. */
#ifndef DF_COORDINATOR_SIMULATE_WORLD_H
#define DF_COORDINATOR_SIMULATE_WORLD_H

#include "coordinator/farm.h"
#include "coordinator/simulate/disk.h"
#include "coordinator/simulate/network.h"
#include "coordinator/simulate/truth.h"

enum { DF_SIM_MAX_WORKERS = 5, DF_SIM_MAX_ITEMS = 512, DF_SIM_MAX_TOKENS = 4096, DF_SIM_WHY_BYTES = 512 };

typedef struct df_sim_report {
    uint64_t n_events, trace_hash; /* equal for equal worlds */
    uint64_t n_starts, n_cuts, n_messages, n_committed;
    uint64_t n_copied; /* rows lent once more to another worker */
    uint64_t n_paused, n_retries, n_put_out,
        n_ends_met; /* jobs paused, retries, workers put out, leases of those that end */
    char why[DF_SIM_WHY_BYTES]; /* what did not hold; "" if all did */
} df_sim_report;

/* A row that a worker has and whose result is not acknowledged. */
typedef struct df_sim_item {
    char token[DF_LEASE_TOKEN_BYTES];
    df_sim_job *job;
    uint64_t row;
    bool is_rendered, is_told; /* told: its Result was sent once */
    int64_t sent_ms; /* 0: not sent, or to be sent again */
} df_sim_item;

typedef struct df_sim_worker {
    int number, life; /* of this process: a killed one comes back as another */
    bool is_up, is_welcome, is_draining;
    int64_t wake_ms; /* when it looks what is due */
    int64_t up_ms; /* when it starts, if it is down */
    int64_t hello_ms, beat_ms, render_ms, heard_ms, asked_ms;
    bool asks;
    char coordinator[DF_LEASE_TOKEN_BYTES];
    int row_ms; /* to render one */
    double lies; /* chance that a result is a lie, while fate is at work */
    bool is_broken; /* fails at every row, while fate is at work */
    int64_t walltime_ms, ends_ms; /* of its allocation, while fate is at work; 0: no end */
    df_sim_item items[DF_SIM_MAX_ITEMS];
    int n_items;
} df_sim_worker;

typedef enum df_sim_client_step {
    DF_SIM_BEGIN,
    DF_SIM_ROWS,
    DF_SIM_END,
    DF_SIM_WATCH,
    DF_SIM_CANCEL,
    DF_SIM_PAUSE,
    DF_SIM_RESUME,
    DF_SIM_RETRY,
    DF_SIM_ENDED
} df_sim_client_step;

typedef struct df_sim_client {
    int number;
    df_sim_job *job;
    df_sim_client_step step;
    uint64_t batch, request_id;
    int64_t wake_ms, cancel_ms, pause_ms, resume_ms; /* the last three 0: never */
    int n_retries; /* that are left */
} df_sim_client;

typedef struct df_sim_token {
    char text[DF_LEASE_TOKEN_BYTES];
    df_sim_job *job;
    uint64_t row; /* the first one lent under it */
    char worker_id[DF_WORKER_ID_BYTES]; /* to whom */
} df_sim_token;

typedef struct df_sim_world {
    df_sim_random random;
    /* For what was added later, and later still: older seeds keep their events as far as they can. */
    df_sim_random extra, newer;
    int64_t now_ms, calm_ms; /* fate is at work until calm_ms */
    uint64_t n_events;
    df_sim_disk *disk;
    df_sim_network network;
    df_farm *farm; /* NULL while it is down */
    df_coordinator_cfg cfg;
    int64_t clock_ms; /* what the coordinator's clock is ahead of ours */
    int64_t open_ms, turn_ms, busy_until_ms;
    bool cut_next; /* when it stops, the power goes too */
    int64_t fate_ms, disk_heals_ms;
    df_sim_job jobs[DF_SIM_MAX_JOBS];
    int n_jobs;
    df_sim_worker workers[DF_SIM_MAX_WORKERS];
    int n_workers;
    df_sim_client clients[DF_SIM_MAX_JOBS];
    df_sim_token tokens[DF_SIM_MAX_TOKENS]; /* all that were ever sent */
    int n_tokens;
    uint64_t checked_changes; /* of the disk, at the last look into the store */
    FILE *trace; /* may be NULL */
    df_sim_report *report;
} df_sim_world;

void df_sim_world_run(df_sim_report *report, uint64_t seed, FILE *trace);

/* between the files of the simulator */

/* One event, for the trace and its hash. */
void df_sim_note(df_sim_world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void df_sim_broken(df_sim_world *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* the first one stays */
bool df_sim_is_calm(const df_sim_world *w);
df_sim_job *df_sim_find_job(df_sim_world *w, const char *job_id);

/* fate.c: what goes wrong, and the coordinator's life */
void df_sim_fate_begin(df_sim_world *w);
void df_sim_fate_strikes(df_sim_world *w);
void df_sim_fate_at_the_end(df_sim_world *w); /* of a job that lacks a row at most */
void df_sim_fate_strikes_soon(df_sim_world *w, df_sim_job *job); /* or not: one in two */
void df_sim_farm_open(df_sim_world *w);
void df_sim_farm_stop(df_sim_world *w); /* killed, or the power is cut */

/* worker.c, client.c: a peer does what is due, or takes a message */
char *df_sim_worker_id(const df_sim_worker *worker, char out[DF_WORKER_ID_BYTES]); /* returns out */
void df_sim_worker_start(df_sim_world *w, df_sim_worker *worker);
void df_sim_worker_die(df_sim_world *w, df_sim_worker *worker, int64_t until_ms); /* another takes its place then */
void df_sim_worker_wake(df_sim_world *w, df_sim_worker *worker);
void df_sim_worker_take(df_sim_world *w, df_sim_worker *worker, const Diffarm__Message *msg);
void df_sim_client_wake(df_sim_world *w, df_sim_client *client);
void df_sim_client_take(df_sim_world *w, df_sim_client *client, const Diffarm__Message *msg);

/* invariants.c */
void df_sim_check_sent(df_sim_world *w, int peer, const Diffarm__Message *msg); /* before the coordinator says it */
void df_sim_check(df_sim_world *w); /* after each event */
void df_sim_check_end(df_sim_world *w); /* when all is quiet */

/* lending.c: who is lent what, and who is put out */
void df_sim_check_lent(df_sim_world *w, const Diffarm__Lease *lease); /* before it is sent */
void df_sim_check_put_out(df_sim_world *w); /* after each event */
void df_sim_check_put_outs_stored(df_sim_world *w);

/* alike.c; state: of the job's rows in the store */
void df_sim_check_alike(df_sim_world *w, const df_sim_job *job, const df_job *is, const df_row_state *state);
void df_sim_check_alike_lines(df_sim_world *w, const df_sim_job *job, const df_row_state *state);

#endif
