/* A peer of another protocol version, for 07_other_version.sh.
 *   e2e_peer old-worker ENDPOINT    says Hello in version 99, prints the reason of the refusal, 0 if there was one
 *   e2e_peer old-coordinator        prints its endpoint; answers everything in version 99, until killed */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "proto/envelope.h"

enum { HEAD_BYTES = 16, VERSION_AT = 4, BODY_BYTES_AT = 8, OTHER_VERSION = 99, WAIT_MS = 10000 };

static void write_head(unsigned char head[HEAD_BYTES], size_t body_bytes) {
    memset(head, 0, HEAD_BYTES);
    memcpy(head, "DFRM", 4);
    head[VERSION_AT] = OTHER_VERSION;
    head[BODY_BYTES_AT] = (unsigned char)body_bytes;
}

static size_t pack_hello(unsigned char *body, size_t room) {
    Diffarm__Hello hello = DIFFARM__HELLO__INIT;
    Diffarm__Message m = DIFFARM__MESSAGE__INIT;
    hello.role = DIFFARM__HELLO__ROLE__WORKER;
    hello.worker_id = (char *)"0123456789abcdef";
    hello.name = (char *)"old:1";
    m.body_case = DIFFARM__MESSAGE__BODY_HELLO;
    m.hello = &hello;
    return diffarm__message__get_packed_size(&m) <= room ? diffarm__message__pack(&m, body) : 0;
}

static int old_worker(void *context, const char *endpoint) {
    unsigned char head[HEAD_BYTES], body[200];
    void *socket = zmq_socket(context, ZMQ_DEALER);
    df_wire_in in;
    df_err err;
    size_t n = pack_hello(body, sizeof body);
    write_head(head, n);
    if (zmq_connect(socket, endpoint)) return 1;
    zmq_send(socket, head, sizeof head, ZMQ_SNDMORE);
    zmq_send(socket, body, n, 0);
    df_code rc = df_wire_recv(socket, 0, &in, WAIT_MS, &err);
    int refused = !rc && in.msg->body_case == DIFFARM__MESSAGE__BODY_REFUSED;
    puts(rc ? err.text : refused ? in.msg->refused->reason : "not refused");
    df_wire_in_free(&in);
    zmq_close(socket);
    return !refused;
}

static int old_coordinator(void *context) {
    char endpoint[128];
    size_t bytes = sizeof endpoint;
    unsigned char head[HEAD_BYTES], body[2] = { 0x12, 0x00 }; /* an empty Welcome */
    void *socket = zmq_socket(context, ZMQ_ROUTER);
    write_head(head, sizeof body);
    if (zmq_bind(socket, "tcp://127.0.0.1:*")) return 1;
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &bytes);
    puts(endpoint);
    fflush(stdout);
    for (;;) {
        df_wire_in in;
        df_code rc = df_wire_recv(socket, 1, &in, -1, NULL);
        if (rc) continue;
        zmq_send(socket, in.identity, in.identity_bytes, ZMQ_SNDMORE);
        zmq_send(socket, head, sizeof head, ZMQ_SNDMORE);
        zmq_send(socket, body, sizeof body, 0);
        df_wire_in_free(&in);
    }
}

int main(int argc, char **argv) {
    void *context = zmq_ctx_new();
    int code = 2;
    if (argc == 3 && !strcmp(argv[1], "old-worker")) code = old_worker(context, argv[2]);
    if (argc == 2 && !strcmp(argv[1], "old-coordinator")) code = old_coordinator(context);
    zmq_ctx_term(context);
    return code;
}
