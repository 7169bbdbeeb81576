#include "coordinator/door.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "coordinator/known_peers.h"
#include "proto/keys.h"

/* version, request id, domain, address, identity, mechanism, public key */
enum {
    N_FRAMES = 7,
    VERSION = 0,
    REQUEST_ID = 1,
    ADDRESS = 3,
    MECHANISM = 5,
    KEY = 6,
    KEY_BYTES = 32,
    FRAME_BYTES = 256
};

struct df_door {
    void *socket;
    df_key_pair own;
    df_known_peers *peers;
    const df_log *log; /* borrowed */
    uint64_t n_refused;
};

typedef struct request {
    char frame[N_FRAMES][FRAME_BYTES];
    int bytes[N_FRAMES];
    int n;
} request;

static df_code open_socket(df_door *d, void *context, df_err *err) {
    int linger = 0;
    d->socket = zmq_socket(context, ZMQ_REP);
    if (!d->socket || zmq_setsockopt(d->socket, ZMQ_LINGER, &linger, sizeof linger) ||
        zmq_bind(d->socket, "inproc://zeromq.zap.01"))
        return df_err_set(err, DF_EIO, "authentication: %s", zmq_strerror(zmq_errno()));
    return DF_OK;
}

df_code df_door_open(df_door **out, void *context, const char *keys_dir, const df_log *log, df_err *err) {
    char path[4096];
    df_door *d = calloc(1, sizeof *d);
    if (!d) return df_err_set(err, DF_ENOMEM, "%s", keys_dir);
    d->log = log;
    snprintf(path, sizeof path, "%s/coordinator.key", keys_dir);
    df_code rc = df_key_pair_read(&d->own, path, err);
    snprintf(path, sizeof path, "%s/peers", keys_dir);
    if (!rc) rc = df_known_peers_open(&d->peers, path, log, err);
    if (!rc) rc = open_socket(d, context, err);
    if (rc)
        df_door_close(&d);
    else
        *out = d;
    return rc;
}

void df_door_close(df_door **d) {
    if (!*d) return;
    if ((*d)->socket) zmq_close((*d)->socket);
    df_known_peers_close(&(*d)->peers);
    df_key_pair_forget(&(*d)->own);
    free(*d);
    *d = NULL;
}

df_code df_door_guard(df_door *d, void *socket, df_err *err) {
    return df_curve_serve(socket, &d->own, err);
}

void *df_door_socket(const df_door *d) {
    return d->socket;
}

/* False when nothing waits. */
static bool receive(df_door *d, request *r) {
    int more = 1;
    size_t size = sizeof more;
    for (r->n = 0; more; r->n++) {
        char spare[FRAME_BYTES];
        bool kept = r->n < N_FRAMES;
        int n = zmq_recv(d->socket, kept ? r->frame[r->n] : spare, FRAME_BYTES - 1, ZMQ_DONTWAIT);
        if (n < 0) return false;
        if (kept) r->bytes[r->n] = n < FRAME_BYTES ? n : FRAME_BYTES - 1;
        if (kept) r->frame[r->n][r->bytes[r->n]] = '\0';
        zmq_getsockopt(d->socket, ZMQ_RCVMORE, &more, &size);
    }
    return true;
}

static const char *role_of(df_door *d, const request *r) {
    char key[DF_KEY_CHARS + 1];
    if (r->n != N_FRAMES || strcmp(r->frame[VERSION], "1.0") != 0 || strcmp(r->frame[MECHANISM], "CURVE") != 0 ||
        r->bytes[KEY] != KEY_BYTES || !zmq_z85_encode(key, (const uint8_t *)r->frame[KEY], KEY_BYTES))
        return NULL;
    const char *role = df_known_peers_role(d->peers, key);
    if (!role)
        df_log_event(d->log, DF_LOG_WARN, "stranger", "address=%s key=\"%s\" n=%llu", r->frame[ADDRESS], key,
                     (unsigned long long)++d->n_refused);
    return role;
}

static void reply(df_door *d, const request *r, const char *role) {
    const char *texts[] = {
        "1.0", r->frame[REQUEST_ID], role ? "200" : "400", role ? "OK" : "unknown key", role ? role : "", ""
    };
    for (int i = 0; i < 6; i++) {
        size_t n = i == REQUEST_ID ? (size_t)r->bytes[REQUEST_ID] : strlen(texts[i]);
        zmq_send(d->socket, texts[i], n, i < 5 ? ZMQ_SNDMORE : 0);
    }
}

void df_door_answer(df_door *d) {
    request r;
    while (receive(d, &r)) reply(d, &r, role_of(d, &r));
}
