/* A worker that renders nothing: it speaks as docs/protocol.md tells a worker to, and has a made-up result for each row
 * at once, or at a pace. Thousands of them fit one thread (crowd.h).
 *
 *   df_noop_worker_open(&w, context, &shape, number, &err);
 *   df_noop_worker_turn(&w, now_ms, &err);      when its socket may be readable, and now and then for its clock
 *   df_noop_worker_close(&w);
 *
 * Threads: one owner. */
#ifndef DF_CLIENT_SIMULATE_NOOP_WORKER_H
#define DF_CLIENT_SIMULATE_NOOP_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { DF_NOOP_MAX_ROWS = 256, DF_NOOP_LEASES = 2 };

/* What all workers of a crowd are alike in; borrowed. */
typedef struct df_noop_shape {
    const char *endpoint;
    const void *png; /* the picture of every row; NULL: results have none (format "none") */
    size_t png_bytes;
    char png_sha256[65];
    double images_per_second; /* of one worker; 0: a row takes no time */
} df_noop_shape;

typedef struct df_noop_lease { /* n_rows 0: free */
    char token[64], job_id[17];
    uint64_t rows[DF_NOOP_MAX_ROWS]; /* ascending */
    int64_t sent_ms[DF_NOOP_MAX_ROWS]; /* 0: not sent yet, -1: acknowledged */
    size_t n_rows, n_sent, n_acked; /* sent in order, the first time */
    int64_t next_ms; /* when the next row is rendered */
} df_noop_lease;

typedef struct df_noop_worker {
    const df_noop_shape *shape;
    void *socket;
    char id[32];
    bool is_welcome, asks;
    int64_t heartbeat_ms, beat_ms, hello_ms, asked_ms; /* every so often; when it was last said */
    df_noop_lease leases[DF_NOOP_LEASES];
    uint64_t n_done; /* acknowledged as committed */
    uint64_t n_said;
} df_noop_worker;

df_code df_noop_worker_open(df_noop_worker *w, void *context, const df_noop_shape *shape, int number, df_err *err);
void df_noop_worker_close(df_noop_worker *w);
/* Hears all that has come, and says all that is due. DF_EPROTOCOL: the coordinator has refused it. */
df_code df_noop_worker_turn(df_noop_worker *w, int64_t now_ms, df_err *err);

#endif
