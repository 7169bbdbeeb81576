#include "proto/envelope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* Who connects and says nothing, or nothing of ours, is hung up on after HANDSHAKE_MS. The kernel asks whether a peer
 * that says nothing is still there after KEEP_IDLE_S, and gives it up after KEEP_TRIES more. */
enum { HEAD_BYTES = 16, MAX_FRAMES_KEPT = 3, HANDSHAKE_MS = 10000, KEEP_IDLE_S = 20, KEEP_EVERY_S = 5, KEEP_TRIES = 4 };

struct df_wire_frame {
    zmq_msg_t msg;
};

typedef struct head {
    unsigned version, flags;
    uint32_t body_bytes, blob_bytes;
} head;

/* little-endian, whatever the machine */

static void put16(uint8_t *p, unsigned v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v) {
    put16(p, v & 0xffff);
    put16(p + 2, v >> 16);
}

static unsigned get16(const uint8_t *p) {
    return p[0] | (unsigned)p[1] << 8;
}

static uint32_t get32(const uint8_t *p) {
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static void write_head(uint8_t out[HEAD_BYTES], size_t body_bytes, size_t blob_bytes) {
    memcpy(out, "DFRM", 4);
    put16(out + 4, DF_PROTOCOL_VERSION);
    put16(out + 6, 0);
    put32(out + 8, (uint32_t)body_bytes);
    put32(out + 12, (uint32_t)blob_bytes);
}

static df_code read_head(head *h, const void *data, size_t bytes, df_err *err) {
    const uint8_t *p = data;
    if (bytes != HEAD_BYTES || memcmp(p, "DFRM", 4))
        return df_err_set(err, DF_EFORMAT, "not a diffarm message: its first frame (%zu bytes) is not a DFRM head",
                          bytes);
    *h = (head) { get16(p + 4), get16(p + 6), get32(p + 8), get32(p + 12) };
    return DF_OK;
}

static df_code check_head(const head *h, df_err *err) {
    if (h->version != DF_PROTOCOL_VERSION)
        return df_err_set(err, DF_EPROTOCOL,
                          "peer speaks protocol version %u, this side version %d: run the same diffarm on both",
                          h->version, DF_PROTOCOL_VERSION);
    if (h->flags) return df_err_set(err, DF_EPROTOCOL, "head has unknown flags 0x%x", h->flags);
    if (h->body_bytes > DF_WIRE_MAX_BODY_BYTES)
        return df_err_set(err, DF_ELIMIT, "body of %u bytes, at most %u are taken", h->body_bytes,
                          DF_WIRE_MAX_BODY_BYTES);
    if (h->blob_bytes > DF_WIRE_MAX_BLOB_BYTES)
        return df_err_set(err, DF_ELIMIT, "blob of %u bytes, at most %u are taken", h->blob_bytes,
                          DF_WIRE_MAX_BLOB_BYTES);
    return DF_OK;
}

/* the body */

/* An empty sub-message takes 2 bytes on the wire and over 100 in memory: without a budget a 16 MiB body would grow to
 * gigabytes. 16 bytes for one is thrice what honest rows need. */
typedef struct budget {
    size_t left;
    bool exceeded;
} budget;

static void *budget_alloc(void *ctx, size_t bytes) {
    budget *b = ctx;
    if (bytes > b->left) {
        b->exceeded = true;
        return NULL;
    }
    b->left -= bytes;
    return malloc(bytes);
}

static void budget_free(void *ctx, void *p) {
    (void)ctx;
    free(p);
}

static df_code decode_body(Diffarm__Message **out, const void *body, size_t bytes, df_err *err) {
    budget b = { .left = (64u << 10) + 16 * bytes };
    ProtobufCAllocator allocator = { budget_alloc, budget_free, &b };
    Diffarm__Message *msg = diffarm__message__unpack(&allocator, bytes, body);
    if (!msg && b.exceeded)
        return df_err_set(err, DF_ELIMIT, "body of %zu bytes unfolds to far more than it may", bytes);
    if (!msg) return df_err_set(err, DF_EFORMAT, "body of %zu bytes is not a diffarm.Message", bytes);
    if (msg->body_case == DIFFARM__MESSAGE__BODY__NOT_SET) {
        diffarm__message__free_unpacked(msg, NULL);
        return df_err_set(err, DF_EPROTOCOL, "message of an unknown kind: empty, or made by newer software");
    }
    *out = msg;
    return DF_OK;
}

df_code df_wire_decode(df_wire_in *in, const void *head_data, size_t head_bytes, const void *body, size_t body_bytes,
                       df_err *err) {
    head h;
    df_code rc = read_head(&h, head_data, head_bytes, err);
    if (rc) return rc;
    in->version = h.version;
    if ((rc = check_head(&h, err))) return rc;
    if (h.body_bytes != body_bytes)
        return df_err_set(err, DF_EFORMAT, "head promises a body of %u bytes, its frame has %zu", h.body_bytes,
                          body_bytes);
    in->blob_bytes = h.blob_bytes;
    in->body_bytes = body_bytes;
    return decode_body(&in->msg, body, body_bytes, err);
}

/* sending */

static df_code send_error(df_err *err) {
    switch (zmq_errno()) {
    case EAGAIN: return df_err_set(err, DF_ELIMIT, "queue to the peer is full");
    case EHOSTUNREACH: return df_err_set(err, DF_EUNREACHABLE, "peer is gone");
    case ETERM: return df_err_set(err, DF_ECANCELLED, "the socket's context is closing");
    default: return df_err_set(err, DF_EIO, "send: %s", zmq_strerror(zmq_errno()));
    }
}

/* Only the first frame of a message can meet a full queue or a gone peer; ZeroMQ takes the rest then. EINTR before
 * that frame was taken is repeated: a message is never left half-sent. */
static df_code send_frame(void *socket, const void *data, size_t bytes, int more, df_err *err) {
    int n;
    do n = zmq_send(socket, data, bytes, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    while (n < 0 && zmq_errno() == EINTR);
    return n < 0 ? send_error(err) : DF_OK;
}

static df_code send_frames(void *socket, const void *to, size_t to_bytes, const uint8_t *packed, size_t body_bytes,
                           const void *blob, size_t blob_bytes, df_err *err) {
    uint8_t head_data[HEAD_BYTES];
    df_code rc;
    write_head(head_data, body_bytes, blob_bytes);
    if (to && (rc = send_frame(socket, to, to_bytes, 1, err))) return rc;
    if ((rc = send_frame(socket, head_data, HEAD_BYTES, 1, err))) return rc;
    if ((rc = send_frame(socket, packed, body_bytes, blob_bytes > 0, err))) return rc;
    return blob_bytes ? send_frame(socket, blob, blob_bytes, 0, err) : DF_OK;
}

df_code df_wire_send(void *socket, const void *to, size_t to_bytes, const Diffarm__Message *msg, const void *blob,
                     size_t blob_bytes, df_err *err) {
    size_t body_bytes = diffarm__message__get_packed_size(msg);
    if (body_bytes > DF_WIRE_MAX_BODY_BYTES)
        return df_err_set(err, DF_EINVAL, "message of %zu bytes, at most %u go into one", body_bytes,
                          DF_WIRE_MAX_BODY_BYTES);
    if (blob_bytes > DF_WIRE_MAX_BLOB_BYTES)
        return df_err_set(err, DF_EINVAL, "blob of %zu bytes, at most %u go with one message", blob_bytes,
                          DF_WIRE_MAX_BLOB_BYTES);
    uint8_t *packed = malloc(body_bytes + 1);
    if (!packed) return df_err_set(err, DF_ENOMEM, "message of %zu bytes", body_bytes);
    diffarm__message__pack(msg, packed);
    df_code rc = send_frames(socket, to, to_bytes, packed, body_bytes, blob, blob_bytes, err);
    free(packed);
    return rc;
}

/* receiving */

/* The frames of one message as they came; more than fit are counted and dropped. */
typedef struct frames {
    zmq_msg_t at[MAX_FRAMES_KEPT];
    size_t n_kept, n_seen;
} frames;

static void frames_close(frames *f) {
    for (size_t i = 0; i < f->n_kept; i++) zmq_msg_close(&f->at[i]);
    f->n_kept = 0;
}

static void frames_keep(frames *f, zmq_msg_t *part) {
    f->n_seen++;
    if (f->n_kept < MAX_FRAMES_KEPT) {
        zmq_msg_init(&f->at[f->n_kept]);
        zmq_msg_move(&f->at[f->n_kept++], part);
    }
    zmq_msg_close(part);
}

static int recv_part(void *socket, zmq_msg_t *part) {
    int n;
    do n = zmq_msg_recv(part, socket, ZMQ_DONTWAIT);
    while (n < 0 && zmq_errno() == EINTR);
    return n;
}

/* Takes the rest of a message off the socket, so that a bad one cannot shift the next. */
static void frames_read(void *socket, int more, frames *f) {
    while (more) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        if (recv_part(socket, &part) < 0) {
            zmq_msg_close(&part);
            return;
        }
        more = zmq_msg_more(&part);
        frames_keep(f, &part);
    }
}

static df_code wait_readable(void *socket, int timeout_ms, df_err *err) {
    zmq_pollitem_t item = { .socket = socket, .events = ZMQ_POLLIN };
    int n = zmq_poll(&item, 1, timeout_ms);
    if (n > 0) return DF_OK;
    if (n < 0 && zmq_errno() == ETERM) return df_err_set(err, DF_ECANCELLED, "the socket's context is closing");
    if (n < 0 && zmq_errno() != EINTR) return df_err_set(err, DF_EIO, "poll: %s", zmq_strerror(zmq_errno()));
    return df_err_set(err, DF_ETIMEOUT, "no message within %d ms", timeout_ms);
}

/* First part: the sender's identity on a ROUTER, else frame 0, which goes into f. */
static df_code read_first(void *socket, int router, df_wire_in *in, frames *f, int *more, df_err *err) {
    zmq_msg_t part;
    zmq_msg_init(&part);
    if (recv_part(socket, &part) < 0) {
        int why = zmq_errno();
        zmq_msg_close(&part);
        if (why == EAGAIN) return df_err_set(err, DF_ETIMEOUT, "no message");
        return df_err_set(err, why == ETERM ? DF_ECANCELLED : DF_EIO, "receive: %s", zmq_strerror(why));
    }
    *more = zmq_msg_more(&part);
    if (!router) {
        frames_keep(f, &part);
        return DF_OK;
    }
    size_t bytes = zmq_msg_size(&part);
    if (bytes <= sizeof in->identity) {
        memcpy(in->identity, zmq_msg_data(&part), bytes);
        in->identity_bytes = bytes;
    }
    zmq_msg_close(&part);
    return DF_OK;
}

static void read_role(df_wire_in *in, frames *f) {
    const char *role = f->n_kept ? zmq_msg_gets(&f->at[0], "User-Id") : NULL;
    snprintf(in->role, sizeof in->role, "%s", role ? role : "");
}

static df_code check_blob(df_wire_in *in, const frames *f, df_err *err) {
    size_t expected = in->blob_bytes ? 3 : 2;
    if (f->n_seen != expected)
        return df_err_set(err, DF_EFORMAT, "message of %zu frames, its head promises %zu", f->n_seen, expected);
    if (!in->blob_bytes) return DF_OK;
    size_t bytes = zmq_msg_size(&f->at[2]);
    if (bytes != in->blob_bytes)
        return df_err_set(err, DF_EFORMAT, "head promises a blob of %zu bytes, its frame has %zu", in->blob_bytes,
                          bytes);
    return DF_OK;
}

static df_code take_blob(df_wire_in *in, frames *f, df_err *err) {
    if (!in->blob_bytes) return DF_OK;
    struct df_wire_frame *frame = malloc(sizeof *frame);
    if (!frame) return df_err_set(err, DF_ENOMEM, "frame of %zu bytes", in->blob_bytes);
    zmq_msg_init(&frame->msg);
    zmq_msg_move(&frame->msg, &f->at[2]);
    in->frame = frame;
    in->blob = zmq_msg_data(&frame->msg);
    return DF_OK;
}

static df_code decode_frames(df_wire_in *in, frames *f, df_err *err) {
    if (f->n_seen < 2 && f->n_kept) {
        /* The version is worth knowing even of a message that is too short: the peer can be told. */
        head h;
        if (!read_head(&h, zmq_msg_data(&f->at[0]), zmq_msg_size(&f->at[0]), NULL)) in->version = h.version;
    }
    if (f->n_seen < 2) return df_err_set(err, DF_EFORMAT, "message of %zu frames, at least 2 belong to one", f->n_seen);
    df_code rc = df_wire_decode(in, zmq_msg_data(&f->at[0]), zmq_msg_size(&f->at[0]), zmq_msg_data(&f->at[1]),
                                zmq_msg_size(&f->at[1]), err);
    if (!rc) rc = check_blob(in, f, err);
    if (!rc) rc = take_blob(in, f, err);
    return rc;
}

df_code df_wire_recv(void *socket, int router, df_wire_in *in, int timeout_ms, df_err *err) {
    int more = 0;
    frames f = { .n_kept = 0 };
    *in = (df_wire_in) { 0 };
    df_code rc = read_first(socket, router, in, &f, &more, err); /* under load something is there: no poll is needed */
    if (rc == DF_ETIMEOUT && timeout_ms && !(rc = wait_readable(socket, timeout_ms, err)))
        rc = read_first(socket, router, in, &f, &more, err);
    if (rc) return rc;
    frames_read(socket, more, &f);
    if (router) read_role(in, &f);
    rc = decode_frames(in, &f, err);
    frames_close(&f);
    if (rc) {
        df_wire_in body = *in;
        df_wire_in_free(in); /* keeps who sent it and in which version: both are needed to answer */
        memcpy(in->identity, body.identity, sizeof in->identity);
        in->identity_bytes = body.identity_bytes;
        in->version = body.version;
    }
    return rc;
}

void df_wire_in_free(df_wire_in *in) {
    if (!in) return;
    if (in->msg) diffarm__message__free_unpacked(in->msg, NULL);
    if (in->frame) {
        zmq_msg_close(&in->frame->msg);
        free(in->frame);
    }
    *in = (df_wire_in) { 0 };
}

/* the socket's options */

df_code df_wire_tune(void *socket, int queue_messages, int heartbeat_ms, df_err *err) {
    const struct {
        int option, value;
    } options[] = {
        { ZMQ_SNDHWM, queue_messages },
        { ZMQ_RCVHWM, queue_messages },
        { ZMQ_LINGER, 500 },
        { ZMQ_HEARTBEAT_IVL, heartbeat_ms },
        { ZMQ_HEARTBEAT_TIMEOUT, 3 * heartbeat_ms },
        { ZMQ_TCP_KEEPALIVE, 1 },
        { ZMQ_TCP_KEEPALIVE_IDLE, KEEP_IDLE_S },
        { ZMQ_TCP_KEEPALIVE_INTVL, KEEP_EVERY_S },
        { ZMQ_TCP_KEEPALIVE_CNT, KEEP_TRIES },
        { ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS },
        { ZMQ_RECONNECT_IVL, 100 },
        { ZMQ_RECONNECT_IVL_MAX, 2000 },
    };
    int64_t max_bytes = DF_WIRE_MAX_BLOB_BYTES;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (zmq_setsockopt(socket, options[i].option, &options[i].value, sizeof options[i].value))
            return df_err_set(err, DF_EIO, "socket option %d = %d: %s", options[i].option, options[i].value,
                              zmq_strerror(zmq_errno()));
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes))
        return df_err_set(err, DF_EIO, "socket option ZMQ_MAXMSGSIZE: %s", zmq_strerror(zmq_errno()));
    return DF_OK;
}
