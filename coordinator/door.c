#include "coordinator/door.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "coordinator/connections.h"
#include "coordinator/known_peers.h"
#include "coordinator/log_limit.h"
#include "coordinator/role.h"
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
    df_door_cfg cfg;
    void *socket;
    df_key_pair own;
    df_known_peers *peers; /* NULL: no keys are asked for */
    df_connections *connections;
    bool is_full; /* that was said */
    uint64_t n_refused;
    df_log_limit strangers, fulls; /* lines about them */
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

static df_code take_keys(df_door *d, void *socket, df_err *err) {
    char path[4096];
    snprintf(path, sizeof path, "%s/coordinator.key", d->cfg.keys_dir);
    df_code rc = df_key_pair_read(&d->own, path, err);
    snprintf(path, sizeof path, "%s/peers", d->cfg.keys_dir);
    if (!rc) rc = df_known_peers_open(&d->peers, path, d->cfg.log, err);
    return rc ? rc : df_curve_serve(socket, &d->own, err);
}

/* Without a domain connections that show no key would not be asked about. */
static df_code take_anybody(void *socket, df_err *err) {
    if (!zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, "diffarm", 7)) return DF_OK;
    return df_err_set(err, DF_EIO, "authentication: %s", zmq_strerror(zmq_errno()));
}

df_code df_door_open(df_door **out, void *context, void *socket, const df_door_cfg *cfg, df_err *err) {
    df_door *d = calloc(1, sizeof *d);
    if (!d) return df_err_set(err, DF_ENOMEM, "the door");
    d->cfg = *cfg;
    df_code rc = cfg->keys_dir ? take_keys(d, socket, err) : take_anybody(socket, err);
    if (!rc) rc = open_socket(d, context, err);
    if (!rc) rc = df_connections_open(&d->connections, context, socket, err);
    if (rc)
        df_door_close(&d);
    else
        *out = d;
    return rc;
}

void df_door_close(df_door **d) {
    if (!*d) return;
    df_connections_close(&(*d)->connections);
    if ((*d)->socket) zmq_close((*d)->socket);
    df_known_peers_close(&(*d)->peers);
    df_key_pair_forget(&(*d)->own);
    free(*d);
    *d = NULL;
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

static void reply(df_door *d, const request *r, const char *status, const char *text, const char *role) {
    const char *texts[] = { "1.0", r->frame[REQUEST_ID], status, text, role, "" };
    for (int i = 0; i < 6; i++) {
        size_t n = i == REQUEST_ID ? (size_t)r->bytes[REQUEST_ID] : strlen(texts[i]);
        zmq_send(d->socket, texts[i], n, i < 5 ? ZMQ_SNDMORE : 0);
    }
}

/* n says how many there were, those that were not written as well. */
static void note_stranger(df_door *d, const request *r, const char *key) {
    d->n_refused++;
    if (df_log_limit_allows(&d->strangers, df_clock_ms()))
        df_log_event(d->cfg.log, DF_LOG_WARN, "stranger", "address=%s key=\"%s\" n=%llu", r->frame[ADDRESS], key,
                     (unsigned long long)d->n_refused);
}

static const char *role_of_key(df_door *d, const request *r) {
    char key[DF_KEY_CHARS + 1];
    if (r->n != N_FRAMES || strcmp(r->frame[MECHANISM], "CURVE") != 0 || r->bytes[KEY] != KEY_BYTES ||
        !zmq_z85_encode(key, (const uint8_t *)r->frame[KEY], KEY_BYTES))
        return NULL;
    const char *role = df_known_peers_role(d->peers, key);
    if (!role) note_stranger(d, r, key);
    return role;
}

/* NULL: it may not come in. */
static const char *role_of(df_door *d, const request *r) {
    if (r->n <= MECHANISM || strcmp(r->frame[VERSION], "1.0") != 0) return NULL;
    if (d->peers) return role_of_key(d, r);
    return strcmp(r->frame[MECHANISM], "NULL") != 0 ? NULL : "";
}

/* Said once, and again when there has been room in between. */
static void note_full(df_door *d, bool is_full) {
    if (is_full && !d->is_full && df_log_limit_allows(&d->fulls, df_clock_ms()))
        df_log_event(d->cfg.log, DF_LOG_ERROR, "full", "connections=%zu why=\"no more are let in\"",
                     df_connections_count(d->connections));
    d->is_full = is_full;
}

/* The connection that asks is counted already. */
static void answer(df_door *d, const request *r) {
    const char *role = role_of(d, r);
    size_t n = df_connections_count(d->connections), most = d->cfg.max_connections;
    note_full(d, n > most);
    if (!role)
        reply(d, r, "400", "unknown key", "");
    else if (n > most + DF_DOOR_SPARE_CONNECTIONS)
        reply(d, r, "300", "full", ""); /* closed without a word, and tried again */
    else
        reply(d, r, "200", "OK", n > most ? DF_ROLE_ONE_TOO_MANY : role);
}

void df_door_answer(df_door *d) {
    request r;
    df_connections_update(d->connections);
    for (; receive(d, &r); df_connections_update(d->connections)) answer(d, &r);
}
