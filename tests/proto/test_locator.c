/* A socket that follows a file to wherever the coordinator listens now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/file.h"
#include "proto/locator.h"

typedef struct place {
    char dir[32], path[64], named[80];
    void *context, *socket;
} place;

static int open_place(void **state) {
    int timeout_ms = 5000, immediate = 1, none = 0;
    place *p = calloc(1, sizeof *p);
    *state = p;
    snprintf(p->dir, sizeof p->dir, "/tmp/df-locator-XXXXXX");
    if (!mkdtemp(p->dir)) return -1;
    snprintf(p->path, sizeof p->path, "%s/endpoint", p->dir);
    snprintf(p->named, sizeof p->named, "file://%s", p->path);
    p->context = zmq_ctx_new();
    p->socket = zmq_socket(p->context, ZMQ_DEALER);
    zmq_setsockopt(p->socket, ZMQ_SNDTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(p->socket, ZMQ_IMMEDIATE, &immediate, sizeof immediate);
    return zmq_setsockopt(p->socket, ZMQ_LINGER, &none, sizeof none);
}

static int close_place(void **state) {
    place *p = *state;
    zmq_close(p->socket);
    zmq_ctx_term(p->context);
    df_code rc = df_file_remove_tree(p->dir, NULL);
    free(p);
    return rc != DF_OK;
}

/* A coordinator at a port of its own, which it writes into the file. */
static void *listen_and_tell(const place *p) {
    char endpoint[128];
    size_t bytes = sizeof endpoint;
    int timeout_ms = 100;
    void *s = zmq_socket(p->context, ZMQ_DEALER);
    assert_int_equal(zmq_bind(s, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_setsockopt(s, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms), 0);
    assert_int_equal(zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, endpoint, &bytes), 0);
    strcat(endpoint, "\n");
    assert_int_equal(df_file_write(p->path, endpoint, strlen(endpoint), NULL), DF_OK);
    return s;
}

/* What is sent while the socket changes places may be lost, so it is sent again, as the farm's messages are. */
static void assert_reaches(const place *p, void *listener) {
    char got = 0;
    for (int i = 0; i < 100 && got != 'x'; i++) {
        zmq_send(p->socket, "x", 1, 0);
        zmq_recv(listener, &got, 1, 0);
    }
    assert_int_equal(got, 'x');
}

/* Nothing of four comes there. */
static void assert_does_not_reach(const place *p, void *listener) {
    char got;
    while (zmq_recv(listener, &got, 1, ZMQ_DONTWAIT) == 1) continue;
    for (int i = 0; i < 4; i++) assert_int_equal(zmq_send(p->socket, "x", 1, 0), 1);
    assert_int_equal(zmq_recv(listener, &got, 1, 0), -1);
}

static void a_file_that_is_not_there_yet_is_waited_for(void **state) {
    place *p = *state;
    df_locator l = { .named = p->named };
    assert_int_equal(df_locator_follow(&l, p->socket, NULL), DF_OK);
    assert_string_equal(l.at, "");
    void *listener = listen_and_tell(p);
    assert_int_equal(df_locator_follow(&l, p->socket, NULL), DF_OK);
    assert_reaches(p, listener);
    zmq_close(listener);
}

static void a_coordinator_that_moved_is_found_again(void **state) {
    place *p = *state;
    df_locator l = { .named = p->named };
    void *first = listen_and_tell(p), *second;
    assert_int_equal(df_locator_follow(&l, p->socket, NULL), DF_OK);
    assert_reaches(p, first);
    second = listen_and_tell(p);
    assert_int_equal(df_locator_follow(&l, p->socket, NULL), DF_OK);
    assert_reaches(p, second);
    assert_does_not_reach(p, first);
    zmq_close(first);
    zmq_close(second);
}

static void a_plain_endpoint_is_connected_once(void **state) {
    place *p = *state;
    df_locator l = { .named = "tcp://127.0.0.1:9" };
    assert_int_equal(df_locator_follow(&l, p->socket, NULL), DF_OK);
    assert_int_equal(df_locator_follow(&l, p->socket, NULL), DF_OK);
    assert_string_equal(l.at, "tcp://127.0.0.1:9");
    assert_int_equal(zmq_disconnect(p->socket, l.at), 0);
    assert_int_not_equal(zmq_disconnect(p->socket, l.at), 0);
}

static void what_is_no_endpoint_is_named(void **state) {
    static const char *const bad[] = { "", "\n", "hello\n", "tcp://\n", "nonsense://here\n" };
    place *p = *state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        df_err err;
        df_locator l = { .named = p->named };
        assert_int_equal(df_file_write(p->path, bad[i], strlen(bad[i]), NULL), DF_OK);
        assert_int_equal(df_locator_follow(&l, p->socket, &err), DF_EINVAL);
        assert_string_equal(l.at, "");
        assert_non_null(strstr(err.text, "endpoint"));
    }
}

static void a_long_file_is_refused(void **state) {
    place *p = *state;
    char text[1000];
    memset(text, 'x', sizeof text);
    df_locator l = { .named = p->named };
    assert_int_equal(df_file_write(p->path, text, sizeof text, NULL), DF_OK);
    assert_int_equal(df_locator_follow(&l, p->socket, NULL), DF_ELIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_that_is_not_there_yet_is_waited_for, open_place, close_place),
        cmocka_unit_test_setup_teardown(a_coordinator_that_moved_is_found_again, open_place, close_place),
        cmocka_unit_test_setup_teardown(a_plain_endpoint_is_connected_once, open_place, close_place),
        cmocka_unit_test_setup_teardown(what_is_no_endpoint_is_named, open_place, close_place),
        cmocka_unit_test_setup_teardown(a_long_file_is_refused, open_place, close_place),
    };
    return cmocka_run_group_tests_name("locator", tests, NULL, NULL);
}
