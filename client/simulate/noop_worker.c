#include "client/simulate/noop_worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "coordinator/simulate/random.h"
#include "proto/envelope.h"

/* QUEUE_MESSAGES: the results of two leases. */
enum { QUEUE_MESSAGES = 512, HELLO_AGAIN_MS = 10000, ASK_AGAIN_MS = 10000, SEND_AGAIN_MS = 30000 };

df_code df_noop_worker_open(df_noop_worker *w, void *context, const df_noop_shape *shape, int number, df_err *err) {
    int linger = 0;
    *w = (df_noop_worker) { .shape = shape, .socket = zmq_socket(context, ZMQ_DEALER) };
    if (!w->socket) return df_err_set(err, DF_ELIMIT, "worker %d: %s (ulimit -n)", number, zmq_strerror(zmq_errno()));
    snprintf(w->id, sizeof w->id, "noop-%06d", number);
    df_code rc = df_wire_tune(w->socket, QUEUE_MESSAGES, DF_WIRE_WORKER_HEARTBEAT_MS, err);
    if (rc) return rc;
    zmq_setsockopt(w->socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(w->socket, ZMQ_ROUTING_ID, w->id, strlen(w->id));
    if (!zmq_connect(w->socket, shape->endpoint)) return DF_OK;
    return df_err_set(err, DF_EUNREACHABLE, "%s: %s", shape->endpoint, zmq_strerror(zmq_errno()));
}

void df_noop_worker_close(df_noop_worker *w) {
    if (w->socket) zmq_close(w->socket);
    w->socket = NULL;
}

/* what it says */

static bool say(df_noop_worker *w, Diffarm__Message msg, const void *blob, size_t bytes) {
    bool said = !df_wire_send(w->socket, NULL, 0, &msg, blob, bytes, NULL);
    w->n_said += said;
    return said;
}

static size_t tokens_of(df_noop_worker *w, char *tokens[DF_NOOP_LEASES]) {
    size_t n = 0;
    for (int i = 0; i < DF_NOOP_LEASES; i++)
        if (w->leases[i].n_rows) tokens[n++] = w->leases[i].token;
    return n;
}

static void hello(df_noop_worker *w, int64_t now_ms) {
    char *tokens[DF_NOOP_LEASES];
    Diffarm__Hello out = DIFFARM__HELLO__INIT;
    out.role = DIFFARM__HELLO__ROLE__WORKER;
    out.worker_id = out.name = w->id;
    out.any_model = out.groups_acks = 1;
    out.pipeline_ranks = out.threads = 1;
    out.leases_held = tokens;
    out.n_leases_held = tokens_of(w, tokens);
    w->is_welcome = false;
    w->hello_ms = say(w, DF_WIRE_MESSAGE(HELLO, hello, &out), NULL, 0) ? now_ms : 0;
}

static void beat(df_noop_worker *w, int64_t now_ms) {
    char *tokens[DF_NOOP_LEASES];
    Diffarm__Heartbeat out = DIFFARM__HEARTBEAT__INIT;
    out.tokens = tokens;
    out.n_tokens = tokens_of(w, tokens);
    if (say(w, DF_WIRE_MESSAGE(HEARTBEAT, heartbeat, &out), NULL, 0)) w->beat_ms = now_ms;
}

static void ask(df_noop_worker *w, int64_t now_ms) {
    Diffarm__LeaseRequest out = DIFFARM__LEASE_REQUEST__INIT;
    out.max_rows = DF_NOOP_MAX_ROWS;
    out.images_per_second = w->shape->images_per_second > 0 ? w->shape->images_per_second : 1e5;
    w->asks = say(w, DF_WIRE_MESSAGE(LEASE_REQUEST, lease_request, &out), NULL, 0);
    w->asked_ms = now_ms;
}

/* Pictures of different rows look different, and their hashes lie anywhere, as those of real ones do. */
static bool send_result(df_noop_worker *w, const df_noop_lease *lease, uint64_t row) {
    Diffarm__Result out = DIFFARM__RESULT__INIT;
    out.token = (char *)lease->token;
    out.job_id = (char *)lease->job_id;
    out.row = row;
    out.png_sha256 = (char *)w->shape->png_sha256;
    out.pixels_hash = df_sim_random_from(row).state;
    out.scheduler = (char *)"ddim";
    return say(w, DF_WIRE_MESSAGE(RESULT, result, &out), w->shape->png, w->shape->png_bytes);
}

/* A full queue to the coordinator ends it; the next tick goes on. */
static void send_results(df_noop_worker *w, df_noop_lease *lease, int64_t now_ms) {
    double pace = w->shape->images_per_second;
    while (lease->n_sent < lease->n_rows && lease->next_ms <= now_ms) {
        if (!send_result(w, lease, lease->rows[lease->n_sent])) return;
        lease->sent_ms[lease->n_sent++] = now_ms;
        if (pace > 0) lease->next_ms += (int64_t)(1000 / pace);
    }
    for (size_t i = 0; i < lease->n_sent && lease->n_sent == lease->n_rows; i++)
        if (lease->sent_ms[i] > 0 && now_ms - lease->sent_ms[i] >= SEND_AGAIN_MS &&
            send_result(w, lease, lease->rows[i]))
            lease->sent_ms[i] = now_ms;
}

/* Leases are worked off one after another; the next is asked for when the last row of the one before is rendered. */
static void work(df_noop_worker *w, int64_t now_ms) {
    bool has_free = false, has_unsent = false;
    for (int i = 0; i < DF_NOOP_LEASES; i++) {
        df_noop_lease *lease = &w->leases[i];
        if (lease->n_rows && !has_unsent) send_results(w, lease, now_ms);
        has_unsent |= lease->n_sent < lease->n_rows;
        has_free |= !lease->n_rows;
    }
    if (has_free && !has_unsent && !w->asks) ask(w, now_ms);
}

/* what it hears */

static df_noop_lease *find(df_noop_worker *w, const char *token) {
    for (int i = 0; i < DF_NOOP_LEASES; i++)
        if (w->leases[i].n_rows && !strcmp(w->leases[i].token, token)) return &w->leases[i];
    return NULL;
}

static void take_lease(df_noop_worker *w, const Diffarm__Lease *in, int64_t now_ms) {
    df_noop_lease *lease = w->leases[0].n_rows ? &w->leases[1] : &w->leases[0];
    w->asks = false;
    if (lease->n_rows || in->n_rows > DF_NOOP_MAX_ROWS || !in->job) return; /* not named in heartbeats: it goes back */
    *lease = (df_noop_lease) { .n_rows = in->n_rows, .next_ms = now_ms };
    if (w->shape->images_per_second > 0) lease->next_ms += (int64_t)(1000 / w->shape->images_per_second);
    snprintf(lease->token, sizeof lease->token, "%s", in->token);
    snprintf(lease->job_id, sizeof lease->job_id, "%s", in->job->job_id);
    for (size_t i = 0; i < in->n_rows; i++) lease->rows[i] = in->rows[i]->row;
}

static void drop(df_noop_worker *w, const char *token) {
    df_noop_lease *lease = find(w, token);
    if (lease) lease->n_rows = 0;
    if (!w->leases[0].n_rows && w->leases[1].n_rows) {
        w->leases[0] = w->leases[1];
        w->leases[1].n_rows = 0;
    }
}

static int by_row(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void settle(df_noop_worker *w, df_noop_lease *lease, uint64_t row, bool committed) {
    const uint64_t *at = bsearch(&row, lease->rows, lease->n_rows, sizeof row, by_row);
    int64_t *sent_ms = at ? &lease->sent_ms[at - lease->rows] : NULL;
    if (!at || *sent_ms < 0) return;
    *sent_ms = -1;
    lease->n_acked++;
    w->n_done += committed;
}

static void take_ack(df_noop_worker *w, const Diffarm__ResultAck *ack) {
    df_noop_lease *lease = find(w, ack->token);
    if (!lease) return;
    settle(w, lease, ack->row, ack->committed);
    for (size_t i = 0; i < ack->n_more_rows; i++) settle(w, lease, ack->more_rows[i], ack->committed);
    if (lease->n_acked == lease->n_rows) drop(w, ack->token);
}

static df_code take(df_noop_worker *w, const Diffarm__Message *m, int64_t now_ms, df_err *err) {
    switch (m->body_case) {
    case DIFFARM__MESSAGE__BODY_REFUSED: return df_err_set(err, DF_EPROTOCOL, "%s: %s", w->id, m->refused->reason);
    case DIFFARM__MESSAGE__BODY_WELCOME:
        w->is_welcome = true;
        w->asks = false;
        w->heartbeat_ms = m->welcome->heartbeat_ms;
        break;
    case DIFFARM__MESSAGE__BODY_SAY_HELLO: hello(w, now_ms); break;
    case DIFFARM__MESSAGE__BODY_LEASE: take_lease(w, m->lease, now_ms); break;
    case DIFFARM__MESSAGE__BODY_LEASE_REVOKED: drop(w, m->lease_revoked->token); break;
    case DIFFARM__MESSAGE__BODY_RESULT_ACK: take_ack(w, m->result_ack); break;
    default: break;
    }
    return DF_OK;
}

static df_code hear(df_noop_worker *w, int64_t now_ms, df_err *err) {
    df_code rc = DF_OK;
    for (df_wire_in in; !rc && !df_wire_recv(w->socket, 0, &in, 0, NULL);) {
        rc = take(w, in.msg, now_ms, err);
        df_wire_in_free(&in);
    }
    return rc;
}

static void say_what_is_due(df_noop_worker *w, int64_t now_ms) {
    if (!w->is_welcome) {
        if (!w->hello_ms || now_ms - w->hello_ms >= HELLO_AGAIN_MS) hello(w, now_ms);
        return;
    }
    if (w->asks && now_ms - w->asked_ms >= ASK_AGAIN_MS) w->asks = false;
    if (now_ms - w->beat_ms >= w->heartbeat_ms) beat(w, now_ms);
    work(w, now_ms);
}

/* Sending may take the sign that something has come off the socket's descriptor: who has said something listens again.
 */
df_code df_noop_worker_turn(df_noop_worker *w, int64_t now_ms, df_err *err) {
    for (;;) {
        uint64_t said = w->n_said;
        df_code rc = hear(w, now_ms, err);
        if (rc) return rc;
        say_what_is_due(w, now_ms);
        if (w->n_said == said) return DF_OK;
    }
}
