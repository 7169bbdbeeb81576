/* The farm's network: ZeroMQ, the place where a coordinator would listen, a coordinator that runs. */
#include <errno.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "client/doctor/checkup.h"
#include "client/link.h"

void df_check_zmq(const df_checkup *c) {
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    if (zmq_has("curve"))
        df_found(c->found, DF_FOUND_OK, "zeromq", NULL, "%d.%d.%d, with CURVE", major, minor, patch);
    else
        df_found(c->found, DF_FOUND_PROBLEM, "zeromq", "install one that is built with libsodium",
                 "%d.%d.%d was built without CURVE: nothing but loopback can be used", major, minor, patch);
}

void df_check_bind(const df_checkup *c) {
    void *context = zmq_ctx_new(), *socket = context ? zmq_socket(context, ZMQ_ROUTER) : NULL;
    if (socket && !zmq_bind(socket, c->bind))
        df_found(c->found, DF_FOUND_OK, "endpoint", NULL, "%s is free for a coordinator", c->bind);
    else if (errno == EADDRINUSE)
        df_found(c->found, DF_FOUND_WARNING, "endpoint",
                 "choose another for a coordinator (--bind; port 0 takes any), or connect to the one that is there",
                 "%s is in use, maybe by a coordinator", c->bind);
    else
        df_found(c->found, DF_FOUND_PROBLEM, "endpoint", "give one like tcp://0.0.0.0:7700", "%s: %s", c->bind,
                 zmq_strerror(errno));
    if (socket) zmq_close(socket);
    if (context) zmq_ctx_term(context);
}

void df_check_coordinator(const df_checkup *c) {
    df_link *link = NULL;
    df_wire_in answer;
    df_err err;
    if (!c->endpoint) return;
    Diffarm__WorkersQuery query = DIFFARM__WORKERS_QUERY__INIT;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    m.body_case = DIFFARM__MESSAGE__BODY_WORKERS_QUERY;
    m.workers_query = &query;
    int64_t start = df_clock_ms();
    df_code rc = df_link_open_with(&link, c->endpoint, c->keys_dir, &err);
    if (!rc) rc = df_link_ask(link, &m, &answer, start + c->timeout_ms, &err);
    if (rc) {
        df_found(c->found, DF_FOUND_PROBLEM, "coordinator",
                 "is it running, reachable from this host, and are the keys its own? `diffarm coordinator --help`",
                 "%s", err.text);
    } else {
        df_found(c->found, DF_FOUND_OK, "coordinator", NULL, "%s answers in %lld ms", c->endpoint,
                 (long long)(df_clock_ms() - start));
        df_wire_in_free(&answer);
    }
    df_link_close(&link);
}
