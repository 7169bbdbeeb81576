#include "coordinator/endpoint.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"

enum { REBIND_TRIES = 20, REBIND_WAIT_MS = 100 };

/* Splits "tcp://HOST:PORT"; false for other transports. */
static bool split_tcp(const char *endpoint, char host[128], char port[16]) {
    const char *colon = strrchr(endpoint, ':');
    if (strncmp(endpoint, "tcp://", 6) || !colon || colon < endpoint + 6) return false;
    snprintf(host, 128, "%.*s", (int)(colon - endpoint - 6), endpoint + 6);
    snprintf(port, 16, "%s", colon + 1);
    return true;
}

static bool is_loopback(const char *host) {
    return !strncmp(host, "127.", 4) || !strcmp(host, "localhost") || !strcmp(host, "[::1]") || !strcmp(host, "::1");
}

df_code df_endpoint_check(const char *bind, bool secure, df_err *err) {
    char host[128], port[16];
    if (!strncmp(bind, "ipc://", 6)) return DF_OK;
    if (!split_tcp(bind, host, port))
        return df_err_set(err, DF_EINVAL, "%s: an endpoint is tcp://HOST:PORT or ipc://PATH", bind);
    if (is_loopback(host) || secure) return DF_OK;
    return df_err_set(
        err, DF_EINVAL,
        "%s: other machines could reach this, and without keys anyone on the network could submit jobs and "
        "send pictures. Run `diffarm keygen DIR` and give --keys DIR here and to every peer, or bind to "
        "127.0.0.1",
        bind);
}

static df_code bind_error(const char *endpoint, df_err *err) {
    return df_err_set(err, DF_EIO, "%s: listen: %s", endpoint, zmq_strerror(zmq_errno()));
}

/* The port of the last start may be held for a moment by the process that was just killed. */
static bool bind_again(void *socket, const char *host, const char *before) {
    char host_before[128], port[16], endpoint[DF_ENDPOINT_BYTES];
    if (!split_tcp(before, host_before, port)) return false;
    snprintf(endpoint, sizeof endpoint, "tcp://%s:%s", host, port);
    for (int i = 0; i < REBIND_TRIES; i++) {
        if (!zmq_bind(socket, endpoint)) return true;
        if (zmq_errno() != EADDRINUSE) return false;
        df_clock_sleep_ms(REBIND_WAIT_MS);
    }
    return false;
}

/* This machine by a name that resolves, else by loopback. */
static void own_name(char out[256]) {
    struct addrinfo *found = NULL;
    if (gethostname(out, 256) || getaddrinfo(out, NULL, NULL, &found)) snprintf(out, 256, "127.0.0.1");
    if (found) freeaddrinfo(found);
}

static void told_endpoint(const char *bound, char *out) {
    char host[128], port[16], name[256];
    if (split_tcp(bound, host, port) && (!strcmp(host, "0.0.0.0") || !strcmp(host, "[::]"))) {
        own_name(name);
        snprintf(out, DF_ENDPOINT_BYTES, "tcp://%.200s:%s", name, port);
    } else {
        snprintf(out, DF_ENDPOINT_BYTES, "%s", bound);
    }
}

df_code df_endpoint_bind(void *socket, const char *bind, const char *before, char *out, df_err *err) {
    char host[128], port[16], bound[DF_ENDPOINT_BYTES];
    size_t bytes = sizeof bound;
    bool any_port = split_tcp(bind, host, port) && (!strcmp(port, "*") || !strcmp(port, "0"));
    if (!(any_port && bind_again(socket, host, before)) && zmq_bind(socket, bind)) return bind_error(bind, err);
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &bytes)) return bind_error(bind, err);
    told_endpoint(bound, out);
    return DF_OK;
}
