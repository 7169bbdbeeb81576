/* The coordinator as a process of its own, over TCP on loopback, with workers and clients as threads of the test. Run
 * with `serve STATE BIND`, this program is that process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/file.h"
#include "client/commands.h"
#include "tests/coordinator/bench.h"
#include "tests/coordinator/peer.h"

enum { N_ROWS = 50, N_TAR_ROWS = 1040 };

/* the coordinator's process */

typedef struct place {
    char *dir, state[256], out[256], endpoint[256];
    bool is_patient; /* its coordinator: nobody is taken for dead or slow, however loaded the machine is */
    pid_t pid;
} place;

static pid_t spawn(const place *p, const char *bind) {
    pid_t pid = fork();
    if (pid) return pid;
    execl("/proc/self/exe", "test_coordinator", p->is_patient ? "serve-patiently" : "serve", p->state, bind,
          (char *)NULL);
    _exit(127);
}

static int run_command(char **args, int n) {
    return df_cmd_coordinator(n, args);
}

static int serve(bool is_patient, const char *state, const char *bind) {
    char *args[] = { (char *)"diffarm coordinator",
                     (char *)"--state",
                     (char *)state,
                     (char *)"--bind",
                     (char *)bind,
                     (char *)"--heartbeat-ms",
                     (char *)"50",
                     (char *)"--lease-timeout-ms",
                     is_patient ? (char *)"600000" : (char *)"400",
                     (char *)"--lease-seconds",
                     is_patient ? (char *)"3600" : (char *)"30", /* a copy is lent when a tenth of it has passed */
                     (char *)"--stall-retry-ms",
                     (char *)"100",
                     (char *)"--log-level",
                     getenv("DF_TEST_LOG") ? (char *)"debug" : (char *)"off",
                     NULL };
    return run_command(args, sizeof args / sizeof *args - 1);
}

/* Starts it and waits until it says where it listens. */
static void start(place *p) {
    char path[300];
    snprintf(path, sizeof path, "%s/endpoint", p->state);
    unlink(path);
    if (p->endpoint[0]) { /* as it was: a restart must find its port by itself */
        df_err err;
        char line[260];
        int n = snprintf(line, sizeof line, "%s\n", p->endpoint);
        assert_int_equal(df_file_write(path, line, (size_t)n, &err), DF_OK);
    }
    p->pid = spawn(p, "tcp://127.0.0.1:*");
    for (int i = 0; i < 1000; i++, df_clock_sleep_ms(10)) {
        char *text = bench_read(p->state, "endpoint");
        if (!text) continue;
        text[strcspn(text, "\n")] = '\0';
        if (p->endpoint[0]) assert_string_equal(p->endpoint, text);
        snprintf(p->endpoint, sizeof p->endpoint, "%s", text);
        free(text);
        return;
    }
    fail_msg("the coordinator did not start");
}

static int end(place *p, int signal_number) {
    int status;
    kill(p->pid, signal_number);
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    p->pid = 0;
    return status;
}

static int open_place_at(void **state, char *dir, bool is_patient) {
    place *p = calloc(1, sizeof *p);
    df_err err;
    p->dir = dir;
    p->is_patient = is_patient;
    snprintf(p->state, sizeof p->state, "%s/state", p->dir);
    snprintf(p->out, sizeof p->out, "%s/out", p->dir);
    assert_int_equal(df_file_mkdirs(p->state, &err), DF_OK);
    start(p);
    *state = p;
    return 0;
}

static int open_place(void **state) {
    return open_place_at(state, bench_temp_dir(), false);
}

static int open_patient_place(void **state) {
    return open_place_at(state, bench_temp_dir(), true);
}

static int open_place_in_memory(void **state) {
    return open_place_at(state, bench_memory_dir(), false);
}

static int close_place(void **state) {
    place *p = *state;
    if (p->pid) end(p, SIGKILL);
    bench_remove(p->dir);
    free(p);
    return 0;
}

/* The hash of OUT when nothing goes wrong; every test must come to the same. */
static void undisturbed_hash(const char *format, uint64_t n_rows, char *hex) {
    bench *b = bench_open_at(bench_memory_dir());
    b->format = format;
    assert_int_equal(bench_submit(b, JOB_1, b->out, n_rows, NULL), DF_OK);
    bench_hello(b, "w", NULL, NULL);
    for (Diffarm__Lease *lease; (lease = bench_ask(b, "w", 8, 1));)
        for (size_t i = 0; i < lease->n_rows; i++) bench_result(b, "w", lease->token, JOB_1, lease->rows[i]->row);
    bench_wait(b, 1000);
    assert_string_equal(bench_status(b, JOB_1)->state, "done");
    bench_tree_hash(b->out, "runs.jsonl", hex);
    bench_close(b);
}

static void expect_same_out(const place *p) {
    static char expected[65];
    char got[65];
    if (!expected[0]) undisturbed_hash("png", N_ROWS, expected);
    bench_tree_hash(p->out, "runs.jsonl", got);
    assert_string_equal(got, expected);
}

/* tests */

static void two_workers_finish_a_job(void **state) {
    place *p = *state;
    peer_client c;
    peer_client_open(&c, p->endpoint);
    peer_worker *w1 = peer_worker_start(p->endpoint, "w1", 1), *w2 = peer_worker_start(p->endpoint, "w2", 1);
    peer_submit(&c, JOB_1, p->out, N_ROWS);
    peer_submit(&c, JOB_1, p->out, N_ROWS); /* again: changes nothing */
    peer_status s = peer_wait_state(&c, JOB_1, "done");
    assert_int_equal(s.n_done, N_ROWS);
    assert_int_equal(s.n_rows, N_ROWS);
    assert_int_equal(peer_worker_rendered(w1) + peer_worker_rendered(w2), N_ROWS); /* nothing twice */
    peer_worker_stop(&w1);
    peer_worker_stop(&w2);
    peer_client_close(&c);
    expect_same_out(p);
    assert_true(WIFEXITED(end(p, SIGTERM))); /* stops in good order */
}

static void a_worker_that_stops_answering_is_replaced(void **state) {
    place *p = *state;
    peer_client c;
    peer_client_open(&c, p->endpoint);
    peer_worker *w1 = peer_worker_start(p->endpoint, "w1", 20);
    peer_submit(&c, JOB_1, p->out, N_ROWS);
    peer_wait_done(&c, JOB_1, 3);
    peer_worker_mute(w1, true); /* in the middle of a lease; it renders on */
    peer_worker *w2 = peer_worker_start(p->endpoint, "w2", 1);
    peer_status s = peer_wait_state(&c, JOB_1, "done");
    assert_int_equal(s.n_done, N_ROWS);
    assert_int_equal(s.n_duplicates, 0);
    peer_worker_mute(w1, false); /* its late results come now, under a token that is not valid any more */
    for (int i = 0; i < 500 && !peer_look(&c, JOB_1).n_duplicates; i++) df_clock_sleep_ms(10);
    s = peer_look(&c, JOB_1);
    assert_true(s.n_duplicates > 0);
    assert_int_equal(s.n_conflicts, 0);
    peer_worker_stop(&w1);
    peer_worker_stop(&w2);
    peer_client_close(&c);
    expect_same_out(p);
}

static void killed_coordinator_goes_on_where_it_was(void **state) {
    place *p = *state;
    peer_client c;
    peer_client_open(&c, p->endpoint);
    peer_worker *w1 = peer_worker_start(p->endpoint, "w1", 8), *w2 = peer_worker_start(p->endpoint, "w2", 8);
    peer_submit(&c, JOB_1, p->out, N_ROWS);
    for (uint64_t at = 5; at < N_ROWS; at += 12) {
        peer_wait_done(&c, JOB_1, at);
        assert_true(WIFSIGNALED(end(p, SIGKILL)));
        start(p);
    }
    peer_status s = peer_wait_state(&c, JOB_1, "done");
    assert_int_equal(s.n_done, N_ROWS);
    assert_int_equal(s.n_failed, 0);
    assert_int_equal(s.n_conflicts, 0);
    peer_worker_stop(&w1);
    peer_worker_stop(&w2);
    peer_client_close(&c);
    expect_same_out(p);
}

static void killed_at_random_moments_out_is_the_same(void **state) {
    place *p = *state;
    peer_client c;
    unsigned seed = 7;
    peer_client_open(&c, p->endpoint);
    peer_worker *w1 = peer_worker_start(p->endpoint, "w1", 3);
    peer_submit(&c, JOB_1, p->out, N_ROWS);
    for (int i = 0; i < 12; i++) { /* also while it opens the store, writes lists, or has just begun */
        df_clock_sleep_ms(rand_r(&seed) % 40);
        end(p, SIGKILL);
        start(p);
    }
    peer_wait_state(&c, JOB_1, "done");
    peer_worker_stop(&w1);
    peer_client_close(&c);
    expect_same_out(p);
}

static void killed_at_random_moments_shards_are_the_same(void **state) {
    place *p = *state;
    peer_client c;
    unsigned seed = 11;
    char expected[65], got[65];
    peer_client_open(&c, p->endpoint);
    peer_worker *w1 = peer_worker_start(p->endpoint, "w1", 0), *w2 = peer_worker_start(p->endpoint, "w2", 0);
    peer_submit_as(&c, "tar", JOB_1, p->out, N_TAR_ROWS);
    int n_killed = 0;
    for (; n_killed < 60 && !bench_exists(p->out, "job.json"); n_killed++) {
        df_clock_sleep_ms(20 + rand_r(&seed) % 120);
        end(p, SIGKILL);
        start(p);
    }
    assert_true(n_killed > 5);
    peer_status s = peer_wait_state(&c, JOB_1, "done");
    assert_int_equal(s.n_done, N_TAR_ROWS);
    assert_int_equal(s.n_conflicts, 0);
    peer_worker_stop(&w1);
    peer_worker_stop(&w2);
    peer_client_close(&c);
    undisturbed_hash("tar", N_TAR_ROWS, expected);
    bench_tree_hash(p->out, "runs.jsonl", got);
    assert_string_equal(got, expected);
    assert_true(bench_exists(p->out, "shard-000001_stats.json"));
}

static void cancel_stops_the_workers(void **state) {
    place *p = *state;
    peer_client c;
    peer_client_open(&c, p->endpoint);
    peer_worker *w1 = peer_worker_start(p->endpoint, "w1", 20);
    peer_submit(&c, JOB_1, p->out, N_ROWS);
    peer_wait_done(&c, JOB_1, 2);
    assert_int_equal(peer_cancel(&c, JOB_1), DF_OK);
    peer_status s = peer_look(&c, JOB_1);
    assert_string_equal(s.state, "cancelled");
    df_clock_sleep_ms(100);
    int rendered = peer_worker_rendered(w1);
    df_clock_sleep_ms(200);
    assert_int_equal(peer_worker_rendered(w1), rendered);
    assert_int_equal(peer_look(&c, JOB_1).n_leased, 0);
    peer_worker_stop(&w1);
    peer_client_close(&c);
}

static void another_protocol_version_is_refused_with_a_reason(void **state) {
    place *p = *state;
    peer_client c;
    df_wire_in in;
    df_err err;
    uint8_t head[16] = { 'D', 'F', 'R', 'M', 9, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0 };
    peer_client_open(&c, p->endpoint);
    zmq_send(c.socket, head, sizeof head, ZMQ_SNDMORE);
    zmq_send(c.socket, "abc", 3, 0);
    assert_int_equal(df_wire_recv(c.socket, 0, &in, 5000, &err), DF_OK);
    assert_int_equal(in.msg->body_case, DIFFARM__MESSAGE__BODY_REFUSED);
    assert_int_equal(in.msg->refused->code, DF_EPROTOCOL);
    assert_non_null(strstr(in.msg->refused->reason, "version 9"));
    df_wire_in_free(&in);
    zmq_send(c.socket, "junk", 4, 0); /* and rubbish does not stop it */
    assert_int_equal(df_wire_recv(c.socket, 0, &in, 5000, &err), DF_OK);
    assert_int_equal(in.msg->refused->code, DF_EFORMAT);
    df_wire_in_free(&in);
    peer_client_close(&c);
}

static int exit_code_of(char **args, int n) {
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        if (!freopen("/dev/null", "w", stderr)) _exit(99);
        _exit(run_command(args, n));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void wrong_starts_end_with_the_agreed_codes(void **state) {
    place *p = *state;
    char *taken[] = { (char *)"x", (char *)"--state", p->state, NULL };
    char *open_to_all[] = { (char *)"x",      (char *)"--state",   (char *)"/tmp/df-never-made",
                            (char *)"--bind", (char *)"tcp://*:0", NULL };
    char *nowhere[] = { (char *)"x", NULL };
    char *unknown[] = { (char *)"x", (char *)"--state", p->dir, (char *)"--frobnicate", NULL };
    char *no_endpoint[] = { (char *)"x", (char *)"--state", p->dir, (char *)"--bind", (char *)"localhost", NULL };
    assert_int_equal(exit_code_of(taken, 3), DF_EXIT_NO_FARM);
    assert_int_equal(exit_code_of(open_to_all, 5), DF_EXIT_USAGE);
    assert_false(bench_exists("/tmp", "df-never-made"));
    assert_int_equal(exit_code_of(nowhere, 1), DF_EXIT_USAGE);
    assert_int_equal(exit_code_of(unknown, 4), DF_EXIT_USAGE);
    assert_int_equal(exit_code_of(no_endpoint, 5), DF_EXIT_USAGE);
}

static void *run_loop(void *arg) {
    df_err err;
    return df_coordinator_run(arg, &err) ? arg : NULL;
}

static void another_thread_may_stop_it_and_the_port_stays(void **state) {
    place *p = *state;
    df_coordinator *c, *second = NULL;
    df_err err;
    char folder[300], endpoint[256];
    snprintf(folder, sizeof folder, "%s/own", p->dir);
    df_coordinator_cfg cfg = df_coordinator_cfg_default();
    cfg.state_dir = folder;
    cfg.bind = "tcp://127.0.0.1:*";
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        void *failed;
        assert_int_equal(df_coordinator_open(&c, &cfg, &err), DF_OK);
        assert_int_equal(df_coordinator_open(&second, &cfg, &err), DF_EEXIST);
        assert_null(second);
        if (i) assert_string_equal(df_coordinator_endpoint(c), endpoint);
        snprintf(endpoint, sizeof endpoint, "%s", df_coordinator_endpoint(c));
        assert_int_equal(pthread_create(&thread, NULL, run_loop, c), 0);
        df_clock_sleep_ms(20);
        df_coordinator_stop(c);
        pthread_join(thread, &failed);
        assert_null(failed);
        df_coordinator_close(&c);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)

int main(int argc, char **argv) {
    if (argc == 4) return serve(!strcmp(argv[1], "serve-patiently"), argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_workers_finish_a_job, open_patient_place, close_place),
        TEST(a_worker_that_stops_answering_is_replaced),
        TEST(killed_coordinator_goes_on_where_it_was),
        TEST(killed_at_random_moments_out_is_the_same),
        cmocka_unit_test_setup_teardown(killed_at_random_moments_shards_are_the_same, open_place_in_memory,
                                        close_place),
        TEST(cancel_stops_the_workers),
        TEST(another_protocol_version_is_refused_with_a_reason),
        TEST(another_thread_may_stop_it_and_the_port_stays),
        TEST(wrong_starts_end_with_the_agreed_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
