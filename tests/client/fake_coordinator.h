/* A coordinator for tests: a thread with a ROUTER socket that does what a script function says to each message. */
#ifndef DF_TESTS_CLIENT_FAKE_COORDINATOR_H
#define DF_TESTS_CLIENT_FAKE_COORDINATOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <zmq.h>

#include "proto/envelope.h"

typedef struct fake_coordinator {
    char endpoint[64];
    char id[32]; /* coordinator_id of its Welcome */
    unsigned version; /* of the head it sends; 0: ours */
    /* Answers one message; runs on the fake's thread. */
    void (*on_message)(struct fake_coordinator *f, const df_wire_in *in);
    void *ctx;
    atomic_int n_hellos, n_messages;
    atomic_bool stop;
    void *context, *socket;
    pthread_t thread;
} fake_coordinator;

static inline void fake_send(fake_coordinator *f, const df_wire_in *to, Diffarm__Message__BodyCase kind, void *body) {
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    m.body_case = kind;
    m.hello = body;
    if (df_wire_send(f->socket, to->identity, to->identity_bytes, &m, NULL, 0, NULL)) fprintf(stderr, "fake: unsent\n");
}

static inline void fake_welcome(fake_coordinator *f, const df_wire_in *to) {
    Diffarm__Welcome w = DIFFARM__WELCOME__INIT;
    w.coordinator_id = f->id;
    w.heartbeat_ms = 100;
    w.lease_timeout_ms = 1000;
    fake_send(f, to, DIFFARM__MESSAGE__BODY_WELCOME, &w);
}

static inline void fake_reply(fake_coordinator *f, const df_wire_in *to, uint64_t request_id, df_code code,
                              const char *text) {
    Diffarm__Reply r = DIFFARM__REPLY__INIT;
    r.request_id = request_id;
    r.code = code;
    r.text = (char *)text;
    fake_send(f, to, DIFFARM__MESSAGE__BODY_REPLY, &r);
}

static inline void *fake_thread(void *arg) {
    fake_coordinator *f = arg;
    while (!atomic_load(&f->stop)) {
        df_wire_in in;
        if (df_wire_recv(f->socket, 1, &in, 10, NULL)) continue;
        atomic_fetch_add(&f->n_messages, 1);
        if (in.msg->body_case == DIFFARM__MESSAGE__BODY_HELLO) atomic_fetch_add(&f->n_hellos, 1);
        f->on_message(f, &in);
        df_wire_in_free(&in);
    }
    return NULL;
}

/* endpoint "" binds a free port and writes it there; else that one is bound again, as after a restart. */
static inline void fake_start(fake_coordinator *f) {
    size_t n = sizeof f->endpoint;
    int linger = 0;
    atomic_store(&f->stop, false);
    f->context = zmq_ctx_new();
    f->socket = zmq_socket(f->context, ZMQ_ROUTER);
    zmq_setsockopt(f->socket, ZMQ_LINGER, &linger, sizeof linger);
    const char *want = f->endpoint[0] ? f->endpoint : "tcp://127.0.0.1:*";
    for (int tries = 0; zmq_bind(f->socket, want) && tries < 100; tries++) zmq_poll(NULL, 0, 20);
    zmq_getsockopt(f->socket, ZMQ_LAST_ENDPOINT, f->endpoint, &n);
    pthread_create(&f->thread, NULL, fake_thread, f);
}

static inline void fake_stop(fake_coordinator *f) {
    atomic_store(&f->stop, true);
    pthread_join(f->thread, NULL);
    zmq_close(f->socket);
    zmq_ctx_term(f->context);
}

#endif
