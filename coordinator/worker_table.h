/* The workers: who they are, when they were last heard, what they ask for; and the table of a worker's life
 * (docs/protocol.md, "life of a worker").
 *
 * A worker is known by its worker_id, which survives reconnects; the socket's identity of the moment leads to it. */
#ifndef DF_COORDINATOR_WORKER_TABLE_H
#define DF_COORDINATOR_WORKER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "coordinator/lease.h"
#include "coordinator/map.h"
#include "coordinator/rate.h"
#include "proto/envelope.h"

enum {
    DF_WORKER_MAX_MODELS = 256,
    DF_WORKER_NAME_BYTES = 128,
    DF_WORKER_DTYPES_BYTES = 64,
    DF_WORKER_BACKEND_BYTES = 32,
    DF_WORKER_REASON_BYTES = 256
};

typedef enum df_worker_state {
    DF_WORKER_READY,
    DF_WORKER_DRAINING, /* finishes what it has, takes nothing new */
    DF_WORKER_SILENT, /* not heard for the lease timeout: its leases are lost */
    DF_WORKER_GONE, /* said goodbye, or was silent for long: to be forgotten */
    DF_WORKER_PUT_OUT, /* failed too often: gets nothing until it is readmitted */
    DF_WORKER_N_STATES
} df_worker_state;

typedef enum df_worker_event {
    DF_WORKER_EV_HELLO,
    DF_WORKER_EV_HEARD,
    DF_WORKER_EV_DRAIN,
    DF_WORKER_EV_SILENCE,
    DF_WORKER_EV_FORGET,
    DF_WORKER_EV_GOODBYE,
    DF_WORKER_EV_PUT_OUT,
    DF_WORKER_EV_READMIT, /* by the clock, or by hand */
    DF_WORKER_N_EVENTS
} df_worker_event;

typedef struct df_worker {
    char id[DF_WORKER_ID_BYTES];
    char name[DF_WORKER_NAME_BYTES];
    df_worker_state state;
    uint8_t identity[DF_WIRE_MAX_IDENTITY_BYTES]; /* of its connection now */
    size_t identity_bytes;
    char (*models)[65]; /* sha256 of each it offers */
    size_t n_models;
    bool any_model;
    char dtypes[DF_WORKER_DTYPES_BYTES]; /* what it computes in, "f32 bf16"; "": it does not say, and is taken at its
                                            word */
    char backend[DF_WORKER_BACKEND_BYTES]; /* "cpu"; "": it does not say, and is taken at its word */
    uint32_t pipeline_ranks, threads;
    bool groups_acks; /* several rows may be answered in one message */
    int64_t heard_ms;
    double steps_done; /* inside unfinished rows, in images */
    uint64_t n_done, n_failed;
    df_rate rate;
    int n_strikes; /* failures since its last picture */
    int64_t out_ms, out_until_ms; /* how long it is put out this time, or was before its trial, and until when */
    int64_t stored_out_ms; /* the first of these as the store has it; 0: the store knows nothing of it */
    char out_reason[DF_WORKER_REASON_BYTES];
    int64_t cannot_share; /* key of the last job whose OUT it could not write beside; 0: none */
    int64_t ends_ms; /* when its allocation ends; 0: not known */
    int64_t freed_ms; /* when its last lease ended */
    size_t n_open, n_open_of_job; /* rows it holds, as last counted by df_farm_count_open */
    bool asks; /* a LeaseRequest is open */
    struct df_worker *asks_before, *asks_after; /* those who asked just before and after */
    uint64_t ask_serial;
    uint32_t max_rows;
    double images_per_second; /* as it says; 0: not known */
    double work_per_second; /* the same, in pixels times steps */
} df_worker;

const char *df_worker_state_name(df_worker_state state);
bool df_worker_apply(df_worker *worker, df_worker_event event); /* false: not an edge of the table, nothing changed */
bool df_worker_offers(const df_worker *worker, const char *model_sha256);
bool df_worker_computes_on(const df_worker *worker, const char *backend); /* of a df_job_spec */
bool df_worker_can(const df_worker *worker, const df_job_spec *spec); /* model, backend and dtype */

/* All workers. Owns them. */
typedef struct df_worker_table {
    df_worker **at;
    size_t n, cap;
    df_map by_id, by_identity;
    df_worker *first_asking, *last_asking; /* who has asked longest is first */
    uint64_t n_changes; /* goes up when it may be other workers that can do a job */
} df_worker_table;

/* The worker of a Hello that was checked: found or made, its connection and offer set. NULL when out of memory. */
df_worker *df_worker_table_hello(df_worker_table *table, const Diffarm__Hello *hello, const void *identity,
                                 size_t identity_bytes);
df_worker *df_worker_table_add(df_worker_table *table, const char *worker_id); /* not heard yet; the same */
df_worker *df_worker_table_find(const df_worker_table *table, const char *worker_id);
df_worker *df_worker_table_of(const df_worker_table *table, const void *identity, size_t identity_bytes);
bool df_worker_table_apply(df_worker_table *table, df_worker *worker, df_worker_event event); /* df_worker_apply */
void df_worker_table_ask(df_worker_table *table, df_worker *worker); /* a new question stands behind all others */
void df_worker_table_stop_asking(df_worker_table *table, df_worker *worker); /* fine if it does not */
void df_worker_table_remove_at(df_worker_table *table, size_t index); /* frees it; the last one takes its place */
void df_worker_table_free(df_worker_table *table);

#endif
