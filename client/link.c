#include "client/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "proto/keys.h"
#include "proto/locator.h"
#include "worker/version.h"

#define FIRST_RETRY_MS 500
#define MAX_RETRY_MS 4000
#define SLICE_MS 250
#define QUEUE_MESSAGES 100
#define HEARTBEAT_MS 1000

struct df_link {
    void *context, *socket;
    char *endpoint;
    df_locator locator;
    bool has_keys;
    bool welcomed; /* since the last sign that the other end may be gone */
    uint64_t next_id;
    char coordinator[80];
    const volatile sig_atomic_t *stop; /* borrowed */
    df_link_wait_cb on_wait;
    void *on_wait_ctx;
};

static df_code zmq_fault(df_err *err, const char *endpoint, const char *what) {
    return df_err_set(err, DF_EUNREACHABLE, "%s: %s: %s", endpoint, what, zmq_strerror(zmq_errno()));
}

static df_code connect_socket(df_link *l, const char *keys_dir, df_err *err) {
    static const char *const roles[] = { DF_ROLE_SUBMIT, DF_ROLE_WATCH, NULL };
    int linger = 0, immediate = 1;
    df_code rc;
    if (!(l->context = zmq_ctx_new()) || !(l->socket = zmq_socket(l->context, ZMQ_DEALER)))
        return zmq_fault(err, l->endpoint, "socket");
    if ((rc = df_wire_tune(l->socket, QUEUE_MESSAGES, HEARTBEAT_MS, err))) return rc;
    if (keys_dir && (rc = df_curve_connect(l->socket, keys_dir, roles, err))) return rc;
    zmq_setsockopt(l->socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(l->socket, ZMQ_IMMEDIATE, &immediate, sizeof immediate);
    l->locator.named = l->endpoint;
    return df_locator_follow(&l->locator, l->socket, err);
}

df_code df_link_open(df_link **out, const char *endpoint, df_err *err) {
    return df_link_open_with(out, endpoint, NULL, err);
}

df_code df_link_open_with(df_link **out, const char *endpoint, const char *keys_dir, df_err *err) {
    df_code rc;
    df_link *l = calloc(1, sizeof *l);
    if (!l) return df_err_set(err, DF_ENOMEM, "%s", endpoint);
    /* Ids of two processes differ, so that the coordinator never takes one for the other's second delivery. */
    l->next_id = ((uint64_t)getpid() << 40) ^ ((uint64_t)df_clock_wall_ms() << 8);
    l->has_keys = keys_dir != NULL;
    if (!(l->endpoint = strdup(endpoint))) {
        rc = df_err_set(err, DF_ENOMEM, "%s", endpoint);
        goto fail;
    }
    if ((rc = connect_socket(l, keys_dir, err))) goto fail;
    *out = l;
    return DF_OK;
fail:
    df_link_close(&l);
    return rc;
}

void df_link_close(df_link **l) {
    if (!*l) return;
    if ((*l)->socket) zmq_close((*l)->socket);
    if ((*l)->context) zmq_ctx_term((*l)->context);
    free((*l)->endpoint);
    free(*l);
    *l = NULL;
}

void df_link_on_wait(df_link *l, df_link_wait_cb cb, void *ctx) {
    l->on_wait = cb;
    l->on_wait_ctx = ctx;
}

void df_link_stop_flag(df_link *l, const volatile sig_atomic_t *stop) {
    l->stop = stop;
}

const char *df_link_coordinator(const df_link *l) {
    return l->coordinator;
}

static uint64_t *id_of_question(Diffarm__Message *m) {
    switch (m->body_case) {
    case DIFFARM__MESSAGE__BODY_SUBMIT_BEGIN: return &m->submit_begin->request_id;
    case DIFFARM__MESSAGE__BODY_SUBMIT_ROWS: return &m->submit_rows->request_id;
    case DIFFARM__MESSAGE__BODY_SUBMIT_END: return &m->submit_end->request_id;
    case DIFFARM__MESSAGE__BODY_FILE_PUT: return &m->file_put->request_id;
    case DIFFARM__MESSAGE__BODY_JOB_QUERY: return &m->job_query->request_id;
    case DIFFARM__MESSAGE__BODY_JOB_CANCEL: return &m->job_cancel->request_id;
    case DIFFARM__MESSAGE__BODY_JOB_CONTROL: return &m->job_control->request_id;
    case DIFFARM__MESSAGE__BODY_WORKER_READMIT: return &m->worker_readmit->request_id;
    case DIFFARM__MESSAGE__BODY_WORKERS_QUERY: return &m->workers_query->request_id;
    case DIFFARM__MESSAGE__BODY_FAILURES_QUERY: return &m->failures_query->request_id;
    case DIFFARM__MESSAGE__BODY_EXPLAIN_QUERY: return &m->explain_query->request_id;
    default: return NULL;
    }
}

static uint64_t id_of_answer(const Diffarm__Message *m) {
    switch (m->body_case) {
    case DIFFARM__MESSAGE__BODY_REPLY: return m->reply->request_id;
    case DIFFARM__MESSAGE__BODY_FILE_STATE: return m->file_state->request_id;
    case DIFFARM__MESSAGE__BODY_JOB_LIST: return m->job_list->request_id;
    case DIFFARM__MESSAGE__BODY_WORKER_LIST: return m->worker_list->request_id;
    case DIFFARM__MESSAGE__BODY_FAILURE_LIST: return m->failure_list->request_id;
    case DIFFARM__MESSAGE__BODY_EXPLANATION: return m->explanation->request_id;
    default: return 0;
    }
}

static df_code say_hello(df_link *l, df_err *err) {
    char host[64] = "", name[96];
    gethostname(host, sizeof host - 1);
    snprintf(name, sizeof name, "%s:%ld", host, (long)getpid());
    Diffarm__Hello hello = DIFFARM__HELLO__INIT;
    hello.role = DIFFARM__HELLO__ROLE__CLIENT;
    hello.name = name;
    hello.software = (char *)DF_SOFTWARE;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    m.body_case = DIFFARM__MESSAGE__BODY_HELLO;
    m.hello = &hello;
    return df_wire_send(l->socket, NULL, 0, &m, NULL, 0, err);
}

static df_code take(df_link *l, const df_wire_in *in, uint64_t id, bool *answered, df_err *err) {
    const Diffarm__Message *m = in->msg;
    if (m->body_case == DIFFARM__MESSAGE__BODY_REFUSED)
        return df_err_set(err, DF_EPROTOCOL, "%s: the coordinator refuses us: %s", l->endpoint, m->refused->reason);
    if (m->body_case == DIFFARM__MESSAGE__BODY_WELCOME) {
        l->welcomed = true;
        snprintf(l->coordinator, sizeof l->coordinator, "%s", m->welcome->coordinator_id);
    }
    *answered = id_of_answer(m) == id;
    return DF_OK;
}

/* Reads what comes until the answer or until_ms; DF_ETIMEOUT then. A message of another version ends it at once: it can
 * only be the coordinator's refusal. */
static df_code listen(df_link *l, uint64_t id, df_wire_in *answer, int64_t until_ms, df_err *err) {
    for (;;) {
        if (l->stop && *l->stop) return df_err_set(err, DF_ECANCELLED, "interrupted");
        int64_t left = until_ms - df_clock_ms();
        bool was_welcome = l->welcomed, answered = false;
        df_code rc = df_wire_recv(l->socket, 0, answer, (int)(left < 0 ? 0 : left < SLICE_MS ? left : SLICE_MS), err);
        if (rc == DF_ETIMEOUT && left > 0) continue;
        if (rc == DF_ETIMEOUT || (rc == DF_EPROTOCOL && answer->version != DF_PROTOCOL_VERSION)) return rc;
        if (rc) continue; /* not a message of ours; the question is asked again in time */
        rc = take(l, answer, id, &answered, err);
        if (!rc && answered) return DF_OK;
        df_wire_in_free(answer);
        if (rc) return rc;
        if (l->welcomed && !was_welcome) return df_err_set(err, DF_ETIMEOUT, "now the question can be asked");
    }
}

/* One round: Hello if the coordinator may not know us, else the question. */
static df_code round_of(df_link *l, Diffarm__Message *msg, uint64_t id, df_wire_in *answer, int64_t until_ms,
                        df_err *err) {
    /* Silence may mean that the coordinator was started again somewhere else. */
    df_code rc = l->welcomed ? DF_OK : df_locator_look(&l->locator, l->socket, df_clock_ms(), err);
    if (rc) return rc;
    rc = l->welcomed ? df_wire_send(l->socket, NULL, 0, msg, NULL, 0, err) : say_hello(l, err);
    if (rc == DF_ELIMIT || rc == DF_EUNREACHABLE) { /* not connected: look again soon */
        l->welcomed = false;
        int64_t soon = df_clock_ms() + 50;
        until_ms = soon < until_ms ? soon : until_ms;
    } else if (rc) {
        return rc;
    }
    return listen(l, id, answer, until_ms, err);
}

df_code df_link_ask(df_link *l, Diffarm__Message *msg, df_wire_in *answer, int64_t deadline_ms, df_err *err) {
    uint64_t id = ++l->next_id;
    *id_of_question(msg) = id;
    int64_t start = df_clock_ms(), told = start, patience = FIRST_RETRY_MS;
    for (;;) {
        int64_t now = df_clock_ms(), until = now + patience;
        bool was_welcome = l->welcomed;
        df_code rc = round_of(l, msg, id, answer, until < deadline_ms ? until : deadline_ms, err);
        if (rc != DF_ETIMEOUT) return rc;
        now = df_clock_ms();
        if (now >= deadline_ms)
            return df_err_set(err, DF_EUNREACHABLE,
                              "%s: no answer from the coordinator within %.1f s; is it running there?%s", l->endpoint,
                              (double)(now - start) / 1000,
                              l->has_keys ? " Does it know this key?" : " Does it ask for --keys?");
        if (l->welcomed && was_welcome && now >= until) { /* it fell silent: greet it again, more patiently */
            l->welcomed = false;
            patience = patience * 2 < MAX_RETRY_MS ? patience * 2 : MAX_RETRY_MS;
        }
        if (!l->on_wait || now - told < 500) continue;
        told = now;
        if ((rc = l->on_wait(l->on_wait_ctx, now - start, err))) return rc;
    }
}
