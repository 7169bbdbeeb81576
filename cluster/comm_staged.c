#include "cluster/comm_staged.h"

#include <stdlib.h>

#include "cluster/channels.h"
#include "engine/backend/cuda/runtime.h"

enum { COPYING_IDLE_US = 50 };

/* Pinned memory, in use by one message at a time. */
typedef struct block {
    struct block *next;
    void *data;
    size_t bytes;
} block;

typedef enum way { MOVES, COPIES, ARRIVED } way; /* under the communicator beneath; between device and host */

struct df_comm_request {
    df_comm_request *next; /* spare ones, or sends that are copied, oldest first */
    df_comm_request *under; /* of the communicator beneath, while it moves */
    bool is_data, is_send, after_compute;
    way at;
    int peer, channel;
    void *data; /* of the device; a send does not write it */
    size_t bytes;
    block *pinned; /* NULL: no bytes */
    cudaEvent_t ready, copied;
};

typedef struct staged_comm {
    df_comm base;
    df_comm *under; /* owned */
    const df_cuda_runtime_ops *cuda;
    cudaStream_t compute; /* NULL: buffers are ready when posted */
    cudaStream_t down, up;
    block *free_blocks;
    df_comm_request *copied_down; /* sends, in the order posted: the communicator beneath gets them so */
    df_comm_request *spare;
    int n_requests; /* spare and posted ones */
    int n_data; /* posted messages of data */
} staged_comm;

static staged_comm *staged_of(df_comm *c) {
    return (staged_comm *)c;
}

static df_code cuda_error(const staged_comm *s, cudaError_t e, const char *what, df_err *err) {
    return df_err_set(err, DF_EBACKEND, "rank %d: %s: %s", s->base.rank, what, s->cuda->error_text(e));
}

/* requests */

static void free_request(const staged_comm *s, df_comm_request *r) {
    if (r->ready) s->cuda->event_destroy(r->ready);
    if (r->copied) s->cuda->event_destroy(r->copied);
    free(r);
}

static df_code make_request(staged_comm *s, df_err *err) {
    df_comm_request *r = calloc(1, sizeof *r);
    if (!r) return df_err_set(err, DF_ENOMEM, "rank %d: message request", s->base.rank);
    cudaError_t e = s->cuda->event_create(&r->ready);
    if (!e) e = s->cuda->event_create(&r->copied);
    if (e) {
        free_request(s, r);
        return cuda_error(s, e, "event", err);
    }
    r->next = s->spare;
    s->spare = r;
    s->n_requests++;
    return DF_OK;
}

static df_code staged_reserve(df_comm *c, int wanted, df_err *err) {
    staged_comm *s = staged_of(c);
    df_code rc = s->under->ops->reserve(s->under, wanted, err);
    while (!rc && s->n_requests < wanted) rc = make_request(s, err);
    return rc;
}

static df_code take_request(staged_comm *s, df_comm_request wanted, df_comm_request **out, df_err *err) {
    df_code rc = s->spare ? DF_OK : make_request(s, err);
    if (rc) return rc;
    df_comm_request *r = s->spare;
    s->spare = r->next;
    wanted.ready = r->ready;
    wanted.copied = r->copied;
    *r = wanted;
    s->n_data += r->is_data;
    *out = r;
    return DF_OK;
}

static void give_back(staged_comm *s, df_comm_request **req) {
    df_comm_request *r = *req;
    if (r->pinned) {
        r->pinned->next = s->free_blocks;
        s->free_blocks = r->pinned;
        r->pinned = NULL;
    }
    s->n_data -= r->is_data;
    r->next = s->spare;
    s->spare = r;
    *req = NULL;
}

/* The smallest that is large enough. */
static df_code take_block(staged_comm *s, size_t bytes, block **out, df_err *err) {
    block **best = NULL;
    for (block **at = &s->free_blocks; *at; at = &(*at)->next)
        if ((*at)->bytes >= bytes && (!best || (*at)->bytes < (*best)->bytes)) best = at;
    if (best) {
        *out = *best;
        *best = (*best)->next;
        return DF_OK;
    }
    block *b = calloc(1, sizeof *b);
    if (!b) return df_err_set(err, DF_ENOMEM, "rank %d: pinned memory", s->base.rank);
    cudaError_t e = s->cuda->host_alloc(&b->data, bytes);
    if (e) {
        free(b);
        return df_err_set(err, DF_ENOMEM, "rank %d: %zu bytes of pinned memory: %s", s->base.rank, bytes,
                          s->cuda->error_text(e));
    }
    b->bytes = bytes;
    *out = b;
    return DF_OK;
}

/* copies */

static df_code mark_compute(staged_comm *s, df_comm_request *r, df_err *err) {
    if (!s->compute || !r->bytes) return DF_OK;
    cudaError_t e = s->cuda->event_record(r->ready, s->compute);
    r->after_compute = !e;
    return e ? cuda_error(s, e, "event", err) : DF_OK;
}

/* After compute, down for a send and up for what was received. */
static df_code start_copy(staged_comm *s, df_comm_request *r, df_err *err) {
    cudaStream_t on = r->is_send ? s->down : s->up;
    cudaError_t e = r->after_compute ? s->cuda->stream_wait_event(on, r->ready) : cudaSuccess;
    if (!e && r->bytes)
        e = r->is_send ? s->cuda->copy(r->pinned->data, r->data, r->bytes, cudaMemcpyDeviceToHost, on)
                       : s->cuda->copy(r->data, r->pinned->data, r->bytes, cudaMemcpyHostToDevice, on);
    if (!e) e = s->cuda->event_record(r->copied, on);
    r->at = COPIES;
    return e ? cuda_error(s, e, "copy", err) : DF_OK;
}

static df_code post_under(staged_comm *s, df_comm_request *r, df_err *err) {
    const df_comm_ops *ops = s->under->ops;
    void *data = r->pinned ? r->pinned->data : r->data;
    r->at = MOVES;
    return r->is_send ? ops->send(s->under, r->peer, r->channel, data, r->bytes, &r->under, err)
                      : ops->recv(s->under, r->peer, r->channel, data, r->bytes, &r->under, err);
}

static df_code is_copied(staged_comm *s, const df_comm_request *r, bool *copied, df_err *err) {
    cudaError_t e = s->cuda->event_query(r->copied);
    *copied = e == cudaSuccess;
    return e && e != cudaErrorNotReady ? cuda_error(s, e, "copy", err) : DF_OK;
}

/* Sends whose bytes are in the host's memory go on, oldest first. */
static df_code send_copied(staged_comm *s, df_err *err) {
    df_code rc = DF_OK;
    for (df_comm_request *r; !rc && (r = s->copied_down);) {
        bool copied;
        rc = is_copied(s, r, &copied, err);
        if (rc || !copied) return rc;
        s->copied_down = r->next;
        rc = post_under(s, r, err);
    }
    return rc;
}

/* posting */

static df_code check(const staged_comm *s, int to, df_err *err) {
    if (to >= 0 && to < s->base.size && to != s->base.rank) return DF_OK;
    return df_err_set(err, DF_EINVAL, "rank %d: no rank %d to talk to among %d", s->base.rank, to, s->base.size);
}

static df_code begin_send(staged_comm *s, df_comm_request *r, df_err *err) {
    df_code rc = start_copy(s, r, err);
    if (rc) return rc;
    df_comm_request **at = &s->copied_down;
    while (*at) at = &(*at)->next;
    *at = r;
    r->next = NULL;
    return DF_OK;
}

/* An empty send has no copy to wait for, and goes behind those before it that have. */
static df_code begin(staged_comm *s, df_comm_request *r, df_err *err) {
    df_code rc = r->bytes ? take_block(s, r->bytes, &r->pinned, err) : DF_OK;
    if (!rc) rc = mark_compute(s, r, err);
    if (rc) return rc;
    return r->is_send ? begin_send(s, r, err) : post_under(s, r, err);
}

static df_code post(df_comm *c, df_comm_request wanted, df_comm_request **req, df_err *err) {
    staged_comm *s = staged_of(c);
    df_comm_request *r = NULL;
    wanted.is_data = df_channel_traffic(wanted.channel) == DF_TRAFFIC_DATA;
    df_code rc = check(s, wanted.peer, err);
    if (!rc) rc = take_request(s, wanted, &r, err);
    if (rc) return rc;
    rc = r->is_data ? begin(s, r, err) : post_under(s, r, err);
    if (rc)
        give_back(s, &r);
    else
        *req = r;
    return rc;
}

static df_code staged_send(df_comm *c, int to, int channel, const void *data, size_t bytes, df_comm_request **req,
                           df_err *err) {
    df_comm_request wanted = { .is_send = true, .peer = to, .channel = channel, .bytes = bytes };
    wanted.data = (void *)data; /* a send reads it */
    return post(c, wanted, req, err);
}

static df_code staged_recv(df_comm *c, int from, int channel, void *data, size_t bytes, df_comm_request **req,
                           df_err *err) {
    df_comm_request wanted = { .peer = from, .channel = channel, .data = data, .bytes = bytes };
    return post(c, wanted, req, err);
}

static void staged_compute_on(df_comm *c, void *stream) {
    staged_of(c)->compute = stream;
}

/* posted ones */

static df_code test_moving(staged_comm *s, df_comm_request *r, df_err *err) {
    bool moved = false;
    df_code rc = s->under->ops->test(s->under, &r->under, &moved, err);
    if (rc || !moved) return rc;
    r->at = ARRIVED;
    return r->is_data && !r->is_send && r->bytes ? start_copy(s, r, err) : DF_OK;
}

static df_code staged_test(df_comm *c, df_comm_request **req, bool *done, df_err *err) {
    staged_comm *s = staged_of(c);
    df_comm_request *r = *req;
    *done = false;
    df_code rc = send_copied(s, err);
    if (!rc && r->at == MOVES) rc = test_moving(s, r, err);
    if (!rc && r->at == COPIES && !r->is_send) {
        bool copied;
        rc = is_copied(s, r, &copied, err);
        if (copied) r->at = ARRIVED;
    }
    if (rc || r->at != ARRIVED) return rc;
    *done = true;
    give_back(s, req);
    return DF_OK;
}

static void staged_cancel(df_comm *c, df_comm_request **req) {
    if (!*req) return;
    staged_comm *s = staged_of(c);
    df_comm_request *r = *req;
    for (df_comm_request **at = &s->copied_down; *at; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            break;
        }
    if (r->at == COPIES) s->cuda->stream_wait(r->is_send ? s->down : s->up);
    if (r->under) s->under->ops->cancel(s->under, &r->under);
    give_back(s, req);
}

/* Nobody wakes a host that waits for its GPU. */
static void staged_idle(df_comm *c, int64_t timeout_us) {
    staged_comm *s = staged_of(c);
    if (s->n_data && timeout_us > COPYING_IDLE_US) timeout_us = COPYING_IDLE_US;
    s->under->ops->idle(s->under, timeout_us);
}

static void free_comm(staged_comm *s) {
    for (df_comm_request *r = s->spare, *next; r; r = next) {
        next = r->next;
        free_request(s, r);
    }
    for (block *b = s->free_blocks, *next; b; b = next) {
        next = b->next;
        s->cuda->host_free(b->data);
        free(b);
    }
    if (s->down) s->cuda->stream_destroy(s->down);
    if (s->up) s->cuda->stream_destroy(s->up);
    free(s);
}

static void staged_close(df_comm **c) {
    if (!c || !*c) return;
    staged_comm *s = staged_of(*c);
    *c = NULL;
    s->cuda->stream_wait(s->down);
    s->cuda->stream_wait(s->up);
    s->under->ops->close(&s->under);
    free_comm(s);
}

static const df_comm_ops staged_ops = {
    .name = "staged",
    .send = staged_send,
    .recv = staged_recv,
    .test = staged_test,
    .compute_on = staged_compute_on,
    .cancel = staged_cancel,
    .reserve = staged_reserve,
    .idle = staged_idle,
    .close = staged_close,
};

df_code df_comm_staged_open(df_comm **c, const df_comm_staged_cfg *cfg, df_err *err) {
    staged_comm *s = calloc(1, sizeof *s);
    if (!s) return df_err_set(err, DF_ENOMEM, "communicator: %zu bytes", sizeof *s);
    s->base = **c;
    s->base.ops = &staged_ops;
    s->under = *c;
    s->cuda = cfg->cuda;
    cudaError_t e = s->cuda->select(cfg->device);
    if (!e) e = s->cuda->stream_create(&s->down);
    if (!e) e = s->cuda->stream_create(&s->up);
    if (e) {
        df_err_set(err, DF_EUNSUPPORTED, "rank %d: GPU %d: %s", s->base.rank, cfg->device, s->cuda->error_text(e));
        free_comm(s);
        return DF_EUNSUPPORTED;
    }
    *c = &s->base;
    return DF_OK;
}
