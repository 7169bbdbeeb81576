/* The coordinator's event loop: one ROUTER socket, one thread, one farm. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "coordinator/coordinator.h"
#include "coordinator/door.h"
#include "coordinator/endpoint.h"
#include "coordinator/farm.h"
#include "coordinator/state_dir.h"
#include "coordinator/web/watch.h"

/* Queued messages a peer: results are a megabyte or so each, and wait with their worker instead of here. */
enum { QUEUE_MESSAGES = 128, MESSAGES_A_TURN = 8192, PICTURES_A_TURN = 128, TURN_MS = 50, BACKLOG = 4096 };
/* Messages that are taken off the socket together, so that their pictures are looked at side by side. */
enum { GROUP_MESSAGES = 32, GROUP_BYTES = 64 << 20 };

typedef struct arrival {
    df_wire_in in;
    df_code rc; /* of receiving it */
    df_err why;
    df_png_look look; /* at its picture, if it brings one */
} arrival;

struct df_coordinator {
    df_coordinator_cfg cfg;
    int lock_fd, wake_fd;
    atomic_bool stop;
    void *ctx, *socket;
    df_door *door;
    char endpoint[DF_ENDPOINT_BYTES];
    df_farm *farm;
    df_watch *watch; /* NULL: no web page */
    arrival group[GROUP_MESSAGES];
    arrival *pictures[GROUP_MESSAGES]; /* of the group, those that bring one */
};

df_coordinator_cfg df_coordinator_cfg_default(void) {
    return (df_coordinator_cfg) {
        .bind = "tcp://127.0.0.1:7700",
        .heartbeat_ms = 2000,
        .lease_timeout_ms = 10000,
        .stall_retry_ms = 3000,
        .upload_timeout_ms = 600000,
        .lease_target_ms = 30000,
        .cache_kib = 64 << 10,
    };
}

/* opening */

static df_code zmq_failed(const char *what, df_err *err) {
    return df_err_set(err, DF_EIO, "%s: %s", what, zmq_strerror(zmq_errno()));
}

/* Handover: a worker that comes back under its identity takes the place of its dead connection. Mandatory: sending to
 * a peer that is gone is an error instead of silence. */
static df_code tune(void *socket, df_err *err) {
    const struct {
        int option, value;
    } options[] = { { ZMQ_ROUTER_HANDOVER, 1 }, { ZMQ_ROUTER_MANDATORY, 1 }, { ZMQ_BACKLOG, BACKLOG } };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (zmq_setsockopt(socket, options[i].option, &options[i].value, sizeof options[i].value))
            return zmq_failed("socket option", err);
    return df_wire_tune(socket, QUEUE_MESSAGES, 0, err); /* peers send heartbeats, of both kinds */
}

static df_code listen_on(df_coordinator *c, df_err *err) {
    char before[DF_ENDPOINT_BYTES];
    df_code rc;
    if (!(c->ctx = zmq_ctx_new()) || !(c->socket = zmq_socket(c->ctx, ZMQ_ROUTER))) return zmq_failed("socket", err);
    if ((rc = tune(c->socket, err))) return rc;
    const df_door_cfg door = { c->cfg.keys_dir, c->farm->max_workers, c->cfg.log };
    if ((rc = df_door_open(&c->door, c->ctx, c->socket, &door, err))) return rc;
    df_state_dir_read_endpoint(c->cfg.state_dir, before);
    if ((rc = df_endpoint_bind(c->socket, c->cfg.bind, before, c->endpoint, err))) return rc;
    return df_state_dir_write_endpoint(c->cfg.state_dir, c->endpoint, err);
}

static df_code send_out(void *ctx, const void *to, size_t to_bytes, const Diffarm__Message *msg, df_err *err) {
    df_coordinator *c = ctx;
    return df_wire_send(c->socket, to, to_bytes, msg, NULL, 0, err);
}

static df_code bring_up(df_coordinator *c, df_err *err) {
    df_wire_out wire = { c, send_out };
    df_code rc = df_endpoint_check(c->cfg.bind, c->cfg.keys_dir || c->cfg.insecure, err);
    if (!rc) rc = df_state_dir_lock(c->cfg.state_dir, &c->lock_fd, err);
    if (!rc && (c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) rc = df_err_errno(err, errno, "eventfd");
    if (!rc) rc = df_farm_open(&c->farm, &c->cfg, &wire, df_clock_ms(), err);
    if (!rc) rc = listen_on(c, err);
    const df_web_cfg web = { .bind = c->cfg.http, .token_file = c->cfg.http_token_file, .log = c->cfg.log };
    return rc || !c->cfg.http ? rc : df_watch_open(&c->watch, &web, c->farm, err);
}

df_code df_coordinator_open(df_coordinator **out, const df_coordinator_cfg *cfg, df_err *err) {
    df_coordinator *c = calloc(1, sizeof *c);
    if (!c) return df_err_set(err, DF_ENOMEM, "the coordinator");
    c->cfg = *cfg;
    c->lock_fd = c->wake_fd = -1;
    df_code rc = bring_up(c, err);
    if (rc)
        df_coordinator_close(&c);
    else
        *out = c;
    return rc;
}

void df_coordinator_close(df_coordinator **c) {
    if (!c || !*c) return;
    df_watch_close(&(*c)->watch);
    df_farm_close(&(*c)->farm);
    df_door_close(&(*c)->door);
    if ((*c)->socket) zmq_close((*c)->socket);
    if ((*c)->ctx) zmq_ctx_term((*c)->ctx);
    if ((*c)->wake_fd >= 0) close((*c)->wake_fd);
    if ((*c)->lock_fd >= 0) close((*c)->lock_fd);
    free(*c);
    *c = NULL;
}

const char *df_coordinator_endpoint(const df_coordinator *c) {
    return c->endpoint;
}

/* running */

static df_code wait_for_work(df_coordinator *c, df_err *err) {
    zmq_pollitem_t items[] = { { c->socket, 0, ZMQ_POLLIN, 0 },
                               { NULL, c->wake_fd, ZMQ_POLLIN, 0 },
                               { df_door_socket(c->door), 0, ZMQ_POLLIN, 0 } };
    if (zmq_poll(items, 3, df_farm_wait_ms(c->farm)) < 0 && zmq_errno() != EINTR) return zmq_failed("poll", err);
    return DF_OK;
}

/* A picture is a file to be written and synced; all else of a message is done in microseconds. */
static bool brings_picture(const df_wire_in *in) {
    return in->blob_bytes || (in->msg->body_case == DIFFARM__MESSAGE__BODY_RESULT && in->msg->result->beside_bytes);
}

static bool has_blob_to_look_at(const arrival *a) {
    return !a->rc && a->in.blob_bytes && a->in.msg->body_case == DIFFARM__MESSAGE__BODY_RESULT;
}

static void look_at_picture(void *ctx, size_t i) {
    arrival *const *pictures = ctx;
    df_png_look_at(&pictures[i]->look, pictures[i]->in.blob, pictures[i]->in.blob_bytes);
}

/* *n messages that wait, few or none; a fatal error ends them. */
static df_code receive_group(df_coordinator *c, size_t *n, df_err *err) {
    size_t bytes = 0, n_pictures = 0;
    df_code rc = DF_OK;
    for (*n = 0; *n < GROUP_MESSAGES && bytes < GROUP_BYTES;) {
        arrival *a = &c->group[*n];
        a->rc = df_wire_recv(c->socket, 1, &a->in, 0, &a->why);
        if (a->rc == DF_ETIMEOUT) break;
        if (a->rc == DF_ECANCELLED || a->rc == DF_EIO) {
            rc = df_err_set(err, a->rc, "%s", a->why.text);
            break;
        }
        bytes += a->in.body_bytes + a->in.blob_bytes;
        if (has_blob_to_look_at(a)) c->pictures[n_pictures++] = a;
        ++*n;
    }
    df_crew_share(c->farm->crew, look_at_picture, c->pictures, n_pictures);
    return rc;
}

static void take_arrival(df_coordinator *c, arrival *a, int64_t now_ms) {
    if (!a->rc)
        df_farm_take_looked(c->farm, &a->in, has_blob_to_look_at(a) ? &a->look : NULL, now_ms);
    else if (a->rc != DF_EPROTOCOL || a->in.version != DF_PROTOCOL_VERSION) /* else: a kind that is new to us */
        df_farm_refuse(c->farm, &a->in, &a->why);
    df_wire_in_free(&a->in);
}

/* What has come, in its order, but not so much that the turn's other work waits long. */
static df_code take_messages(df_coordinator *c, df_err *err) {
    int64_t now_ms = df_clock_ms(), until_ms = now_ms + TURN_MS;
    size_t n_messages = 0, n_pictures = 0, n = GROUP_MESSAGES;
    df_code rc = DF_OK;
    while (!rc && n && n_messages < MESSAGES_A_TURN && n_pictures < PICTURES_A_TURN && now_ms < until_ms) {
        rc = receive_group(c, &n, err);
        now_ms = df_clock_ms();
        for (size_t i = 0; i < n; i++) {
            n_pictures += !c->group[i].rc && brings_picture(&c->group[i].in);
            take_arrival(c, &c->group[i], now_ms);
        }
        n_messages += n;
    }
    return rc;
}

df_code df_coordinator_run(df_coordinator *c, df_err *err) {
    df_code rc = DF_OK;
    df_log_event(c->cfg.log, DF_LOG_INFO, "listening", "endpoint=%s keys=%s", c->endpoint,
                 c->cfg.keys_dir ? "required" : "none");
    if (c->cfg.insecure && !c->cfg.keys_dir)
        df_log_event(c->cfg.log, DF_LOG_WARN, "insecure",
                     "\"anyone who reaches %s can submit jobs, read their pictures and send others\"", c->endpoint);
    while (!rc && !atomic_load(&c->stop) && !df_farm_is_idle(c->farm)) {
        if ((rc = wait_for_work(c, err))) break;
        df_door_answer(c->door);
        if ((rc = take_messages(c, err))) break;
        df_farm_turn(c->farm, df_clock_ms());
        df_watch_turn(c->watch, df_clock_ms());
    }
    df_log_event(c->cfg.log, DF_LOG_INFO, "stopped", "endpoint=%s", c->endpoint);
    return rc;
}

void df_coordinator_stop(df_coordinator *c) {
    uint64_t one = 1;
    atomic_store(&c->stop, true);
    ssize_t n = write(c->wake_fd, &one, sizeof one);
    (void)n; /* full: it is awake already */
}
