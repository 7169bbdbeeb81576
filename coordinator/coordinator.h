/* The coordinator: jobs in, leases out, results committed exactly once.
 *
 *   df_coordinator_cfg cfg = df_coordinator_cfg_default();   cfg.state_dir = ...;
 *   df_coordinator_open(&c, &cfg, &err);          locks and opens the state folder, takes its jobs up again, binds
 *   df_coordinator_run(c, &err);                  until df_coordinator_stop
 *   df_coordinator_close(&c);
 *
 * Promises: a job is durable before SubmitEnd is answered; a result is acknowledged only when its file is in place and
 * its row is committed, both synced. SIGKILL at any moment loses nothing that was answered. Never loads a model.
 * docs/protocol.md tells the life of a job, a lease and a worker.
 * Threads: one owner; df_coordinator_stop alone may be called from any thread and from a signal handler. */
#ifndef DF_COORDINATOR_COORDINATOR_H
#define DF_COORDINATOR_COORDINATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"

typedef struct df_coordinator df_coordinator;

typedef struct df_coordinator_cfg {
    const char *state_dir; /* made if absent */
    const char *bind; /* "tcp://127.0.0.1:7700"; port * : any free one, the same again after a restart */
    const char *keys_dir; /* `diffarm keygen`: known keys only come in, all is encrypted; NULL: loopback alone */
    bool insecure; /* allow a bind that other machines reach, without keys */
    int heartbeat_ms; /* workers send one at least this often */
    int lease_timeout_ms; /* a lease not named for so long is lost */
    int stall_retry_ms; /* a job whose OUT cannot be written is tried again so often */
    int upload_timeout_ms; /* an upload that stands still for so long is forgotten */
    int lease_target_ms; /* a lease is sized to last about so long */
    int exit_when_idle_ms; /* > 0: run returns when at least one job ended and none is left for so long */
    const char *http; /* "127.0.0.1:7780": the web page and the metrics; NULL: none */
    const char *http_token_file; /* NULL: no token, then http must be on loopback */
    int n_helpers; /* threads beside the loop's that look at pictures and write them; 0: the loop does it */
    size_t max_connections; /* 0: as many as there are descriptors for */
    int cache_kib; /* memory for the store's pages: what leases and results touch, whatever the number of rows */
    const df_log *log; /* borrowed, may be NULL */
} df_coordinator_cfg;

df_coordinator_cfg df_coordinator_cfg_default(void);

/* DF_EEXIST: another coordinator holds the state folder. DF_EINVAL: the bind is refused. */
df_code df_coordinator_open(df_coordinator **out, const df_coordinator_cfg *cfg, df_err *err);
void df_coordinator_close(df_coordinator **c); /* what is not answered yet is as after a crash: safe */

/* Where workers and clients connect to; also in STATE/endpoint. */
const char *df_coordinator_endpoint(const df_coordinator *c);

df_code df_coordinator_run(df_coordinator *c, df_err *err);
void df_coordinator_stop(df_coordinator *c);

#endif
