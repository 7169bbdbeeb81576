#include "coordinator/connections.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static const char address[] = "inproc://connections";

struct df_connections {
    void *watched, *socket;
    size_t n;
};

df_code df_connections_open(df_connections **out, void *context, void *socket, df_err *err) {
    int unlimited = 0, linger = 0;
    df_connections *c = calloc(1, sizeof *c);
    if (!c) return df_err_set(err, DF_ENOMEM, "a count of connections");
    c->watched = socket;
    /* A full queue would hold up the thread that all connections share. */
    if (zmq_socket_monitor(socket, address, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED) ||
        !(c->socket = zmq_socket(context, ZMQ_PAIR)) ||
        zmq_setsockopt(c->socket, ZMQ_RCVHWM, &unlimited, sizeof unlimited) ||
        zmq_setsockopt(c->socket, ZMQ_LINGER, &linger, sizeof linger) || zmq_connect(c->socket, address)) {
        df_connections_close(&c);
        return df_err_set(err, DF_EIO, "count connections: %s", zmq_strerror(zmq_errno()));
    }
    *out = c;
    return DF_OK;
}

void df_connections_close(df_connections **c) {
    if (!*c) return;
    zmq_socket_monitor((*c)->watched, NULL, 0);
    if ((*c)->socket) zmq_close((*c)->socket);
    free(*c);
    *c = NULL;
}

void *df_connections_socket(const df_connections *c) {
    return c->socket;
}

/* An event is two frames: its kind and a value (6 bytes), and an address. */
void df_connections_update(df_connections *c) {
    uint8_t event[6], endpoint[256];
    while (zmq_recv(c->socket, event, sizeof event, ZMQ_DONTWAIT) >= 0) {
        uint16_t kind;
        memcpy(&kind, event, sizeof kind);
        zmq_recv(c->socket, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
        c->n += kind == ZMQ_EVENT_ACCEPTED;
        c->n -= kind == ZMQ_EVENT_DISCONNECTED && c->n;
    }
}

size_t df_connections_count(const df_connections *c) {
    return c->n;
}
