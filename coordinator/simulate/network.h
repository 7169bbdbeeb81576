/* Messages on their way between the coordinator and its peers: late, twice, in another order, or never.
 *
 * A peer is known by its kind, number and connection; a message for a connection that is no more is lost, as on the
 * coordinator's ROUTER socket. */
#ifndef DF_COORDINATOR_SIMULATE_NETWORK_H
#define DF_COORDINATOR_SIMULATE_NETWORK_H

#include "coordinator/simulate/random.h"
#include "proto/envelope.h"

enum { DF_SIM_MAX_PEERS = 16 };

typedef struct df_sim_flight {
    int64_t due_ms;
    uint64_t serial;
    bool to_farm;
    int peer, connection;
    uint8_t *body;
    size_t body_bytes;
    const void *blob; /* borrowed, outlives the world's farm */
    size_t blob_bytes;
} df_sim_flight;

typedef struct df_sim_network {
    df_sim_random *random; /* borrowed */
    df_sim_flight *flights;
    size_t n, cap;
    uint64_t n_sent;
    double drop, twice, late; /* chances */
    int64_t cut_off_until_ms[DF_SIM_MAX_PEERS];
    int connection[DF_SIM_MAX_PEERS]; /* 0: not connected */
} df_sim_network;

void df_sim_network_free(df_sim_network *net);
void df_sim_network_send(df_sim_network *net, int64_t now_ms, bool to_farm, int peer, const Diffarm__Message *msg,
                         const void *blob, size_t blob_bytes);
int64_t df_sim_network_due_ms(const df_sim_network *net); /* INT64_MAX: nothing is on its way */
df_sim_flight df_sim_network_take(df_sim_network *net); /* the next; caller frees body */
/* The coordinator is gone: what was on its way to it, and from it, may be lost with the connections. */
void df_sim_network_reset(df_sim_network *net);

#endif
