#include "worker/uplink.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <zmq.h>

#include "base/clock.h"
#include "proto/keys.h"
#include "proto/locator.h"
#include "worker/queue.h"
#include "worker/uplink_wire.h"

#define QUEUE_MESSAGES 1000
#define FIRST_HEARTBEAT_MS 1000 /* until Welcome says another */
#define ASK_AGAIN_MS 10000
#define SEND_AGAIN_MS 30000
#define SILENT_HEARTBEATS 3
#define MAX_SLICE_MS 200
#define HAND_IN_MS 5000
#define CONNECT_MS 20

/* What other threads ask of the uplink. */
typedef struct order {
    enum { ORDER_WANT, ORDER_RESULT, ORDER_RETURN, ORDER_FINISH } kind;
    uint32_t max_rows;
    double images_per_second, work_per_second;
    df_result *result;
    df_lease *lease; /* held */
    size_t first;
    int timeout_ms;
} order;

struct df_uplink {
    df_uplink_cfg cfg;
    pthread_t thread;
    bool started;
    df_queue *orders, *events;
    void *context, *socket; /* the thread's */
    df_locator locator;
    char worker_id[33];
    atomic_bool stop, draining;
    _Atomic double steps_done;
    /* the thread's own */
    df_book book;
    bool welcomed, refused, lost_said;
    char coordinator[80];
    char not_shared[32]; /* the last job whose pictures go by message, although its sink is shared */
    int heartbeat_ms;
    int64_t hello_due, heartbeat_due, heard, finish_by;
    struct {
        bool open;
        df_question is;
        int64_t sent_ms; /* 0: to be sent */
    } question;
};

/* events for the renderer's thread */

static void tell(df_uplink *u, int kind, df_lease *lease, const df_err *why) {
    df_uplink_event *e = calloc(1, sizeof *e);
    if (!e) return; /* a lease that is not told times out, and goes to another */
    e->kind = kind;
    e->lease = lease;
    if (why) e->why = *why;
    df_queue_push(u->events, e);
}

static void refuse(df_uplink *u, const df_err *why) {
    if (!u->refused) tell(u, DF_UPLINK_REFUSED, NULL, why);
    u->refused = true;
}

/* what comes from the coordinator */

static void greet_again(df_uplink *u) {
    u->welcomed = false;
    u->hello_due = 0;
}

static void on_welcome(df_uplink *u, const Diffarm__Welcome *m) {
    bool other = strcmp(u->coordinator, m->coordinator_id);
    snprintf(u->coordinator, sizeof u->coordinator, "%s", m->coordinator_id);
    if (m->heartbeat_ms) u->heartbeat_ms = (int)m->heartbeat_ms;
    df_log_event(u->cfg.log, DF_LOG_INFO, "welcome", "coordinator=%s new=%d leases=%zu unacknowledged=%zu",
                 u->coordinator, other, u->book.n_leases, u->book.n_results);
    u->welcomed = true;
    u->lost_said = false;
    u->heartbeat_due = df_clock_ms();
    u->question.sent_ms = 0;
    if (u->cfg.fetch) df_fetch_ask_again(u->cfg.fetch);
    df_book_unsend(&u->book, INT64_MAX);
}

static void on_lease(df_uplink *u, Diffarm__Message **msg) {
    df_err err;
    df_lease *lease = NULL;
    bool is_new = false;
    df_code rc = df_lease_new(&lease, msg, &err);
    if (!rc) rc = df_book_lease(&u->book, lease, &is_new, &err);
    if (rc) df_log_event(u->cfg.log, DF_LOG_ERROR, "lease_unusable", "error=\"%s\"", err.text);
    if (!rc && is_new) {
        u->question.open = false;
        df_log_event(u->cfg.log, DF_LOG_INFO, "lease", "lease=%s job=%s rows=%zu", lease->token, lease->job->job_id,
                     lease->n_rows);
        tell(u, DF_UPLINK_LEASE, lease, NULL);
        return;
    }
    df_lease_drop(&lease);
}

static void on_revoked(df_uplink *u, const Diffarm__LeaseRevoked *m) {
    df_lease *lease = df_book_revoke(&u->book, m->token);
    if (!lease) return;
    df_log_event(u->cfg.log, DF_LOG_WARN, "lease_revoked", "lease=%s reason=\"%s\"", m->token, m->reason);
    tell(u, DF_UPLINK_REVOKED, lease, NULL);
}

static void on_ack(df_uplink *u, const Diffarm__ResultAck *m) {
    df_book_ack(&u->book, m->token, m->row);
    for (size_t i = 0; i < m->n_more_rows; i++) df_book_ack(&u->book, m->token, m->more_rows[i]);
}

static void on_refused(df_uplink *u, const Diffarm__Refused *m) {
    df_err err;
    df_err_set(&err, DF_EPROTOCOL, "%s: the coordinator refuses this worker: %s", u->cfg.endpoint, m->reason);
    refuse(u, &err);
}

static void on_message(df_uplink *u, Diffarm__Message **msg) {
    const Diffarm__Message *m = *msg;
    switch (m->body_case) {
    case DIFFARM__MESSAGE__BODY_WELCOME: on_welcome(u, m->welcome); break;
    case DIFFARM__MESSAGE__BODY_REFUSED: on_refused(u, m->refused); break;
    case DIFFARM__MESSAGE__BODY_SAY_HELLO: greet_again(u); break;
    case DIFFARM__MESSAGE__BODY_HEARTBEAT_ACK:
        if (strcmp(m->heartbeat_ack->coordinator_id, u->coordinator)) greet_again(u);
        break;
    case DIFFARM__MESSAGE__BODY_LEASE: on_lease(u, msg); break;
    case DIFFARM__MESSAGE__BODY_LEASE_REVOKED: on_revoked(u, m->lease_revoked); break;
    case DIFFARM__MESSAGE__BODY_FILE_CHUNK:
        if (u->cfg.fetch) df_fetch_piece(u->cfg.fetch, m->file_chunk);
        break;
    case DIFFARM__MESSAGE__BODY_PICTURE_WANTED:
        df_book_unsend_row(&u->book, m->picture_wanted->token, m->picture_wanted->row);
        break;
    case DIFFARM__MESSAGE__BODY_RESULT_ACK: on_ack(u, m->result_ack); break;
    default: break; /* of newer software, or not for workers */
    }
}

static void receive_all(df_uplink *u) {
    df_err err;
    for (;;) {
        df_wire_in in;
        df_code rc = df_wire_recv(u->socket, 0, &in, 0, &err);
        if (rc == DF_ETIMEOUT || rc == DF_ECANCELLED || rc == DF_EIO) return;
        u->heard = df_clock_ms();
        if (!rc)
            on_message(u, &in.msg);
        else if (rc == DF_EPROTOCOL && in.version != DF_PROTOCOL_VERSION)
            refuse(u, &err);
        else
            df_log_event(u->cfg.log, DF_LOG_WARN, "message_dropped", "error=\"%s\"", err.text);
        df_wire_in_free(&in);
    }
}

/* what other threads ask */

/* Said once a job: the stream through the coordinator is what the sink was to spare it. */
static void note_by_message(df_uplink *u, const df_result *r) {
    const Diffarm__JobSpec *job = r->lease->job;
    if (!r->png || !job->shared_sink || r->is_beside || !strcmp(u->not_shared, job->job_id)) return;
    snprintf(u->not_shared, sizeof u->not_shared, "%s", job->job_id);
    df_log_event(u->cfg.log, DF_LOG_WARN, "sink_not_shared", "job=%s instead=message why=\"%s\"", job->job_id,
                 r->why.text);
}

static void on_result(df_uplink *u, df_result **r) {
    df_err err;
    note_by_message(u, *r);
    if (df_book_result(&u->book, r, &err)) {
        df_log_event(u->cfg.log, DF_LOG_ERROR, "result_lost", "error=\"%s\"", err.text);
        df_result_free(r);
    }
}

static void on_return(df_uplink *u, const df_lease *lease, size_t first) {
    df_err err;
    if (!df_book_find(&u->book, lease->token)) return;
    /* Unsent, or lost on the way: Goodbye, or the lease's end, gives the rows back all the same. */
    if (df_uplink_send_return(u->socket, lease, first, &err))
        df_log_event(u->cfg.log, DF_LOG_WARN, "return_unsent", "lease=%s", lease->token);
    df_book_return(&u->book, lease->token, first);
}

static void carry_out(df_uplink *u, order *o) {
    switch (o->kind) {
    case ORDER_WANT:
        u->question.open = true;
        u->question.is = (df_question) { .id = u->question.is.id + 1,
                                         .max_rows = o->max_rows,
                                         .images_per_second = o->images_per_second,
                                         .work_per_second = o->work_per_second };
        u->question.sent_ms = 0;
        break;
    case ORDER_RESULT: on_result(u, &o->result); break;
    case ORDER_RETURN: on_return(u, o->lease, o->first); break;
    case ORDER_FINISH: u->finish_by = df_clock_ms() + o->timeout_ms; break;
    }
    df_lease_drop(&o->lease);
    free(o);
}

/* what is due */

/* Silence may mean that the coordinator was started again somewhere else. */
static void look_for_coordinator(df_uplink *u, int64_t now) {
    df_err err;
    char quoted[512];
    if (df_locator_look(&u->locator, u->socket, now, &err))
        df_log_event(u->cfg.log, DF_LOG_WARN, "endpoint_unusable", "error=%s",
                     df_log_quote(quoted, sizeof quoted, err.text));
}

static void say_hello(df_uplink *u, int64_t now) {
    look_for_coordinator(u, now);
    if (now < u->hello_due) return;
    /* Not connected yet: look again soon. Sent: be patient. */
    bool sent = !df_uplink_send_hello(u->socket, &u->cfg, u->worker_id, &u->book, NULL);
    u->hello_due = now + (sent ? u->heartbeat_ms : CONNECT_MS);
    if (!u->lost_said && now - u->heard > 5000) {
        df_log_event(u->cfg.log, DF_LOG_WARN, "coordinator_away", "endpoint=%s", u->cfg.endpoint);
        u->lost_said = true;
    }
}

static void send_results(df_uplink *u, int64_t now) {
    df_book_unsend(&u->book, now - SEND_AGAIN_MS);
    for (df_kept *k = u->book.results; k; k = k->next) {
        if (k->sent_ms) continue;
        if (df_uplink_send_result(u->socket, k->r, NULL)) return; /* full or away: the next round goes on here */
        k->sent_ms = now;
        k->r->is_beside = false; /* sent again, the picture goes along: its file may be gone by then */
    }
}

/* What is left for rendering; the last seconds are for handing in. */
static double seconds_left(const df_uplink *u, int64_t now) {
    int64_t left_ms = u->cfg.ends_at_ms - HAND_IN_MS - now;
    return !u->cfg.ends_at_ms ? 0 : left_ms > 1 ? (double)left_ms / 1000 : 0.001;
}

static void send_question(df_uplink *u, int64_t now) {
    if (!u->question.open || atomic_load(&u->draining)) return;
    if (u->question.sent_ms && now - u->question.sent_ms < ASK_AGAIN_MS) return;
    u->question.is.seconds_left = seconds_left(u, now);
    if (!df_uplink_send_request(u->socket, &u->question.is, NULL)) u->question.sent_ms = now;
}

static void send_heartbeat(df_uplink *u, int64_t now) {
    if (now < u->heartbeat_due) return;
    df_uplink_send_heartbeat(u->socket, &u->book, atomic_load(&u->steps_done), atomic_load(&u->draining), NULL);
    u->heartbeat_due = now + u->heartbeat_ms;
}

static void ask_for_file(df_uplink *u, int64_t now) {
    char sha256[DF_SHA256_HEX_BYTES];
    uint64_t offset;
    if (u->cfg.fetch && df_fetch_question(u->cfg.fetch, now, sha256, &offset))
        df_uplink_send_file_get(u->socket, sha256, offset, NULL); /* unsent, it is asked again */
}

static void do_what_is_due(df_uplink *u) {
    int64_t now = df_clock_ms();
    if (u->refused) return;
    if (u->welcomed && now - u->heard > SILENT_HEARTBEATS * (int64_t)u->heartbeat_ms) greet_again(u);
    if (!u->welcomed) {
        say_hello(u, now);
        return;
    }
    send_results(u, now);
    send_heartbeat(u, now);
    send_question(u, now);
    ask_for_file(u, now);
}

static int slice_ms(const df_uplink *u) {
    int slice = u->heartbeat_ms / 4;
    if (!u->welcomed || u->finish_by) slice = CONNECT_MS;
    return slice < 1 ? 1 : slice > MAX_SLICE_MS ? MAX_SLICE_MS : slice;
}

static bool is_over(const df_uplink *u) {
    if (atomic_load(&u->stop)) return true;
    return u->finish_by && (!u->book.n_results || df_clock_ms() >= u->finish_by);
}

static void *uplink_thread(void *arg) {
    df_uplink *u = arg;
    zmq_pollitem_t items[2] = { { .socket = u->socket, .events = ZMQ_POLLIN },
                                { .fd = df_queue_fd(u->orders), .events = ZMQ_POLLIN } };
    while (!is_over(u)) {
        zmq_poll(items, 2, slice_ms(u));
        for (order *o; (o = df_queue_pop(u->orders, 0));) carry_out(u, o);
        receive_all(u);
        do_what_is_due(u);
    }
    if (u->welcomed) df_uplink_send_goodbye(u->socket, "the worker ends", NULL);
    return NULL;
}

/* life */

static df_code open_socket(df_uplink *u, df_err *err) {
    df_code rc;
    int immediate = 1;
    static const char *const roles[] = { DF_ROLE_WORK, NULL };
    if (!(u->context = zmq_ctx_new()) || !(u->socket = zmq_socket(u->context, ZMQ_DEALER)))
        return df_err_set(err, DF_EIO, "socket: %s", zmq_strerror(zmq_errno()));
    if ((rc = df_wire_tune(u->socket, QUEUE_MESSAGES, DF_WIRE_WORKER_HEARTBEAT_MS, err))) return rc;
    if (u->cfg.keys_dir && (rc = df_curve_connect(u->socket, u->cfg.keys_dir, roles, err))) return rc;
    /* Nothing is queued for a coordinator that is away: what it must know is told after its Welcome. */
    zmq_setsockopt(u->socket, ZMQ_IMMEDIATE, &immediate, sizeof immediate);
    u->locator.named = u->cfg.endpoint;
    return df_locator_follow(&u->locator, u->socket, err);
}

static df_code make_id(df_uplink *u, df_err *err) {
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return df_err_errno(err, errno, "a worker id");
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(u->worker_id + 2 * i, 3, "%02x", bytes[i]);
    return DF_OK;
}

df_code df_uplink_open(df_uplink **out, const df_uplink_cfg *cfg, df_err *err) {
    df_code rc;
    df_uplink *u = calloc(1, sizeof *u);
    if (!u) return df_err_set(err, DF_ENOMEM, "the link to the coordinator");
    u->cfg = *cfg;
    u->heartbeat_ms = FIRST_HEARTBEAT_MS;
    u->heard = df_clock_ms();
    if ((rc = make_id(u, err))) goto fail;
    if ((rc = df_queue_open(&u->orders, 1024, err))) goto fail;
    if ((rc = df_queue_open(&u->events, 1024, err))) goto fail;
    if ((rc = open_socket(u, err))) goto fail;
    int why = pthread_create(&u->thread, NULL, uplink_thread, u);
    if (why) {
        rc = df_err_errno(err, why, "the link's thread");
        goto fail;
    }
    u->started = true;
    *out = u;
    return DF_OK;
fail:
    df_uplink_close(&u);
    return rc;
}

static void empty_queues(df_uplink *u) {
    for (order *o; u->orders && (o = df_queue_pop(u->orders, 0));) {
        df_result_free(&o->result);
        df_lease_drop(&o->lease);
        free(o);
    }
    for (df_uplink_event *e; u->events && (e = df_queue_pop(u->events, 0));) df_uplink_event_free(&e);
}

static void join(df_uplink *u) {
    if (u->started) pthread_join(u->thread, NULL);
    u->started = false;
}

void df_uplink_close(df_uplink **up) {
    df_uplink *u = *up;
    if (!u) return;
    atomic_store(&u->stop, true);
    join(u);
    empty_queues(u);
    df_book_clear(&u->book);
    if (u->socket) zmq_close(u->socket);
    if (u->context) zmq_ctx_term(u->context);
    df_queue_close(&u->orders);
    df_queue_close(&u->events);
    free(u);
    *up = NULL;
}

/* calls from other threads */

static void give(df_uplink *u, const order *what) {
    order *o = malloc(sizeof *o);
    if (!o) abort(); /* a lost order would lose a picture without a trace; the supervisor starts us anew */
    *o = *what;
    df_queue_push(u->orders, o);
}

df_uplink_event *df_uplink_next(df_uplink *u, int timeout_ms) {
    return df_queue_pop(u->events, timeout_ms);
}

void df_uplink_event_free(df_uplink_event **e) {
    if (!*e) return;
    df_lease_drop(&(*e)->lease);
    free(*e);
    *e = NULL;
}

void df_uplink_want(df_uplink *u, uint32_t max_rows, double images_per_second, double work_per_second) {
    give(u, &(order) { .kind = ORDER_WANT,
                       .max_rows = max_rows,
                       .images_per_second = images_per_second,
                       .work_per_second = work_per_second });
}

void df_uplink_progress(df_uplink *u, double steps_done) {
    atomic_store(&u->steps_done, steps_done);
}

void df_uplink_draining(df_uplink *u) {
    atomic_store(&u->draining, true);
}

void df_uplink_result(df_uplink *u, df_result **r) {
    give(u, &(order) { .kind = ORDER_RESULT, .result = *r });
    *r = NULL;
}

void df_uplink_return(df_uplink *u, df_lease *lease, size_t first) {
    give(u, &(order) { .kind = ORDER_RETURN, .lease = df_lease_hold(lease), .first = first });
}

void df_uplink_finish(df_uplink *u, int timeout_ms) {
    give(u, &(order) { .kind = ORDER_FINISH, .timeout_ms = timeout_ms });
    join(u);
}
