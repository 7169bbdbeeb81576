/* Peers over real sockets: a client that asks, a worker that renders made-up pictures in a thread of its own. */
#ifndef DF_TESTS_COORDINATOR_PEER_H
#define DF_TESTS_COORDINATOR_PEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/envelope.h"

/* client */

typedef struct peer_client {
    void *ctx, *socket;
} peer_client;

void peer_client_open(peer_client *c, const char *endpoint);
void peer_client_close(peer_client *c);
/* Asks every half second until the answer of this kind comes; fails the test after 20 s. Caller frees in. */
void peer_ask(peer_client *c, const Diffarm__Message *msg, Diffarm__Message__BodyCase kind, df_wire_in *in);
void peer_submit(peer_client *c, const char *job_id, const char *out_dir, uint64_t n_rows);
void peer_submit_as(peer_client *c, const char *format, const char *job_id, const char *out_dir, uint64_t n_rows);
df_code peer_cancel(peer_client *c, const char *job_id);

typedef struct peer_status {
    char state[16], problem[512];
    uint64_t n_rows, n_done, n_failed, n_leased, n_duplicates, n_conflicts;
} peer_status;

peer_status peer_look(peer_client *c, const char *job_id);
peer_status peer_wait_state(peer_client *c, const char *job_id, const char *state); /* fails the test after 30 s */
void peer_wait_done(peer_client *c, const char *job_id, uint64_t n_done); /* at least so many */

/* worker */

typedef struct peer_worker peer_worker;

/* Renders a row in about delay_ms. Follows docs/protocol.md; reconnects by itself. */
peer_worker *peer_worker_start(const char *endpoint, const char *id, int delay_ms);
void peer_worker_mute(peer_worker *w, bool mute); /* neither hears nor speaks, but renders on */
int peer_worker_rendered(const peer_worker *w);
void peer_worker_stop(peer_worker **w);

#endif
