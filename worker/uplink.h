/* The worker's end of the wire, a thread of its own: Hello, heartbeats, leases in, results out.
 *
 *   df_uplink_open(&u, &cfg, &err);                          greets the coordinator, as often as it takes
 *   df_uplink_want(u, max_rows, images_per_second, work_per_second);   one open question at a time
 *   e = df_uplink_next(u, 100);                              a lease, a revoked lease, or the end
 *   df_uplink_result(u, &result);  df_uplink_failed(...);    kept and sent again until acknowledged
 *   df_uplink_finish(u, 10000);                              waits for acknowledgements, says Goodbye
 *   df_uplink_close(&u);
 *
 * A coordinator that goes away is waited for, and looked for where its file says now (proto/locator.h); when it is back
 * it is greeted again with the leases still held, what it has not acknowledged is sent again, and an open question is
 * asked again. Memory is bounded by the rows of the leases. Threads: every function but open and close may be called
 * from any thread. */
#ifndef DF_WORKER_UPLINK_H
#define DF_WORKER_UPLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/sha256.h"
#include "worker/fetch.h"
#include "worker/lease.h"

typedef struct df_uplink df_uplink;

typedef struct df_offer {
    const char *path; /* borrowed, absolute */
    char sha256[DF_SHA256_HEX_BYTES];
} df_offer;

typedef struct df_uplink_cfg {
    const char *endpoint; /* or file://PATH, proto/locator.h */
    const char *keys_dir; /* proto/keys.h; NULL: none */
    int64_t ends_at_ms; /* on df_clock_ms, when the allocation ends; 0: never */
    const df_offer *offers; /* borrowed; none: any model that a lease names */
    int n_offers;
    int n_ranks, threads;
    const char *backend, *dtypes;
    df_fetch *fetch; /* borrowed: what it asks for is asked of the coordinator; NULL: none */
    const df_log *log; /* borrowed, may be NULL */
} df_uplink_cfg;

df_code df_uplink_open(df_uplink **out, const df_uplink_cfg *cfg, df_err *err);
void df_uplink_close(df_uplink **u); /* at once: what is not acknowledged is the coordinator's loss, not the job's */

typedef struct df_uplink_event {
    enum { DF_UPLINK_LEASE, DF_UPLINK_REVOKED, DF_UPLINK_REFUSED } kind;
    df_lease *lease; /* LEASE: held for the receiver; REVOKED: the same */
    df_err why; /* REFUSED: nothing more will come */
} df_uplink_event;

df_uplink_event *df_uplink_next(df_uplink *u, int timeout_ms); /* NULL if nothing came */
void df_uplink_event_free(df_uplink_event **e); /* drops the lease it still has */

void df_uplink_want(df_uplink *u, uint32_t max_rows, double images_per_second, double work_per_second);
void df_uplink_progress(df_uplink *u, double steps_done); /* inside unfinished rows, in images */
void df_uplink_draining(df_uplink *u); /* heartbeats say so from now on */

typedef struct df_result {
    df_lease *lease; /* held; the uplink drops it */
    size_t i; /* which of its rows */
    unsigned char *png; /* owned by the uplink from now on; NULL: the row failed with `why` */
    size_t png_bytes;
    bool is_beside; /* it is in a file beside OUT as well (proto/beside.h) */
    char sha256[DF_SHA256_HEX_BYTES];
    uint64_t pixels_hash; /* of what is seen, texts left out (guard.h) */
    unsigned flags; /* DF_FLAG_* of the renderer, DF_GUARD_FLAG_F32 */
    double seconds;
    char scheduler[32];
    df_err why; /* of a picture: that it is not beside OUT, although the sink is shared */
} df_result;

/* Takes *r (malloc'd). */
void df_uplink_result(df_uplink *u, df_result **r);
/* Rows [first, n) of the lease are handed back unbegun. */
void df_uplink_return(df_uplink *u, df_lease *lease, size_t first);

/* Waits until everything is acknowledged or timeout_ms passed, then says Goodbye. */
void df_uplink_finish(df_uplink *u, int timeout_ms);

#endif
