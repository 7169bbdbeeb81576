#include "cluster/comm_nccl.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cluster/channels.h"
#include "cluster/nccl/link.h"

enum { START_MS = 60000, MESSAGE_MS = 15 * 60000, CHECK_MS = 100, FLYING_IDLE_US = 50, LEAVE_MS = 10000 };

/* What a rank tells another over the base communicator, in the order of the link's messages. */
typedef struct offer {
    int32_t channel; /* LEAVING: the last */
    int32_t begins; /* 1: the first of its link, with the link's id */
    uint64_t bytes;
    ncclUniqueId id;
} offer;

enum { LEAVING = -1 };

struct df_comm_request {
    df_comm_request *next; /* spare ones, or receives of a peer that no offer has come for, oldest first */
    df_comm_request *control; /* of the base; NULL: a message of data, to which the rest belongs */
    bool is_control, is_send;
    int peer, channel;
    df_nccl_message message; /* bytes 0: none goes, the offer is all */
    offer offer;
    df_comm_request *offering; /* of the base, while the offer is on its way */
};

typedef struct peer {
    df_nccl_link out, in;
    bool begun; /* its first offer is on the way */
    df_comm_request *posted; /* receives without an offer, oldest first */
    offer offered; /* where the next offer comes, */
    df_comm_request *offering; /* of the base; NULL: it has come and waits for its receive */
    bool has_left;
} peer;

typedef struct nccl_comm {
    df_comm base;
    df_comm *under; /* owned */
    df_nccl_terms terms;
    cudaStream_t compute; /* NULL: buffers are ready when posted */
    peer *peers; /* [size] */
    df_nccl_link **links; /* [2 * size] all of them */
    df_comm_request *spare;
    int n_requests; /* spare and posted ones */
    int n_data; /* posted messages of data */
    bool in_group;
    bool gave_up; /* a request was given up: there is no end in order */
    df_err failed; /* code DF_OK: works */
} nccl_comm;

static nccl_comm *nccl_of(df_comm *c) {
    return (nccl_comm *)c;
}

/* requests */

static df_code cuda_error(const nccl_comm *n, cudaError_t e, const char *what, df_err *err) {
    return df_err_set(err, DF_EBACKEND, "rank %d: %s: %s", n->base.rank, what, n->terms.cuda->error_text(e));
}

static void free_request(const nccl_comm *n, df_comm_request *r) {
    if (r->message.ready) n->terms.cuda->event_destroy(r->message.ready);
    if (r->message.done) n->terms.cuda->event_destroy(r->message.done);
    free(r);
}

static df_code make_request(nccl_comm *n, df_err *err) {
    df_comm_request *r = calloc(1, sizeof *r);
    if (!r) return df_err_set(err, DF_ENOMEM, "rank %d: message request", n->base.rank);
    cudaError_t e = n->terms.cuda->event_create(&r->message.ready);
    if (!e) e = n->terms.cuda->event_create(&r->message.done);
    if (e) {
        free_request(n, r);
        return cuda_error(n, e, "event", err);
    }
    r->next = n->spare;
    n->spare = r;
    n->n_requests++;
    return DF_OK;
}

static df_code nccl_reserve(df_comm *c, int wanted, df_err *err) {
    nccl_comm *n = nccl_of(c);
    df_code rc = n->under->ops->reserve(n->under, 2 * wanted + c->size, err);
    while (!rc && n->n_requests < wanted) rc = make_request(n, err);
    return rc;
}

static df_code take_request(nccl_comm *n, df_comm_request **out, df_err *err) {
    df_code rc = n->spare ? DF_OK : make_request(n, err);
    if (rc) return rc;
    df_comm_request *r = n->spare;
    n->spare = r->next;
    *r = (df_comm_request) { .message = { .ready = r->message.ready, .done = r->message.done } };
    *out = r;
    return DF_OK;
}

static void give_back(nccl_comm *n, df_comm_request **req) {
    n->n_data -= !(*req)->is_control;
    (*req)->next = n->spare;
    n->spare = *req;
    *req = NULL;
}

/* failing */

static void abort_links(nccl_comm *n) {
    for (int i = 0; i < 2 * n->base.size; i++) df_nccl_link_abort(n->links[i]);
}

/* From now on every call returns this. */
static df_code fail(nccl_comm *n, const df_err *why, df_err *err) {
    if (!n->failed.code) {
        n->failed = *why;
        n->gave_up = true;
        abort_links(n);
    }
    return df_err_set(err, n->failed.code, "%s", n->failed.text);
}

/* offers, as they come */

static df_code listen(nccl_comm *n, int from, df_err *err) {
    peer *p = &n->peers[from];
    return n->under->ops->recv(n->under, from, DF_CHANNEL_OFFER, &p->offered, sizeof p->offered, &p->offering, err);
}

/* Takes the oldest receive of the channel out of the list. */
static df_comm_request *take_posted(peer *p, int channel) {
    for (df_comm_request **at = &p->posted; *at; at = &(*at)->next) {
        df_comm_request *r = *at;
        if (r->channel != channel) continue;
        *at = r->next;
        return r;
    }
    return NULL;
}

static df_code accept(nccl_comm *n, int from, df_comm_request *r, df_err *err) {
    peer *p = &n->peers[from];
    if (r->message.bytes != p->offered.bytes)
        return df_err_set(err, DF_EPROTOCOL, "rank %d, channel %d: %zu bytes here, %zu at rank %d", n->base.rank,
                          r->channel, r->message.bytes, (size_t)p->offered.bytes, from);
    if (r->message.bytes)
        df_nccl_link_push(&p->in, &r->message);
    else
        r->message.state = DF_NCCL_DONE;
    return DF_OK;
}

/* One that has come and whose receive is not posted yet stays, and those behind it with it. */
static df_code take_offer(nccl_comm *n, int from, bool *took, df_err *err) {
    peer *p = &n->peers[from];
    bool came = false;
    df_code rc = p->offering ? n->under->ops->test(n->under, &p->offering, &came, err) : DF_OK;
    if (rc || p->offering) return rc;
    if (came && p->offered.begins) rc = df_nccl_link_start(&p->in, &p->offered.id, err);
    if (came && p->offered.channel == LEAVING) p->has_left = true;
    if (rc || p->has_left) return rc;
    df_comm_request *r = take_posted(p, p->offered.channel);
    if (!r) return DF_OK;
    *took = true;
    rc = accept(n, from, r, err);
    return rc ? rc : listen(n, from, err);
}

/* A peer from which nothing is expected is listened to as well: it may be gone. */
static df_code take_offers(nccl_comm *n, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; i < n->base.size && !rc; i++)
        for (bool took = i != n->base.rank && !n->peers[i].has_left; took && !rc;) {
            took = false;
            rc = take_offer(n, i, &took, err);
        }
    return rc;
}

static df_code progress(nccl_comm *n, df_err *err) {
    df_err why = { 0 };
    if (n->failed.code) return fail(n, &n->failed, err);
    df_code rc = take_offers(n, &why);
    for (int i = 0; i < 2 * n->base.size && !rc; i++) rc = df_nccl_link_poll(n->links[i], &why);
    if (!rc) rc = df_nccl_links_issue(n->links, 2 * n->base.size, &why);
    return rc ? fail(n, &why, err) : DF_OK;
}

/* posting */

static df_code check(const nccl_comm *n, int to, df_err *err) {
    if (to >= 0 && to < n->base.size && to != n->base.rank) return DF_OK;
    return df_err_set(err, DF_EINVAL, "rank %d: no rank %d to talk to among %d", n->base.rank, to, n->base.size);
}

static df_code offer_message(nccl_comm *n, df_comm_request *r, df_err *err) {
    peer *p = &n->peers[r->peer];
    r->offer = (offer) { .channel = r->channel, .bytes = r->message.bytes };
    if (!p->begun && r->message.bytes) {
        ncclResult_t e = n->terms.nccl->unique_id(&r->offer.id);
        if (e != ncclSuccess)
            return df_err_set(err, DF_EUNREACHABLE, "rank %d: NCCL's unique id: %s", n->base.rank,
                              n->terms.nccl->error_text(e));
        r->offer.begins = 1;
        p->begun = true;
        df_code rc = df_nccl_link_start(&p->out, &r->offer.id, err);
        if (rc) return rc;
    }
    return n->under->ops->send(n->under, r->peer, DF_CHANNEL_OFFER, &r->offer, sizeof r->offer, &r->offering, err);
}

static df_code mark_compute(nccl_comm *n, df_nccl_message *m, df_err *err) {
    if (!n->compute || !m->bytes) return DF_OK;
    cudaError_t e = n->terms.cuda->event_record(m->ready, n->compute);
    m->after_compute = !e;
    return e ? cuda_error(n, e, "event", err) : DF_OK;
}

static df_code begin_send(nccl_comm *n, df_comm_request *r, df_err *err) {
    df_code rc = offer_message(n, r, err);
    if (rc) return rc;
    if (r->message.bytes)
        df_nccl_link_push(&n->peers[r->peer].out, &r->message);
    else
        r->message.state = DF_NCCL_DONE;
    return DF_OK;
}

static void begin_recv(nccl_comm *n, df_comm_request *r) {
    df_comm_request **at = &n->peers[r->peer].posted;
    while (*at) at = &(*at)->next;
    *at = r;
}

static df_code post_data(nccl_comm *n, df_comm_request wanted, df_comm_request **req, df_err *err) {
    df_comm_request *r = NULL;
    df_err why = { 0 };
    if (n->failed.code) return fail(n, &n->failed, err);
    df_code rc = check(n, wanted.peer, err);
    if (!rc) rc = take_request(n, &r, err);
    if (rc) return rc;
    r->is_send = wanted.is_send;
    r->peer = wanted.peer;
    r->channel = wanted.channel;
    r->message.data = wanted.message.data;
    r->message.bytes = wanted.message.bytes;
    n->n_data++;
    rc = mark_compute(n, &r->message, &why);
    if (!rc && r->is_send) rc = begin_send(n, r, &why);
    if (rc) {
        fail(n, &why, err);
        give_back(n, &r);
        return rc;
    }
    if (!r->is_send) begin_recv(n, r);
    *req = r;
    return n->in_group ? DF_OK : progress(n, err);
}

static df_code take_control(nccl_comm *n, df_comm_request **r, df_err *err) {
    df_code rc = take_request(n, r, err);
    if (!rc) (*r)->is_control = true;
    return rc;
}

static df_code nccl_send(df_comm *c, int to, int channel, const void *data, size_t bytes, df_comm_request **req,
                         df_err *err) {
    nccl_comm *n = nccl_of(c);
    if (df_channel_traffic(channel) == DF_TRAFFIC_DATA) {
        df_comm_request wanted = { .is_send = true, .peer = to, .channel = channel };
        wanted.message.data = (void *)data; /* a link that sends reads it */
        wanted.message.bytes = bytes;
        return post_data(n, wanted, req, err);
    }
    df_comm_request *r;
    df_code rc = take_control(n, &r, err);
    if (!rc && (rc = n->under->ops->send(n->under, to, channel, data, bytes, &r->control, err))) give_back(n, &r);
    if (!rc) *req = r;
    return rc;
}

static df_code nccl_recv(df_comm *c, int from, int channel, void *data, size_t bytes, df_comm_request **req,
                         df_err *err) {
    nccl_comm *n = nccl_of(c);
    if (df_channel_traffic(channel) == DF_TRAFFIC_DATA) {
        df_comm_request wanted = { .peer = from, .channel = channel };
        wanted.message.data = data;
        wanted.message.bytes = bytes;
        return post_data(n, wanted, req, err);
    }
    df_comm_request *r;
    df_code rc = take_control(n, &r, err);
    if (!rc && (rc = n->under->ops->recv(n->under, from, channel, data, bytes, &r->control, err))) give_back(n, &r);
    if (!rc) *req = r;
    return rc;
}

static df_code nccl_group_begin(df_comm *c, df_err *err) {
    (void)err;
    nccl_of(c)->in_group = true;
    return DF_OK;
}

static df_code nccl_group_end(df_comm *c, df_err *err) {
    nccl_of(c)->in_group = false;
    return progress(nccl_of(c), err);
}

static void nccl_compute_on(df_comm *c, void *stream) {
    nccl_of(c)->compute = stream;
}

/* posted ones */

static df_code test_data(nccl_comm *n, df_comm_request **req, bool *done, df_err *err) {
    df_comm_request *r = *req;
    df_err why = { 0 };
    df_code rc = progress(n, err);
    if (rc || r->message.state != DF_NCCL_DONE) return rc;
    bool offered = !r->offering;
    if (!offered && (rc = n->under->ops->test(n->under, &r->offering, &offered, &why))) return fail(n, &why, err);
    if (!offered) return DF_OK;
    *done = true;
    give_back(n, req);
    return DF_OK;
}

static df_code nccl_test(df_comm *c, df_comm_request **req, bool *done, df_err *err) {
    nccl_comm *n = nccl_of(c);
    *done = false;
    if (!(*req)->is_control) return test_data(n, req, done, err);
    df_code rc = n->under->ops->test(n->under, &(*req)->control, done, err);
    if ((!rc && *done) || (rc && !(*req)->control)) give_back(n, req);
    return rc;
}

/* A message that has been offered cannot be taken back: its link ends. */
static void nccl_cancel(df_comm *c, df_comm_request **req) {
    if (!*req) return;
    nccl_comm *n = nccl_of(c);
    df_comm_request *r = *req;
    if (r->is_control) {
        n->under->ops->cancel(n->under, &r->control);
    } else {
        df_err why;
        peer *p = &n->peers[r->peer];
        for (df_comm_request **at = &p->posted; *at; at = &(*at)->next)
            if (*at == r) {
                *at = r->next;
                break;
            }
        df_err_set(&why, DF_ECANCELLED, "rank %d: messages were given up", c->rank);
        fail(n, &why, NULL);
        n->under->ops->cancel(n->under, &r->offering);
    }
    n->gave_up = true;
    give_back(n, req);
}

/* Nobody wakes a host that waits for its GPU. */
static void nccl_idle(df_comm *c, int64_t timeout_us) {
    nccl_comm *n = nccl_of(c);
    df_err err;
    if (progress(n, &err)) timeout_us = 0; /* test() tells it */
    if (n->n_data && timeout_us > FLYING_IDLE_US) timeout_us = FLYING_IDLE_US;
    n->under->ops->idle(n->under, timeout_us);
}

/* the end */

/* Polls until every link is closed and every other rank has said that nothing more comes. */
static bool all_have_left(nccl_comm *n, df_comm_request **leaving) {
    bool all = true, done;
    for (int i = 0; i < n->base.size; i++) {
        if (i == n->base.rank) continue;
        if (leaving[i] && n->under->ops->test(n->under, &leaving[i], &done, NULL)) n->gave_up = true;
        all &= !leaving[i] && n->peers[i].has_left;
    }
    for (int i = 0; i < 2 * n->base.size; i++) all &= n->links[i]->state == DF_NCCL_LINK_CLOSED;
    return all;
}

/* Links end on both sides together, so each rank hears that the other one has nothing left for it. */
static void leave(nccl_comm *n) {
    static const offer last = { .channel = LEAVING };
    df_comm_request **leaving = calloc((size_t)n->base.size, sizeof *leaving);
    int64_t until = df_clock_ms() + LEAVE_MS;
    df_err err;
    if (!leaving) n->gave_up = true;
    for (int i = 0; i < n->base.size && !n->gave_up; i++)
        if (i != n->base.rank &&
            n->under->ops->send(n->under, i, DF_CHANNEL_OFFER, &last, sizeof last, &leaving[i], &err))
            n->gave_up = true;
    for (int i = 0; i < 2 * n->base.size && !n->gave_up; i++)
        if (df_nccl_link_finish(n->links[i], &err)) n->gave_up = true;
    while (!n->gave_up && !all_have_left(n, leaving)) {
        if (progress(n, &err) || df_clock_ms() > until) n->gave_up = true;
        n->under->ops->idle(n->under, FLYING_IDLE_US);
    }
    for (int i = 0; leaving && i < n->base.size; i++)
        if (leaving[i]) n->under->ops->cancel(n->under, &leaving[i]);
    free(leaving);
}

static void free_comm(nccl_comm *n) {
    for (df_comm_request *r = n->spare, *next; r; r = next) {
        next = r->next;
        free_request(n, r);
    }
    free(n->peers);
    free(n->links);
    free(n);
}

static void nccl_close(df_comm **c) {
    if (!c || !*c) return;
    nccl_comm *n = nccl_of(*c);
    *c = NULL;
    if (n->n_data) n->gave_up = true;
    if (!n->gave_up) leave(n);
    abort_links(n);
    for (int i = 0; i < n->base.size; i++)
        if (n->peers[i].offering) n->under->ops->cancel(n->under, &n->peers[i].offering);
    n->under->ops->close(&n->under);
    free_comm(n);
}

static const df_comm_ops nccl_ops = {
    .name = "nccl",
    .send = nccl_send,
    .recv = nccl_recv,
    .test = nccl_test,
    .group_begin = nccl_group_begin,
    .group_end = nccl_group_end,
    .compute_on = nccl_compute_on,
    .cancel = nccl_cancel,
    .reserve = nccl_reserve,
    .idle = nccl_idle,
    .close = nccl_close,
};

static int64_t or_else(int64_t told, int64_t otherwise) {
    return told ? told : otherwise;
}

static df_code open_peers(nccl_comm *n, df_err *err) {
    n->peers = calloc((size_t)n->base.size, sizeof *n->peers);
    n->links = calloc(2 * (size_t)n->base.size, sizeof *n->links);
    if (!n->peers || !n->links) return df_err_set(err, DF_ENOMEM, "NCCL links to %d ranks", n->base.size);
    for (int i = 0; i < n->base.size; i++) {
        df_nccl_link_open(&n->peers[i].out, &n->terms, n->base.rank, i, true);
        df_nccl_link_open(&n->peers[i].in, &n->terms, n->base.rank, i, false);
        n->links[2 * i] = &n->peers[i].out;
        n->links[2 * i + 1] = &n->peers[i].in;
    }
    df_code rc = DF_OK;
    for (int i = 0; i < n->base.size && !rc; i++)
        if (i != n->base.rank) rc = listen(n, i, err);
    return rc;
}

df_code df_comm_nccl_open(df_comm **c, const df_comm_nccl_cfg *cfg, df_err *err) {
    cudaError_t e = cfg->cuda->select(cfg->device);
    if (e)
        return df_err_set(err, DF_EUNSUPPORTED, "rank %d: GPU %d: %s", (*c)->rank, cfg->device,
                          cfg->cuda->error_text(e));
    nccl_comm *n = calloc(1, sizeof *n);
    if (!n) return df_err_set(err, DF_ENOMEM, "communicator: %zu bytes", sizeof *n);
    n->base = **c;
    n->base.ops = &nccl_ops;
    n->under = *c;
    n->terms = (df_nccl_terms) { .nccl = cfg->nccl,
                                 .cuda = cfg->cuda,
                                 .start_ms = or_else(cfg->start_ms, START_MS),
                                 .message_ms = or_else(cfg->message_ms, MESSAGE_MS),
                                 .check_ms = or_else(cfg->check_ms, CHECK_MS) };
    df_code rc = open_peers(n, err);
    if (rc) {
        free_comm(n);
        return rc;
    }
    *c = &n->base;
    return DF_OK;
}
