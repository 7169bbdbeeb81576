/* Peers that mean harm, or are broken, against a coordinator on a real port: what they send is dropped or refused, and
 * those who belong to the farm are served all the while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/file.h"
#include "proto/keys.h"
#include "tests/coordinator/bench.h"

enum { ANSWER_MS = 10000, NO_ANSWER_MS = 700, N_JUNK = 60, N_FLOOD = 5000 };

typedef struct place {
    char *dir, state[256], keys[256];
    df_coordinator *coordinator;
    pthread_t thread;
    void *context; /* of the peers */
} place;

/* keys: DIR/ROLE.key of each role, DIR/peers, and a stranger's folder */

static void add_key(const char *dir, const char *role, const char *known_in) {
    df_key_pair pair;
    df_err err;
    char path[600];
    assert_int_equal(df_key_pair_new(&pair, &err), DF_OK);
    snprintf(path, sizeof path, "%s/%s.key", dir, role);
    assert_int_equal(df_key_pair_write(&pair, path, &err), DF_OK);
    if (!known_in) return;
    snprintf(path, sizeof path, "%s/peers", known_in);
    FILE *file = fopen(path, "a");
    fprintf(file, "%s %s somebody\n", role, pair.public_key);
    fclose(file);
    assert_int_equal(chmod(path, 0644), 0);
}

static void write_public(const char *dir, const char *public_key) {
    char path[600], text[64];
    df_err err;
    snprintf(path, sizeof path, "%s/coordinator.pub", dir);
    int n = snprintf(text, sizeof text, "public %s\n", public_key);
    assert_int_equal(df_file_write(path, text, (size_t)n, &err), DF_OK);
}

static void make_keys(const place *p) {
    static const char *const roles[] = { "submit", "work", "watch" };
    char path[600], strange[600];
    df_key_pair pair;
    df_err err;
    snprintf(strange, sizeof strange, "%s/strange", p->keys);
    assert_int_equal(df_file_mkdirs(strange, &err), DF_OK);
    snprintf(path, sizeof path, "%s/coordinator.key", p->keys);
    assert_int_equal(df_key_pair_new(&pair, &err), DF_OK);
    assert_int_equal(df_key_pair_write(&pair, path, &err), DF_OK);
    write_public(p->keys, pair.public_key);
    write_public(strange, pair.public_key);
    for (int i = 0; i < 3; i++) {
        char folder[600];
        snprintf(folder, sizeof folder, "%s/%s", p->keys, roles[i]);
        assert_int_equal(df_file_mkdirs(folder, &err), DF_OK);
        write_public(folder, pair.public_key);
        add_key(folder, roles[i], p->keys);
    }
    add_key(strange, "submit", NULL);
}

/* the coordinator, in a thread of its own */

static void *run_loop(void *coordinator) {
    df_err err;
    df_coordinator_run(coordinator, &err);
    return NULL;
}

static int open_place(void **state, bool with_keys, size_t max_connections) {
    place *p = calloc(1, sizeof *p);
    df_err err;
    p->dir = bench_temp_dir();
    snprintf(p->state, sizeof p->state, "%s/state", p->dir);
    snprintf(p->keys, sizeof p->keys, "%s/keys", p->dir);
    df_coordinator_cfg cfg = df_coordinator_cfg_default();
    cfg.state_dir = p->state;
    cfg.bind = "tcp://127.0.0.1:*";
    cfg.max_connections = max_connections;
    if (with_keys) {
        make_keys(p);
        cfg.keys_dir = p->keys;
    }
    if (df_coordinator_open(&p->coordinator, &cfg, &err)) fail_msg("%s", err.text);
    assert_int_equal(pthread_create(&p->thread, NULL, run_loop, p->coordinator), 0);
    p->context = zmq_ctx_new();
    *state = p;
    return 0;
}

static int open_with_keys(void **state) {
    return open_place(state, true, 0);
}

static int open_without_keys(void **state) {
    return open_place(state, false, 0);
}

enum { FEW = 20 };

static int open_with_keys_for_few(void **state) {
    return open_place(state, true, FEW);
}

static int open_for_few(void **state) {
    return open_place(state, false, FEW);
}

static int close_place(void **state) {
    place *p = *state;
    df_coordinator_stop(p->coordinator);
    pthread_join(p->thread, NULL);
    df_coordinator_close(&p->coordinator);
    zmq_ctx_term(p->context);
    bench_remove(p->dir);
    free(p);
    return 0;
}

/* peers */

/* Asks once, with the keys of a folder below p->keys (NULL: none); the kind of the answer, 0 if none came. */
static int ask(const place *p, const char *folder, Diffarm__Message msg, int wait_ms) {
    static const char *const any[] = { "submit", "work", "watch", NULL };
    char dir[600];
    df_err err;
    df_wire_in in;
    int zero = 0, kind = 0;
    void *socket = zmq_socket(p->context, ZMQ_DEALER);
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    assert_int_equal(df_wire_tune(socket, 10, 500, &err), DF_OK);
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    snprintf(dir, sizeof dir, "%s/%s", p->keys, folder ? folder : "");
    if (folder && df_curve_connect(socket, dir, any, &err)) fail_msg("%s", err.text);
    assert_int_equal(zmq_connect(socket, df_coordinator_endpoint(p->coordinator)), 0);
    assert_int_equal(df_wire_send(socket, NULL, 0, &msg, NULL, 0, &err), DF_OK);
    if (!df_wire_recv(socket, 0, &in, wait_ms, &err)) kind = (int)in.msg->body_case;
    df_wire_in_free(&in);
    zmq_close(socket);
    return kind;
}

static int look(const place *p, const char *folder, int wait_ms) {
    Diffarm__JobQuery query = DIFFARM__JOB_QUERY__INIT;
    return ask(p, folder, DF_WIRE_MESSAGE(JOB_QUERY, job_query, &query), wait_ms);
}

static int command(const place *p, const char *folder) {
    Diffarm__JobCancel cancel = DIFFARM__JOB_CANCEL__INIT;
    cancel.job_id = (char *)JOB_1;
    return ask(p, folder, DF_WIRE_MESSAGE(JOB_CANCEL, job_cancel, &cancel), ANSWER_MS);
}

static int greet_as_worker(const place *p, const char *folder) {
    Diffarm__Hello hello = DIFFARM__HELLO__INIT;
    hello.role = DIFFARM__HELLO__ROLE__WORKER;
    hello.worker_id = (char *)"w1";
    return ask(p, folder, DF_WIRE_MESSAGE(HELLO, hello, &hello), ANSWER_MS);
}

enum {
    JOB_LIST = DIFFARM__MESSAGE__BODY_JOB_LIST,
    REPLY = DIFFARM__MESSAGE__BODY_REPLY,
    REFUSED = DIFFARM__MESSAGE__BODY_REFUSED,
    WELCOME = DIFFARM__MESSAGE__BODY_WELCOME
};

/* keys */

static void strangers_are_not_heard(void **state) {
    const place *p = *state;
    assert_int_equal(look(p, "watch", ANSWER_MS), JOB_LIST);
    assert_int_equal(look(p, NULL, NO_ANSWER_MS), 0); /* no key at all */
    assert_int_equal(look(p, "strange", NO_ANSWER_MS), 0); /* a key that nobody knows */
    assert_int_equal(look(p, "watch", ANSWER_MS), JOB_LIST);
}

static void a_false_coordinator_is_not_talked_to(void **state) {
    const place *p = *state;
    char folder[600];
    df_key_pair other;
    df_err err;
    assert_int_equal(df_key_pair_new(&other, &err), DF_OK);
    snprintf(folder, sizeof folder, "%s/watch", p->keys);
    write_public(folder, other.public_key);
    assert_int_equal(look(p, "watch", NO_ANSWER_MS), 0);
}

static void a_role_may_do_its_own_only(void **state) {
    const place *p = *state;
    assert_int_equal(look(p, "submit", ANSWER_MS), JOB_LIST);
    assert_int_equal(command(p, "submit"), REPLY);
    assert_int_equal(command(p, "watch"), REFUSED);
    assert_int_equal(command(p, "work"), REFUSED);
    assert_int_equal(look(p, "work", ANSWER_MS), REFUSED);
    assert_int_equal(greet_as_worker(p, "work"), WELCOME);
    assert_int_equal(greet_as_worker(p, "submit"), REFUSED);
    assert_int_equal(greet_as_worker(p, "watch"), REFUSED);
}

static void peers_are_let_in_and_shut_out_while_it_runs(void **state) {
    const place *p = *state;
    char folder[600], path[600];
    df_err err;
    snprintf(folder, sizeof folder, "%s/late", p->keys);
    assert_int_equal(df_file_mkdirs(folder, &err), DF_OK);
    char *public_text = bench_read(p->keys, "coordinator.pub");
    public_text[7 + DF_KEY_CHARS] = '\0';
    write_public(folder, public_text + 7);
    free(public_text);
    df_clock_sleep_ms(20); /* another time of change */
    add_key(folder, "watch", p->keys);
    assert_int_equal(look(p, "late", ANSWER_MS), JOB_LIST);
    df_clock_sleep_ms(20);
    snprintf(path, sizeof path, "%s/peers", p->keys);
    assert_int_equal(df_file_write(path, "# nobody\n", 9, &err), DF_OK);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(look(p, "late", NO_ANSWER_MS), 0);
}

/* junk on the port */

static int raw_connection(const place *p) {
    const char *endpoint = df_coordinator_endpoint(p->coordinator);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1)) };
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void put(int fd, const void *data, size_t bytes) {
    ssize_t n = send(fd, data, bytes, MSG_NOSIGNAL); /* it may have hung up: then it has understood */
    (void)n;
}

/* ZMTP 3.0 with the NULL mechanism, up to where messages begin. */
static void shake_hands(int fd) {
    uint8_t greeting[64] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L' };
    static const uint8_t ready[] = "\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06"
                                   "DEALER";
    put(fd, greeting, sizeof greeting);
    put(fd, ready, sizeof ready - 1);
}

static void junk_of_kind(int fd, int kind, unsigned *seed) {
    uint8_t bytes[2000];
    static const uint8_t huge[] = { 0x03, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'x' };
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)rand_r(seed);
    switch (kind) {
    case 0: put(fd, bytes, sizeof bytes); break;
    case 1: put(fd, "GET / HTTP/1.1\r\nHost: farm\r\n\r\n", 30); break;
    case 2: put(fd, "\xff\0\0\0", 4); break; /* half a greeting */
    case 3:
        shake_hands(fd);
        put(fd, huge, sizeof huge); /* a frame of 2^63 bytes */
        break;
    case 4:
        shake_hands(fd);
        put(fd, bytes, sizeof bytes);
        break;
    default: break; /* says nothing */
    }
}

static void junk_on_the_port_harms_nobody(void **state) {
    const place *p = *state;
    int fds[N_JUNK];
    unsigned seed = 7;
    bool with_keys = access(p->keys, F_OK) == 0;
    for (int i = 0; i < N_JUNK; i++) {
        fds[i] = raw_connection(p);
        junk_of_kind(fds[i], i % 6, &seed);
        if (i % 10 == 9) assert_int_equal(look(p, with_keys ? "submit" : NULL, ANSWER_MS), JOB_LIST);
    }
    for (int i = 0; i < N_JUNK; i++) close(fds[i]);
    assert_int_equal(look(p, with_keys ? "submit" : NULL, ANSWER_MS), JOB_LIST);
}

/* messages that are none, from a peer that was let in */

static size_t random_frames(void *socket, unsigned *seed) {
    static uint8_t bytes[300];
    size_t n = 1 + (size_t)rand_r(seed) % 5;
    for (size_t i = 0; i < n; i++) {
        size_t size = (size_t)rand_r(seed) % sizeof bytes;
        for (size_t k = 0; k < size; k++) bytes[k] = (uint8_t)rand_r(seed);
        if (i == 0 && rand_r(seed) % 2) { /* a head that promises much */
            memcpy(bytes, "DFRM\x01\0\0\0", 8);
            size = 16;
        }
        if (zmq_send(socket, bytes, size, ZMQ_DONTWAIT | (i + 1 < n ? ZMQ_SNDMORE : 0)) < 0) return 0;
    }
    return 1;
}

static void floods_of_garbage_do_not_stop_the_others(void **state) {
    const place *p = *state;
    unsigned seed = 11;
    int zero = 0, hwm = 1000;
    void *socket = zmq_socket(p->context, ZMQ_DEALER);
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &hwm, sizeof hwm);
    assert_int_equal(zmq_connect(socket, df_coordinator_endpoint(p->coordinator)), 0);
    size_t sent = 0;
    for (int i = 0; i < N_FLOOD; i++) sent += random_frames(socket, &seed);
    assert_true(sent > 100);
    int64_t start = df_clock_ms();
    assert_int_equal(look(p, NULL, ANSWER_MS), JOB_LIST);
    assert_true(df_clock_ms() - start < ANSWER_MS);
    zmq_close(socket);
}

/* connections that are too many */

static void wait_for_answer(const place *p, int kind) {
    const char *folder = access(p->keys, F_OK) == 0 ? "submit" : NULL;
    int64_t until_ms = df_clock_ms() + ANSWER_MS;
    for (; look(p, folder, NO_ANSWER_MS) != kind; df_clock_sleep_ms(50)) /* until what was closed is found closed */
        if (df_clock_ms() > until_ms) fail_msg("no answer of kind %d", kind);
}

static void who_is_one_too_many_is_told_so(void **state) {
    const place *p = *state;
    int fds[FEW + 5];
    bool with_keys = access(p->keys, F_OK) == 0; /* then who says anything is thrown out for it */
    wait_for_answer(p, JOB_LIST);
    for (int i = 0; i < FEW + 5; i++) fds[i] = raw_connection(p);
    for (int i = 0; i < FEW + 5 && !with_keys; i++) shake_hands(fds[i]);
    wait_for_answer(p, REFUSED);
    for (int i = 0; i < 10; i++) close(fds[i]);
    wait_for_answer(p, JOB_LIST); /* there is room again */
    for (int i = 10; i < FEW + 5; i++) close(fds[i]);
}

/* Those are told who get that far; the others are not let in, and the coordinator lives. */
static void a_flood_of_connections_passes(void **state) {
    const place *p = *state;
    enum { N = 300 };
    int fds[N];
    for (int i = 0; i < N; i++) shake_hands(fds[i] = raw_connection(p));
    for (int i = 0; i < N; i++) close(fds[i]);
    wait_for_answer(p, JOB_LIST);
}

#define FEW_KEYS(name) cmocka_unit_test_setup_teardown(name, open_with_keys_for_few, close_place)
#define FEW_OPEN(name) cmocka_unit_test_setup_teardown(name, open_for_few, close_place)
#define KEYS(name) cmocka_unit_test_setup_teardown(name, open_with_keys, close_place)
#define OPEN(name) cmocka_unit_test_setup_teardown(name, open_without_keys, close_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        KEYS(strangers_are_not_heard),
        KEYS(a_false_coordinator_is_not_talked_to),
        KEYS(a_role_may_do_its_own_only),
        KEYS(peers_are_let_in_and_shut_out_while_it_runs),
        KEYS(junk_on_the_port_harms_nobody),
        OPEN(junk_on_the_port_harms_nobody),
        OPEN(floods_of_garbage_do_not_stop_the_others),
        FEW_OPEN(who_is_one_too_many_is_told_so),
        FEW_KEYS(who_is_one_too_many_is_told_so),
        FEW_OPEN(a_flood_of_connections_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
