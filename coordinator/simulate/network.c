#include "coordinator/simulate/network.h"

#include <stdlib.h>

enum { LONGEST_DELAY_MS = 15000 };

void df_sim_network_free(df_sim_network *net) {
    for (size_t i = 0; i < net->n; i++) free(net->flights[i].body);
    free(net->flights);
    net->flights = NULL;
    net->n = net->cap = 0;
}

static void add(df_sim_network *net, const df_sim_flight *flight, const Diffarm__Message *msg) {
    if (net->n == net->cap) {
        net->cap = 2 * net->cap + 64;
        if (!(net->flights = realloc(net->flights, net->cap * sizeof *net->flights))) abort();
    }
    df_sim_flight *f = &net->flights[net->n++];
    *f = *flight;
    f->serial = ++net->n_sent;
    f->body_bytes = diffarm__message__get_packed_size(msg);
    if (!(f->body = malloc(f->body_bytes + 1))) abort();
    diffarm__message__pack(msg, f->body);
}

static int64_t delay_ms(df_sim_network *net) {
    if (df_sim_chance(net->random, net->late)) return df_sim_between(net->random, 50, LONGEST_DELAY_MS);
    return df_sim_between(net->random, 1, 10);
}

void df_sim_network_send(df_sim_network *net, int64_t now_ms, bool to_farm, int peer, const Diffarm__Message *msg,
                         const void *blob, size_t blob_bytes) {
    if (!net->connection[peer] || now_ms < net->cut_off_until_ms[peer]) return;
    df_sim_flight flight = {
        .to_farm = to_farm, .peer = peer, .connection = net->connection[peer], .blob = blob, .blob_bytes = blob_bytes
    };
    for (int copies = df_sim_chance(net->random, net->twice) ? 2 : 1; copies > 0; copies--) {
        flight.due_ms = now_ms + delay_ms(net);
        if (!df_sim_chance(net->random, net->drop)) add(net, &flight, msg);
    }
}

static size_t next_of(const df_sim_network *net) {
    size_t next = 0;
    for (size_t i = 1; i < net->n; i++) {
        const df_sim_flight *a = &net->flights[i], *b = &net->flights[next];
        if (a->due_ms < b->due_ms || (a->due_ms == b->due_ms && a->serial < b->serial)) next = i;
    }
    return next;
}

int64_t df_sim_network_due_ms(const df_sim_network *net) {
    return net->n ? net->flights[next_of(net)].due_ms : INT64_MAX;
}

df_sim_flight df_sim_network_take(df_sim_network *net) {
    size_t at = next_of(net);
    df_sim_flight flight = net->flights[at];
    net->flights[at] = net->flights[--net->n];
    return flight;
}

void df_sim_network_reset(df_sim_network *net) {
    size_t kept = 0;
    for (size_t i = 0; i < net->n; i++)
        if (df_sim_chance(net->random, 0.5))
            free(net->flights[i].body);
        else
            net->flights[kept++] = net->flights[i];
    net->n = kept;
}
