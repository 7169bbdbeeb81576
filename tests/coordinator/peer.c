#include "tests/coordinator/peer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/sha256.h"
#include "tests/coordinator/bench.h"

enum { ASK_AGAIN_MS = 500, ASK_GIVE_UP_MS = 20000, WAIT_GIVE_UP_MS = 30000, MAX_ITEMS = 512, SIDE = 64 };

/* client */

static void *open_socket(void *ctx, const char *endpoint) {
    df_err err;
    void *socket = zmq_socket(ctx, ZMQ_DEALER);
    if (df_wire_tune(socket, 100, 500, &err)) return NULL;
    return zmq_connect(socket, endpoint) ? NULL : socket;
}

void peer_client_open(peer_client *c, const char *endpoint) {
    c->ctx = zmq_ctx_new();
    c->socket = open_socket(c->ctx, endpoint);
    assert_non_null(c->socket);
}

void peer_client_close(peer_client *c) {
    zmq_close(c->socket);
    zmq_ctx_term(c->ctx);
}

/* Answers to what was asked more than once, when one has come. */
static void drop_rest(peer_client *c) {
    df_wire_in rest;
    df_err err;
    while (!df_wire_recv(c->socket, 0, &rest, 0, &err)) df_wire_in_free(&rest);
}

void peer_ask(peer_client *c, const Diffarm__Message *msg, Diffarm__Message__BodyCase kind, df_wire_in *in) {
    df_err err;
    for (int64_t end = df_clock_ms() + ASK_GIVE_UP_MS; df_clock_ms() < end;) {
        df_wire_send(c->socket, NULL, 0, msg, NULL, 0, &err);
        for (int64_t again = df_clock_ms() + ASK_AGAIN_MS; df_clock_ms() < again;) {
            if (df_wire_recv(c->socket, 0, in, 50, &err)) continue;
            if (in->msg->body_case == kind) {
                drop_rest(c);
                return;
            }
            df_wire_in_free(in);
        }
    }
    fail_msg("no answer of kind %d", kind);
}

static df_code ask_reply(peer_client *c, const Diffarm__Message *msg) {
    df_wire_in in;
    peer_ask(c, msg, DIFFARM__MESSAGE__BODY_REPLY, &in);
    df_code rc = (df_code)in.msg->reply->code;
    if (rc) print_message("reply: %s\n", in.msg->reply->text);
    df_wire_in_free(&in);
    return rc;
}

static df_code send_rows(peer_client *c, const char *job_id, uint64_t n_rows) {
    Diffarm__Row rows[64], *at[64];
    for (uint64_t from = 0, batch = 0; from < n_rows; from += 64, batch++) {
        Diffarm__SubmitRows out = DIFFARM__SUBMIT_ROWS__INIT;
        out.job_id = (char *)job_id;
        out.batch = batch;
        out.rows = at;
        for (uint64_t i = from; i < n_rows && i < from + 64; i++) {
            bench_row(&rows[i - from], i);
            at[out.n_rows++] = &rows[i - from];
        }
        df_code rc = ask_reply(c, &DF_WIRE_MESSAGE(SUBMIT_ROWS, submit_rows, &out));
        if (rc) return rc;
    }
    return DF_OK;
}

void peer_submit(peer_client *c, const char *job_id, const char *out_dir, uint64_t n_rows) {
    peer_submit_as(c, "png", job_id, out_dir, n_rows);
}

void peer_submit_as(peer_client *c, const char *format, const char *job_id, const char *out_dir, uint64_t n_rows) {
    Diffarm__JobSpec spec;
    Diffarm__SubmitBegin begin = DIFFARM__SUBMIT_BEGIN__INIT;
    Diffarm__SubmitEnd end = DIFFARM__SUBMIT_END__INIT;
    bench_spec(&spec, job_id, out_dir);
    spec.format = (char *)format;
    begin.job = &spec;
    end.job_id = (char *)job_id;
    end.n_rows = n_rows;
    assert_int_equal(ask_reply(c, &DF_WIRE_MESSAGE(SUBMIT_BEGIN, submit_begin, &begin)), DF_OK);
    assert_int_equal(send_rows(c, job_id, n_rows), DF_OK);
    assert_int_equal(ask_reply(c, &DF_WIRE_MESSAGE(SUBMIT_END, submit_end, &end)), DF_OK);
}

df_code peer_cancel(peer_client *c, const char *job_id) {
    Diffarm__JobCancel cancel = DIFFARM__JOB_CANCEL__INIT;
    cancel.job_id = (char *)job_id;
    return ask_reply(c, &DF_WIRE_MESSAGE(JOB_CANCEL, job_cancel, &cancel));
}

peer_status peer_look(peer_client *c, const char *job_id) {
    df_wire_in in;
    peer_status s = { 0 };
    Diffarm__JobQuery query = DIFFARM__JOB_QUERY__INIT;
    query.job_id = (char *)job_id;
    peer_ask(c, &DF_WIRE_MESSAGE(JOB_QUERY, job_query, &query), DIFFARM__MESSAGE__BODY_JOB_LIST, &in);
    assert_int_equal(in.msg->job_list->n_jobs, 1);
    const Diffarm__JobStatus *j = in.msg->job_list->jobs[0];
    snprintf(s.state, sizeof s.state, "%s", j->state);
    snprintf(s.problem, sizeof s.problem, "%s", j->problem);
    s.n_rows = j->n_rows, s.n_done = j->n_done, s.n_failed = j->n_failed, s.n_leased = j->n_leased;
    s.n_duplicates = j->n_duplicates, s.n_conflicts = j->n_conflicts;
    df_wire_in_free(&in);
    return s;
}

peer_status peer_wait_state(peer_client *c, const char *job_id, const char *state) {
    peer_status s = { 0 };
    for (int64_t end = df_clock_ms() + WAIT_GIVE_UP_MS; df_clock_ms() < end; df_clock_sleep_ms(20)) {
        s = peer_look(c, job_id);
        if (!strcmp(s.state, state)) return s;
    }
    fail_msg("job %s is %s (%d of %d done, %s), not %s", job_id, s.state, (int)s.n_done, (int)s.n_rows, s.problem,
             state);
    return s;
}

void peer_wait_done(peer_client *c, const char *job_id, uint64_t n_done) {
    for (int64_t end = df_clock_ms() + WAIT_GIVE_UP_MS; df_clock_ms() < end; df_clock_sleep_ms(10))
        if (peer_look(c, job_id).n_done >= n_done) return;
    fail_msg("job %s never had %d rows done", job_id, (int)n_done);
}

/* worker */

typedef struct item {
    char token[64], job_id[17];
    uint64_t row;
    bool rendered;
} item;

struct peer_worker {
    pthread_t thread;
    char endpoint[256], id[32], coordinator[64];
    int delay_ms, heartbeat_ms;
    atomic_bool stop, mute;
    atomic_int n_rendered;
    void *ctx, *socket;
    bool welcome, asked;
    item items[MAX_ITEMS]; /* not acknowledged */
    int n_items;
    int64_t beat_ms, render_ms;
};

static void say(peer_worker *w, Diffarm__Message msg, const void *blob, size_t blob_bytes) {
    df_err err;
    df_wire_send(w->socket, NULL, 0, &msg, blob, blob_bytes, &err);
}

/* Distinct tokens of what is not acknowledged. */
static size_t tokens_of(peer_worker *w, char **tokens) {
    size_t n = 0;
    for (int i = 0; i < w->n_items; i++) {
        bool known = false;
        for (size_t k = 0; k < n; k++) known |= !strcmp(tokens[k], w->items[i].token);
        if (!known) tokens[n++] = w->items[i].token;
    }
    return n;
}

static void say_hello(peer_worker *w) {
    char *tokens[MAX_ITEMS];
    Diffarm__Hello hello = DIFFARM__HELLO__INIT;
    hello.role = DIFFARM__HELLO__ROLE__WORKER;
    hello.worker_id = hello.name = w->id;
    hello.any_model = 1;
    hello.leases_held = tokens;
    hello.n_leases_held = tokens_of(w, tokens);
    say(w, DF_WIRE_MESSAGE(HELLO, hello, &hello), NULL, 0);
}

static void send_result(peer_worker *w, const item *it) {
    uint8_t png[BENCH_PNG_BYTES];
    char sha256[DF_SHA256_HEX_BYTES];
    Diffarm__Result result = DIFFARM__RESULT__INIT;
    bench_png(png, it->row, SIDE, SIDE);
    df_sha256_of(png, sizeof png, sha256);
    result.token = (char *)it->token;
    result.job_id = (char *)it->job_id;
    result.row = it->row;
    result.png_sha256 = sha256;
    result.scheduler = (char *)"ddim";
    say(w, DF_WIRE_MESSAGE(RESULT, result, &result), png, sizeof png);
}

static void beat(peer_worker *w) {
    char *tokens[MAX_ITEMS];
    Diffarm__Heartbeat beat = DIFFARM__HEARTBEAT__INIT;
    w->beat_ms = df_clock_ms() + w->heartbeat_ms;
    if (!w->welcome) {
        say_hello(w);
        return;
    }
    beat.tokens = tokens;
    beat.n_tokens = tokens_of(w, tokens);
    say(w, DF_WIRE_MESSAGE(HEARTBEAT, heartbeat, &beat), NULL, 0);
}

static void drop_items(peer_worker *w, const char *token, int64_t row) { /* row -1: all of the lease */
    int kept = 0;
    for (int i = 0; i < w->n_items; i++)
        if (strcmp(w->items[i].token, token) || (row >= 0 && w->items[i].row != (uint64_t)row))
            w->items[kept++] = w->items[i];
    w->n_items = kept;
}

static void take_lease(peer_worker *w, const Diffarm__Lease *lease) {
    w->asked = false;
    for (size_t i = 0; i < lease->n_rows && w->n_items < MAX_ITEMS; i++) {
        item *it = &w->items[w->n_items++];
        *it = (item) { .row = lease->rows[i]->row };
        snprintf(it->token, sizeof it->token, "%s", lease->token);
        snprintf(it->job_id, sizeof it->job_id, "%s", lease->job->job_id);
    }
}

static void take_welcome(peer_worker *w, const Diffarm__Welcome *welcome) {
    w->welcome = true;
    w->asked = false;
    w->heartbeat_ms = (int)welcome->heartbeat_ms;
    snprintf(w->coordinator, sizeof w->coordinator, "%s", welcome->coordinator_id);
    for (int i = 0; i < w->n_items; i++)
        if (w->items[i].rendered) send_result(w, &w->items[i]);
}

static void take(peer_worker *w, const Diffarm__Message *m) {
    switch (m->body_case) {
    case DIFFARM__MESSAGE__BODY_WELCOME: take_welcome(w, m->welcome); break;
    case DIFFARM__MESSAGE__BODY_SAY_HELLO: say_hello(w); break;
    case DIFFARM__MESSAGE__BODY_LEASE: take_lease(w, m->lease); break;
    case DIFFARM__MESSAGE__BODY_LEASE_REVOKED: drop_items(w, m->lease_revoked->token, -1); break;
    case DIFFARM__MESSAGE__BODY_RESULT_ACK: drop_items(w, m->result_ack->token, (int64_t)m->result_ack->row); break;
    case DIFFARM__MESSAGE__BODY_HEARTBEAT_ACK:
        if (strcmp(w->coordinator, m->heartbeat_ack->coordinator_id) != 0) say_hello(w);
        break;
    default: break;
    }
}

static item *next_item(peer_worker *w) {
    for (int i = 0; i < w->n_items; i++)
        if (!w->items[i].rendered) return &w->items[i];
    return NULL;
}

static void render(peer_worker *w) {
    item *it = next_item(w);
    if (!it || df_clock_ms() < w->render_ms) return;
    it->rendered = true;
    atomic_fetch_add(&w->n_rendered, 1);
    w->render_ms = df_clock_ms() + w->delay_ms;
    if (!atomic_load(&w->mute)) send_result(w, it);
}

static void ask(peer_worker *w) {
    Diffarm__LeaseRequest ask = DIFFARM__LEASE_REQUEST__INIT;
    if (!w->welcome || w->asked || next_item(w)) return;
    ask.max_rows = 8;
    w->asked = true;
    w->render_ms = df_clock_ms() + w->delay_ms;
    say(w, DF_WIRE_MESSAGE(LEASE_REQUEST, lease_request, &ask), NULL, 0);
}

static void *work(void *arg) {
    peer_worker *w = arg;
    bool was_mute = false;
    while (!atomic_load(&w->stop)) {
        df_wire_in in;
        df_err err;
        render(w);
        if (atomic_load(&w->mute)) {
            was_mute = true;
            df_clock_sleep_ms(2);
            continue;
        }
        if (was_mute) /* what was rendered meanwhile goes out late, under the old token */
            for (int i = 0; i < w->n_items; i++)
                if (w->items[i].rendered) send_result(w, &w->items[i]);
        was_mute = false;
        if (df_clock_ms() >= w->beat_ms) beat(w);
        ask(w);
        if (!df_wire_recv(w->socket, 0, &in, 2, &err)) take(w, in.msg);
        df_wire_in_free(&in);
    }
    return NULL;
}

peer_worker *peer_worker_start(const char *endpoint, const char *id, int delay_ms) {
    peer_worker *w = calloc(1, sizeof *w);
    snprintf(w->endpoint, sizeof w->endpoint, "%s", endpoint);
    snprintf(w->id, sizeof w->id, "%s", id);
    w->delay_ms = delay_ms;
    w->heartbeat_ms = 50;
    w->ctx = zmq_ctx_new();
    w->socket = open_socket(w->ctx, endpoint);
    assert_non_null(w->socket);
    assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
    return w;
}

void peer_worker_mute(peer_worker *w, bool mute) {
    atomic_store(&w->mute, mute);
}

int peer_worker_rendered(const peer_worker *w) {
    return atomic_load(&w->n_rendered);
}

void peer_worker_stop(peer_worker **w) {
    atomic_store(&(*w)->stop, true);
    pthread_join((*w)->thread, NULL);
    zmq_close((*w)->socket);
    zmq_ctx_term((*w)->ctx);
    free(*w);
    *w = NULL;
}
