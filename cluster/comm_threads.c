/* Ranks as threads of one process. A message is copied once, from the sender's buffer to the receiver's, by whichever
 * side comes second; nothing is buffered between. One mutex guards all lists; copies are made outside it, while both
 * requests are marked COPYING. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cluster/comm.h"

typedef enum request_state { POSTED, COPYING, DONE } request_state;

struct df_comm_request {
    df_comm_request *next; /* in the list of its rank, in the order posted; or in the list of spare ones */
    bool is_send;
    int peer, channel;
    union {
        const void *from;
        void *to;
    } data;
    size_t bytes;
    request_state state;
    size_t peer_bytes; /* what the other side offered; differs only by a bug */
};

typedef struct hub hub;

typedef struct seat {
    df_comm base;
    hub *hub;
    df_comm_request *posted; /* oldest first */
    df_comm_request *spare;
    int n_requests; /* spare and posted ones */
    pthread_cond_t moved;
    uint64_t n_events, n_seen; /* completions made by others, and how many idle() has reported */
    bool closed;
} seat;

struct hub {
    pthread_mutex_t lock;
    int size, n_open;
    seat *seats[];
};

static seat *seat_of(df_comm *c) {
    return (seat *)c;
}

static df_comm_request *take_spare(seat *s) {
    df_comm_request *r = s->spare;
    if (r)
        s->spare = r->next;
    else if ((r = malloc(sizeof *r)))
        s->n_requests++;
    return r;
}

static df_code threads_reserve(df_comm *c, int n, df_err *err) {
    seat *s = seat_of(c);
    for (; s->n_requests < n; s->n_requests++) {
        df_comm_request *r = malloc(sizeof *r);
        if (!r) return df_err_set(err, DF_ENOMEM, "%d messages at once", n);
        r->next = s->spare;
        s->spare = r;
    }
    return DF_OK;
}

static void append(seat *s, df_comm_request *r) {
    df_comm_request **at = &s->posted;
    while (*at) at = &(*at)->next;
    *at = r;
}

static void retire(seat *s, df_comm_request **req) {
    for (df_comm_request **at = &s->posted; *at; at = &(*at)->next)
        if (*at == *req) {
            *at = (*at)->next;
            break;
        }
    (*req)->next = s->spare;
    s->spare = *req;
    *req = NULL;
}

/* The oldest request of `peer` that waits for this one. */
static df_comm_request *match_of(const seat *peer, int rank, const df_comm_request *r) {
    for (df_comm_request *o = peer->posted; o; o = o->next)
        if (o->state == POSTED && o->is_send != r->is_send && o->peer == rank && o->channel == r->channel) return o;
    return NULL;
}

static void notify(seat *s) {
    s->n_events++;
    pthread_cond_broadcast(&s->moved);
}

/* Called and left with the lock held; open in between. */
static void exchange(seat *mine, df_comm_request *r, seat *theirs, df_comm_request *o) {
    hub *h = mine->hub;
    df_comm_request *send = r->is_send ? r : o, *recv = r->is_send ? o : r;
    r->state = o->state = COPYING;
    r->peer_bytes = o->bytes;
    o->peer_bytes = r->bytes;
    pthread_mutex_unlock(&h->lock);
    if (send->bytes == recv->bytes && send->bytes) memcpy(recv->data.to, send->data.from, send->bytes);
    pthread_mutex_lock(&h->lock);
    r->state = o->state = DONE;
    notify(theirs);
}

static df_code post(df_comm *c, df_comm_request wanted, df_comm_request **req, df_err *err) {
    seat *s = seat_of(c);
    hub *h = s->hub;
    if (wanted.peer < 0 || wanted.peer >= c->size || wanted.peer == c->rank)
        return df_err_set(err, DF_EINVAL, "rank %d: no rank %d to talk to among %d", c->rank, wanted.peer, c->size);
    pthread_mutex_lock(&h->lock);
    df_comm_request *r = take_spare(s);
    if (!r) {
        pthread_mutex_unlock(&h->lock);
        return df_err_set(err, DF_ENOMEM, "rank %d: message request", c->rank);
    }
    *r = wanted;
    append(s, r);
    seat *peer = h->seats[wanted.peer];
    df_comm_request *o = peer->closed ? NULL : match_of(peer, c->rank, r);
    if (o) exchange(s, r, peer, o);
    pthread_mutex_unlock(&h->lock);
    *req = r;
    return DF_OK;
}

static df_code threads_send(df_comm *c, int to, int channel, const void *data, size_t bytes, df_comm_request **req,
                            df_err *err) {
    df_comm_request r = { .is_send = true, .peer = to, .channel = channel, .data.from = data, .bytes = bytes };
    return post(c, r, req, err);
}

static df_code threads_recv(df_comm *c, int from, int channel, void *data, size_t bytes, df_comm_request **req,
                            df_err *err) {
    df_comm_request r = { .is_send = false, .peer = from, .channel = channel, .data.to = data, .bytes = bytes };
    return post(c, r, req, err);
}

static df_code threads_test(df_comm *c, df_comm_request **req, bool *done, df_err *err) {
    seat *s = seat_of(c);
    df_comm_request *r = *req;
    df_code rc = DF_OK;
    *done = false;
    pthread_mutex_lock(&s->hub->lock);
    if (r->state == DONE) {
        if (r->bytes != r->peer_bytes)
            rc = df_err_set(err, DF_EPROTOCOL, "rank %d, channel %d: %zu bytes here, %zu at rank %d", c->rank,
                            r->channel, r->bytes, r->peer_bytes, r->peer);
        *done = true;
        retire(s, req);
    } else if (r->state == POSTED && s->hub->seats[r->peer]->closed) {
        rc = df_err_set(err, DF_EUNREACHABLE, "rank %d: rank %d is gone", c->rank, r->peer);
        retire(s, req);
    }
    pthread_mutex_unlock(&s->hub->lock);
    return rc;
}

static void wait_copied(seat *s, const df_comm_request *r) {
    while (r->state == COPYING) pthread_cond_wait(&s->moved, &s->hub->lock);
}

static void threads_cancel(df_comm *c, df_comm_request **req) {
    if (!*req) return;
    seat *s = seat_of(c);
    pthread_mutex_lock(&s->hub->lock);
    wait_copied(s, *req);
    retire(s, req);
    pthread_mutex_unlock(&s->hub->lock);
}

static struct timespec deadline_in(int64_t us) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t ns = t.tv_nsec + us % 1000000 * 1000;
    t.tv_sec += (time_t)(us / 1000000 + ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    return t;
}

static void threads_idle(df_comm *c, int64_t timeout_us) {
    seat *s = seat_of(c);
    struct timespec until = deadline_in(timeout_us > 0 ? timeout_us : 0);
    pthread_mutex_lock(&s->hub->lock);
    while (s->n_events == s->n_seen)
        if (pthread_cond_timedwait(&s->moved, &s->hub->lock, &until) == ETIMEDOUT) break;
    s->n_seen = s->n_events;
    pthread_mutex_unlock(&s->hub->lock);
}

static void free_list(df_comm_request *r) {
    for (df_comm_request *next; r; r = next) {
        next = r->next;
        free(r);
    }
}

static void hub_free(hub *h) {
    for (int i = 0; i < h->size; i++) {
        if (!h->seats[i]) continue;
        pthread_cond_destroy(&h->seats[i]->moved);
        free(h->seats[i]);
    }
    pthread_mutex_destroy(&h->lock);
    free(h);
}

static void threads_close(df_comm **c) {
    if (!c || !*c) return;
    seat *s = seat_of(*c);
    hub *h = s->hub;
    *c = NULL;
    pthread_mutex_lock(&h->lock);
    for (df_comm_request *r = s->posted; r; r = r->next) wait_copied(s, r);
    s->closed = true;
    free_list(s->posted);
    free_list(s->spare);
    s->posted = s->spare = NULL;
    for (int i = 0; i < h->size; i++) notify(h->seats[i]);
    bool last = --h->n_open == 0;
    pthread_mutex_unlock(&h->lock);
    if (last) hub_free(h); /* seats live until the last rank left: others still look at `closed` */
}

static const df_comm_ops threads_ops = {
    .name = "threads",
    .send = threads_send,
    .recv = threads_recv,
    .test = threads_test,
    .cancel = threads_cancel,
    .reserve = threads_reserve,
    .idle = threads_idle,
    .close = threads_close,
};

static seat *seat_new(hub *h, int rank) {
    seat *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->moved, &attr);
    pthread_condattr_destroy(&attr);
    s->base = (df_comm) { .ops = &threads_ops, .rank = rank, .size = h->size, .share = rank, .shares = h->size };
    s->hub = h;
    return s;
}

df_code df_comm_threads_open(df_comm **out, int size, df_err *err) {
    if (size < 1 || size > 4096) return df_err_set(err, DF_EINVAL, "%d ranks: 1 to 4096 are possible", size);
    hub *h = calloc(1, sizeof *h + (size_t)size * sizeof(seat *));
    if (!h) return df_err_set(err, DF_ENOMEM, "communicator of %d threads", size);
    pthread_mutex_init(&h->lock, NULL);
    h->size = h->n_open = size;
    for (int i = 0; i < size; i++)
        if (!(h->seats[i] = seat_new(h, i))) {
            hub_free(h);
            return df_err_set(err, DF_ENOMEM, "communicator of %d threads", size);
        }
    for (int i = 0; i < size; i++) out[i] = &h->seats[i]->base;
    return DF_OK;
}
