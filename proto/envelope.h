/* The envelope: how a message lies in ZeroMQ frames, the same for every peer.
 *
 *   frame 0   16 bytes: "DFRM", protocol version u16, flags u16, body bytes u32, blob bytes u32 (all little-endian)
 *   frame 1   the body, a diffarm.Message in protobuf
 *   frame 2   the blob (image bytes), only if blob bytes > 0; its own frame, never copied by protobuf
 * On the coordinator's ROUTER socket the peer's identity comes in front (ZeroMQ adds it).
 *
 *   df_wire_send(socket, to, to_bytes, &msg, blob, blob_bytes, &err);
 *   df_wire_recv(socket, &in, timeout_ms, &err);   ...   df_wire_in_free(&in);
 *
 * Lengths are checked against the limits below and against the frames before anything is decoded. Another version is
 * DF_EPROTOCOL with both versions in the text, and in.version says which, so that the peer can be told.
 * A newer minor protocol adds fields that older readers skip; DF_PROTOCOL_VERSION changes when they could not. */
#ifndef DF_PROTO_ENVELOPE_H
#define DF_PROTO_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "farm.pb-c.h"

#define DF_PROTOCOL_VERSION 1
#define DF_WIRE_MAX_BODY_BYTES (16u << 20)
#define DF_WIRE_MAX_BLOB_BYTES (256u << 20)
#define DF_WIRE_MAX_IDENTITY_BYTES 255

typedef struct df_wire_in {
    uint8_t identity[DF_WIRE_MAX_IDENTITY_BYTES]; /* of the sender, on a ROUTER socket */
    size_t identity_bytes;
    char role[16]; /* what its key was let in for (ZAP's User-Id); "": the socket asks for no keys */
    unsigned version;
    Diffarm__Message *msg; /* NULL after an error */
    size_t body_bytes; /* as msg came */
    void *blob; /* borrowed from the frame; NULL if none */
    size_t blob_bytes;
    struct df_wire_frame *frame; /* owns blob */
} df_wire_in;

/* One message around one body: df_wire_send(s, NULL, 0, &DF_WIRE_MESSAGE(HELLO, hello, &hello), NULL, 0, &err). */
#define DF_WIRE_MESSAGE(CASE, field, body)                                                                             \
    ((Diffarm__Message) { .base = PROTOBUF_C_MESSAGE_INIT(&diffarm__message__descriptor),                              \
                          .body_case = DIFFARM__MESSAGE__BODY_##CASE,                                                  \
                          .field = (body) })

/* to: identity of the receiver on a ROUTER socket; NULL on a DEALER socket. Never blocks: a full queue is DF_ELIMIT, a
 * peer that is gone DF_EUNREACHABLE, a message over the limits DF_EINVAL. blob is copied. */
df_code df_wire_send(void *socket, const void *to, size_t to_bytes, const Diffarm__Message *msg, const void *blob,
                     size_t blob_bytes, df_err *err);
/* timeout_ms 0: poll once, -1: for ever. DF_ETIMEOUT when nothing came. router: the socket is a ROUTER.
 * After any other error the message is off the socket, msg and blob are NULL, identity and version say whom to tell.
 * A body of an unknown kind is DF_EPROTOCOL with in->version equal to DF_PROTOCOL_VERSION: ignore it. */
df_code df_wire_recv(void *socket, int router, df_wire_in *in, int timeout_ms, df_err *err);
void df_wire_in_free(df_wire_in *in);

/* Decodes from memory what df_wire_recv would have got (fuzz tests, and df_wire_recv itself). Fills version, msg and
 * the blob_bytes that the head promises; in must be zeroed before. */
df_code df_wire_decode(df_wire_in *in, const void *head, size_t head_bytes, const void *body, size_t body_bytes,
                       df_err *err);

/* Options that both ends of the farm share: bounded queues, the largest frame, ZeroMQ's own heartbeats (a dead link is
 * seen after 3 of them), TCP's keepalive (after 40 s), half a second at close for what is still to be sent. Call before
 * bind or connect. heartbeat_ms 0: none; for a socket with thousands of peers, where each of ZeroMQ's timers is looked
 * for among those of all peers. */
enum { DF_WIRE_WORKER_HEARTBEAT_MS = 3000 }; /* of a worker's socket: thousands of them meet at one coordinator */
df_code df_wire_tune(void *socket, int queue_messages, int heartbeat_ms, df_err *err);

#endif
