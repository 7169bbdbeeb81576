/* The envelope against honest and hostile peers, over inproc sockets: what one side puts into frames by hand, the other
 * must take as one clear error, and the message after it must come through whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "proto/envelope.h"

typedef struct pair {
    void *ctx, *router, *dealer;
} pair;

static int pair_open(void **state) {
    pair *p = calloc(1, sizeof *p);
    df_err err;
    p->ctx = zmq_ctx_new();
    p->router = zmq_socket(p->ctx, ZMQ_ROUTER);
    p->dealer = zmq_socket(p->ctx, ZMQ_DEALER);
    assert_int_equal(df_wire_tune(p->router, 1000, 1000, &err), DF_OK);
    assert_int_equal(df_wire_tune(p->dealer, 1000, 1000, &err), DF_OK);
    int on = 1;
    zmq_setsockopt(p->router, ZMQ_ROUTER_MANDATORY, &on, sizeof on);
    zmq_setsockopt(p->dealer, ZMQ_ROUTING_ID, "peer-1", 6);
    assert_int_equal(zmq_bind(p->router, "inproc://envelope"), 0);
    assert_int_equal(zmq_connect(p->dealer, "inproc://envelope"), 0);
    *state = p;
    return 0;
}

static int pair_close(void **state) {
    pair *p = *state;
    zmq_close(p->router);
    zmq_close(p->dealer);
    zmq_ctx_term(p->ctx);
    free(p);
    return 0;
}

static void round_trip_with_and_without_blob(void **state) {
    pair *p = *state;
    df_err err;
    df_wire_in in;
    Diffarm__Result result = DIFFARM__RESULT__INIT;
    result.token = (char *)"t-1";
    result.row = UINT64_MAX;
    Diffarm__Message msg = DF_WIRE_MESSAGE(RESULT, result, &result);
    assert_int_equal(df_wire_send(p->dealer, NULL, 0, &msg, "\x89PNG bytes", 10, &err), DF_OK);
    assert_int_equal(df_wire_recv(p->router, 1, &in, 1000, &err), DF_OK);
    assert_int_equal(in.identity_bytes, 6);
    assert_memory_equal(in.identity, "peer-1", 6);
    assert_int_equal(in.version, DF_PROTOCOL_VERSION);
    assert_int_equal(in.msg->body_case, DIFFARM__MESSAGE__BODY_RESULT);
    assert_string_equal(in.msg->result->token, "t-1");
    assert_true(in.msg->result->row == UINT64_MAX);
    assert_int_equal(in.blob_bytes, 10);
    assert_memory_equal(in.blob, "\x89PNG bytes", 10);

    Diffarm__ResultAck ack = DIFFARM__RESULT_ACK__INIT;
    ack.committed = 1;
    msg = DF_WIRE_MESSAGE(RESULT_ACK, result_ack, &ack);
    assert_int_equal(df_wire_send(p->router, in.identity, in.identity_bytes, &msg, NULL, 0, &err), DF_OK);
    df_wire_in_free(&in);
    assert_int_equal(df_wire_recv(p->dealer, 0, &in, 1000, &err), DF_OK);
    assert_int_equal(in.msg->body_case, DIFFARM__MESSAGE__BODY_RESULT_ACK);
    assert_true(in.msg->result_ack->committed);
    assert_null(in.blob);
    df_wire_in_free(&in);
    df_wire_in_free(&in); /* twice is fine */
}

static void nothing_there_is_a_timeout(void **state) {
    pair *p = *state;
    df_err err;
    df_wire_in in;
    assert_int_equal(df_wire_recv(p->router, 1, &in, 0, &err), DF_ETIMEOUT);
    assert_int_equal(df_wire_recv(p->dealer, 0, &in, 20, &err), DF_ETIMEOUT);
}

static void gone_peer_is_unreachable(void **state) {
    pair *p = *state;
    df_err err;
    Diffarm__HeartbeatAck ack = DIFFARM__HEARTBEAT_ACK__INIT;
    Diffarm__Message msg = DF_WIRE_MESSAGE(HEARTBEAT_ACK, heartbeat_ack, &ack);
    assert_int_equal(df_wire_send(p->router, "nobody", 6, &msg, NULL, 0, &err), DF_EUNREACHABLE);
}

static void full_queue_never_blocks(void **state) {
    (void)state;
    df_err err;
    void *ctx = zmq_ctx_new(), *dealer = zmq_socket(ctx, ZMQ_DEALER);
    assert_int_equal(df_wire_tune(dealer, 4, 1000, &err), DF_OK);
    zmq_connect(dealer, "tcp://127.0.0.1:1"); /* nobody listens: all stays in the queue */
    Diffarm__HeartbeatAck ack = DIFFARM__HEARTBEAT_ACK__INIT;
    Diffarm__Message msg = DF_WIRE_MESSAGE(HEARTBEAT_ACK, heartbeat_ack, &ack);
    df_code rc = DF_OK;
    for (int i = 0; i < 100 && !rc; i++) rc = df_wire_send(dealer, NULL, 0, &msg, NULL, 0, &err);
    assert_int_equal(rc, DF_ELIMIT);
    zmq_close(dealer);
    zmq_ctx_term(ctx);
}

static void too_large_a_message_is_not_sent(void **state) {
    pair *p = *state;
    df_err err;
    df_wire_in in;
    char *text = malloc(DF_WIRE_MAX_BODY_BYTES + 1);
    memset(text, 'x', DF_WIRE_MAX_BODY_BYTES);
    text[DF_WIRE_MAX_BODY_BYTES] = '\0';
    Diffarm__Reply reply = DIFFARM__REPLY__INIT;
    reply.text = text;
    Diffarm__Message msg = DF_WIRE_MESSAGE(REPLY, reply, &reply);
    assert_int_equal(df_wire_send(p->dealer, NULL, 0, &msg, NULL, 0, &err), DF_EINVAL);
    assert_int_equal(df_wire_recv(p->router, 1, &in, 20, &err), DF_ETIMEOUT);
    free(text);
}

/* frames made by hand */

typedef struct part {
    const void *data;
    size_t bytes;
} part;

static const uint8_t body_ok[] = { 0xb2, 0x02, 0x00 }; /* field 38, an empty heartbeat_ack */

static void head_make(uint8_t *head, unsigned version, unsigned flags, uint32_t body, uint32_t blob) {
    memcpy(head, "DFRM", 4);
    head[4] = (uint8_t)version, head[5] = (uint8_t)(version >> 8);
    head[6] = (uint8_t)flags, head[7] = (uint8_t)(flags >> 8);
    for (int i = 0; i < 4; i++) head[8 + i] = (uint8_t)(body >> 8 * i), head[12 + i] = (uint8_t)(blob >> 8 * i);
}

static void send_parts(pair *p, const part *parts, int n) {
    for (int i = 0; i < n; i++)
        assert_int_not_equal(zmq_send(p->dealer, parts[i].data, parts[i].bytes, i + 1 < n ? ZMQ_SNDMORE : 0), -1);
}

/* The hostile message is one error with `text` in it, knows its sender, and does not touch the message behind it. */
static void expect_refused(pair *p, const part *parts, int n, df_code code, const char *text) {
    df_err err = { 0 };
    df_wire_in in;
    Diffarm__Goodbye bye = DIFFARM__GOODBYE__INIT;
    Diffarm__Message after = DF_WIRE_MESSAGE(GOODBYE, goodbye, &bye);
    send_parts(p, parts, n);
    assert_int_equal(df_wire_send(p->dealer, NULL, 0, &after, NULL, 0, &err), DF_OK);
    df_code rc = df_wire_recv(p->router, 1, &in, 1000, &err);
    if (rc != code || !strstr(err.text, text)) print_error("got %s: %s\n", df_code_name(rc), err.text);
    assert_int_equal(rc, code);
    assert_non_null(strstr(err.text, text));
    assert_null(in.msg);
    assert_null(in.blob);
    assert_int_equal(in.identity_bytes, 6);
    df_wire_in_free(&in);
    assert_int_equal(df_wire_recv(p->router, 1, &in, 1000, &err), DF_OK);
    assert_int_equal(in.msg->body_case, DIFFARM__MESSAGE__BODY_GOODBYE);
    df_wire_in_free(&in);
}

static void hostile_frames_are_one_clear_error(void **state) {
    pair *p = *state;
    uint8_t head[16], body[3], wrong_magic[16], other_version[16];
    memcpy(body, body_ok, sizeof body);
    head_make(head, DF_PROTOCOL_VERSION, 0, 3, 0);
    memcpy(wrong_magic, head, 16);
    memcpy(wrong_magic, "HTTP", 4);
    head_make(other_version, 7, 0, 3, 0);
    part extra[1000];
    for (int i = 0; i < 1000; i++) extra[i] = (part) { body, 3 };
    extra[0] = (part) { head, 16 };

    expect_refused(p, (part[]) { { "", 0 } }, 1, DF_EFORMAT, "frames");
    expect_refused(p, (part[]) { { head, 16 } }, 1, DF_EFORMAT, "frames");
    expect_refused(p, (part[]) { { "GET / HTTP/1.1", 14 }, { body, 3 } }, 2, DF_EFORMAT, "DFRM");
    expect_refused(p, (part[]) { { wrong_magic, 16 }, { body, 3 } }, 2, DF_EFORMAT, "DFRM");
    expect_refused(p, (part[]) { { head, 15 }, { body, 3 } }, 2, DF_EFORMAT, "DFRM");
    expect_refused(p, (part[]) { { "", 0 }, { head, 16 }, { body, 3 } }, 3, DF_EFORMAT, "DFRM"); /* a REQ socket */
    expect_refused(p, (part[]) { { other_version, 16 }, { body, 3 } }, 2, DF_EPROTOCOL, "version 7");
    expect_refused(p, (part[]) { { head, 16 }, { body, 2 } }, 2, DF_EFORMAT, "promises a body of 3");
    expect_refused(p, (part[]) { { head, 16 }, { body, 3 }, { "blob", 4 } }, 3, DF_EFORMAT, "3 frames");
    expect_refused(p, extra, 1000, DF_EFORMAT, "1000 frames");
    head_make(head, DF_PROTOCOL_VERSION, 0, 3, 5);
    expect_refused(p, (part[]) { { head, 16 }, { body, 3 } }, 2, DF_EFORMAT, "2 frames");
    expect_refused(p, (part[]) { { head, 16 }, { body, 3 }, { "blob", 4 } }, 3, DF_EFORMAT, "blob of 5");
    head_make(head, DF_PROTOCOL_VERSION, 1, 3, 0);
    expect_refused(p, (part[]) { { head, 16 }, { body, 3 } }, 2, DF_EPROTOCOL, "flags 0x1");
    head_make(head, DF_PROTOCOL_VERSION, 0, UINT32_MAX, 0);
    expect_refused(p, (part[]) { { head, 16 }, { body, 3 } }, 2, DF_ELIMIT, "4294967295");
    head_make(head, DF_PROTOCOL_VERSION, 0, 3, UINT32_MAX);
    expect_refused(p, (part[]) { { head, 16 }, { body, 3 } }, 2, DF_ELIMIT, "4294967295");
    head_make(head, DF_PROTOCOL_VERSION, 0, 0, 0);
    expect_refused(p, (part[]) { { head, 16 }, { "", 0 } }, 2, DF_EPROTOCOL, "unknown kind");
    head_make(head, DF_PROTOCOL_VERSION, 0, 3, 0);
    expect_refused(p, (part[]) { { head, 16 }, { "\x0a\x7f\x01", 3 } }, 2, DF_EFORMAT, "not a diffarm.Message");
    expect_refused(p, (part[]) { { head, 16 }, { "\xff\xff\xff", 3 } }, 2, DF_EFORMAT, "not a diffarm.Message");
}

static void version_of_a_refused_peer_is_known(void **state) {
    pair *p = *state;
    uint8_t head[16];
    df_err err;
    df_wire_in in;
    head_make(head, 99, 0, 3, 0);
    send_parts(p, (part[]) { { head, 16 } }, 1); /* not even complete */
    assert_int_equal(df_wire_recv(p->router, 1, &in, 1000, &err), DF_EFORMAT);
    assert_int_equal(in.version, 99);
    send_parts(p, (part[]) { { head, 16 }, { "abc", 3 } }, 2);
    assert_int_equal(df_wire_recv(p->router, 1, &in, 1000, &err), DF_EPROTOCOL);
    assert_int_equal(in.version, 99);
    df_wire_in_free(&in);
}

/* 2 bytes a row on the wire would be some 150 in memory. */
static void huge_counts_meet_the_budget(void **state) {
    (void)state;
    enum { N = 4 << 20 };
    uint8_t head[16], *body = malloc(2 * N + 16);
    size_t n = 0, inner = 2 * (size_t)N;
    body[n++] = 0x5a; /* field 11, submit_rows, by length */
    for (size_t v = inner; v; v >>= 7) body[n++] = (uint8_t)((v & 0x7f) | (v >> 7 ? 0x80 : 0));
    for (int i = 0; i < N; i++) body[n++] = 0x22, body[n++] = 0x00; /* field 4, an empty Row */
    head_make(head, DF_PROTOCOL_VERSION, 0, (uint32_t)n, 0);
    df_wire_in in = { 0 };
    df_err err;
    assert_int_equal(df_wire_decode(&in, head, 16, body, n, &err), DF_ELIMIT);
    assert_null(in.msg);
    free(body);
}

/* seeded mutations of honest bodies */

static uint64_t next_random(uint64_t *s) {
    *s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
    return *s;
}

static size_t honest_body(uint8_t *out, size_t cap) {
    Diffarm__Row row = DIFFARM__ROW__INIT, *rows[3] = { &row, &row, &row };
    row.prompt = (char *)"a cat", row.scheduler = (char *)"ddim", row.guidance = 7.5, row.row = 300;
    Diffarm__JobSpec job = DIFFARM__JOB_SPEC__INIT;
    job.job_id = (char *)"0123456789abcdef", job.out_dir = (char *)"/tmp/out";
    Diffarm__Lease lease = DIFFARM__LEASE__INIT;
    lease.token = (char *)"1-2", lease.job = &job, lease.rows = rows, lease.n_rows = 3;
    Diffarm__Message msg = DF_WIRE_MESSAGE(LEASE, lease, &lease);
    size_t n = diffarm__message__get_packed_size(&msg);
    assert_true(n <= cap);
    return diffarm__message__pack(&msg, out);
}

static size_t mutate(uint8_t *data, size_t n, uint64_t *s) {
    for (uint64_t edits = 1 + next_random(s) % 4; edits; edits--) {
        size_t at = next_random(s) % n;
        switch (next_random(s) % 4) {
        case 0: data[at] ^= (uint8_t)(1u << next_random(s) % 8); break;
        case 1: data[at] = (uint8_t)next_random(s); break;
        case 2: n = at ? at : 1; break; /* cut */
        default: memmove(data + at / 2, data + at, n - at), n -= at - at / 2; break; /* drop a piece */
        }
    }
    return n;
}

static void mutated_bodies_decode_or_fail_cleanly(void **state) {
    (void)state;
    uint8_t honest[512], data[512], head[16];
    size_t n_honest = honest_body(honest, sizeof honest);
    uint64_t seed = 0x5eed;
    int n_ok = 0, n_refused = 0;
    for (int i = 0; i < 50000; i++) {
        memcpy(data, honest, n_honest);
        size_t n = mutate(data, n_honest, &seed);
        uint8_t *exact = malloc(n); /* so that a read past the end is seen by ASan */
        memcpy(exact, data, n);
        head_make(head, DF_PROTOCOL_VERSION, 0, (uint32_t)n, 0);
        df_wire_in in = { 0 };
        df_err err = { 0 };
        df_code rc = df_wire_decode(&in, head, 16, exact, n, &err);
        assert_true(rc == DF_OK || rc == DF_EFORMAT || rc == DF_EPROTOCOL || rc == DF_ELIMIT);
        assert_true((rc == DF_OK) == (in.msg != NULL));
        if (rc) assert_true(err.text[0]);
        rc ? n_refused++ : n_ok++;
        df_wire_in_free(&in);
        free(exact);
    }
    assert_true(n_ok > 100 && n_refused > 100); /* the mutations reach both sides of the border */
}

static void refused_messages_leak_nothing(void **state) {
    (void)state;
    uint8_t head[16], honest[512];
    size_t n = honest_body(honest, sizeof honest);
    df_err err;
    struct mallinfo2 before = { 0 }, after;
    for (int round = 0; round < 2000; round++) {
        if (round == 100) before = mallinfo2();
        head_make(head, DF_PROTOCOL_VERSION, 0, (uint32_t)(n - 1), 0);
        df_wire_in in = { 0 };
        assert_int_equal(df_wire_decode(&in, head, 16, honest, n - 1, &err), DF_EFORMAT);
    }
    after = mallinfo2();
    assert_true(after.uordblks <= before.uordblks + 4096);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip_with_and_without_blob, pair_open, pair_close),
        cmocka_unit_test_setup_teardown(nothing_there_is_a_timeout, pair_open, pair_close),
        cmocka_unit_test_setup_teardown(gone_peer_is_unreachable, pair_open, pair_close),
        cmocka_unit_test(full_queue_never_blocks),
        cmocka_unit_test_setup_teardown(too_large_a_message_is_not_sent, pair_open, pair_close),
        cmocka_unit_test_setup_teardown(hostile_frames_are_one_clear_error, pair_open, pair_close),
        cmocka_unit_test_setup_teardown(version_of_a_refused_peer_is_known, pair_open, pair_close),
        cmocka_unit_test(huge_counts_meet_the_budget),
        cmocka_unit_test(mutated_bodies_decode_or_fail_cleanly),
        cmocka_unit_test(refused_messages_leak_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
