/* The web server over real sockets, fed by a farm whose clock belongs to the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "coordinator/web/watch.h"
#include "tests/coordinator/bench.h"

enum { MAX_ANSWER = 1 << 20, PATIENCE_MS = 10000 };

typedef struct site {
    bench *b;
    df_watch *watch;
    int port;
    char *answer; /* the last one, whole */
} site;

/* The page at a port that is free: the one that the system gives to a socket of ours, closed just before. */
static int free_port(void) {
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static site *site_open(const char *token_file) {
    site *s = calloc(1, sizeof *s);
    char address[64];
    df_err err;
    s->b = bench_open();
    s->answer = malloc(MAX_ANSWER);
    s->port = free_port();
    snprintf(address, sizeof address, "127.0.0.1:%d", s->port);
    const df_web_cfg cfg = { .bind = address, .token_file = token_file };
    assert_int_equal(df_watch_open(&s->watch, &cfg, s->b->farm, &err), DF_OK);
    df_watch_turn(s->watch, df_clock_ms());
    return s;
}

static void site_close(site *s) {
    df_watch_close(&s->watch);
    bench_close(s->b);
    free(s->answer);
    free(s);
}

static int connect_to(const site *s) {
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)s->port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* Reads until the text comes, or the end of the connection when it is NULL. */
static bool hear(site *s, int fd, const char *text) {
    size_t n = 0;
    s->answer[0] = '\0';
    struct pollfd p = { .fd = fd, .events = POLLIN };
    while (n < MAX_ANSWER - 1 && poll(&p, 1, PATIENCE_MS) > 0) {
        ssize_t got = read(fd, s->answer + n, MAX_ANSWER - 1 - n);
        if (got <= 0) break;
        for (ssize_t i = 0; i < got; i++)
            if (!s->answer[n + (size_t)i]) s->answer[n + (size_t)i] = '?'; /* pictures: text for strstr */
        n += (size_t)got;
        s->answer[n] = '\0';
        if (text && strstr(s->answer, text)) return true;
    }
    return !text;
}

static int ask(site *s, const char *request) {
    int fd = connect_to(s);
    ssize_t sent = send(fd, request, strlen(request), MSG_NOSIGNAL);
    (void)sent; /* it may be refused half-way */
    hear(s, fd, NULL);
    close(fd);
    return atoi(s->answer + (strlen(s->answer) > 9 ? 9 : 0));
}

static int get_with(site *s, const char *path, const char *headers) {
    char request[4096];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%sConnection: close\r\n\r\n", path,
             headers);
    return ask(s, request);
}

static int get(site *s, const char *path) {
    return get_with(s, path, "");
}

static void says(const site *s, const char *text) {
    if (!strstr(s->answer, text)) fail_msg("'%s' is not in: %.2000s", text, s->answer);
}

/* A job of which one picture is done and one has failed. */
static void some_work(site *s) {
    assert_int_equal(bench_submit(s->b, JOB_1, s->b->out, 4, NULL), DF_OK);
    bench_hello(s->b, "w1", MODEL_A, NULL);
    Diffarm__Lease *lease = bench_ask(s->b, "w1", 4, 1);
    assert_int_equal(bench_result(s->b, "w1", lease->token, JOB_1, 0), 1);
    bench_failed(s->b, "w1", lease->token, JOB_1, 1, DF_EINVAL);
    df_watch_turn(s->watch, df_clock_ms() + DF_WATCH_EVERY_MS);
}

static void pages_are_there(void **state) {
    (void)state;
    site *s = site_open(NULL);
    assert_int_equal(get(s, "/"), 200);
    says(s, "<script src=\"/page.js\"");
    says(s, "Content-Security-Policy: default-src 'none'");
    assert_int_equal(get(s, "/page.css"), 200);
    assert_int_equal(get(s, "/page.js"), 200);
    says(s, "EventSource");
    assert_int_equal(get(s, "/healthz"), 200);
    assert_int_equal(get(s, "/state"), 200);
    says(s, "\"jobs\":[]");
    site_close(s);
}

static void the_farm_is_told(void **state) {
    (void)state;
    site *s = site_open(NULL);
    some_work(s);
    assert_int_equal(get(s, "/state"), 200);
    says(s, "\"id\":\"" JOB_1 "\"");
    says(s, "\"images\":4,\"done\":1,\"failed\":1,\"leased\":2");
    says(s, "\"name\":\"w1\"");
    says(s, "\"prompt\":\"prompt 1\""); /* of the failure */
    says(s, "\"pictures\":[{\"job\":\"" JOB_1 "\",\"row\":0,");
    assert_int_equal(get(s, "/metrics"), 200);
    says(s, "Content-Type: text/plain; version=0.0.4");
    says(s, "\ndiffarm_jobs{state=\"running\"} 1\n");
    says(s, "\ndiffarm_images_committed_total 1\n");
    says(s, "\ndiffarm_job_images{job=\"" JOB_1 "\",state=\"leased\"} 2\n");
    site_close(s);
}

static void thumbnails_are_of_committed_rows_only(void **state) {
    (void)state;
    site *s = site_open(NULL);
    some_work(s);
    assert_int_equal(get(s, "/thumb/" JOB_1 "/0"), 404); /* a made-up picture: it does not decode */
    char path[300], *png;
    size_t bytes;
    df_err err;
    assert_int_equal(
        df_file_read(DF_SOURCE_DIR "/tests/golden/starter_reference/pictures/v000.png", 1 << 20, &png, &bytes, &err),
        DF_OK);
    snprintf(path, sizeof path, "%s/images/000000/00000000.png", s->b->out);
    assert_int_equal(df_file_write(path, png, bytes, &err), DF_OK);
    free(png);
    assert_int_equal(get(s, "/thumb/" JOB_1 "/0"), 200);
    says(s, "Content-Type: image/png");
    static const char *const others[] = { "/thumb/" JOB_1 "/1",          "/thumb/" JOB_2 "/0",
                                          "/thumb/" JOB_1 "/0x",         "/thumb/" JOB_1 "/",
                                          "/thumb/" JOB_1 "/../0",       "/thumb/../../etc/passwd",
                                          "/images/000000/00000000.png", "/job.json",
                                          "/thumb/" JOB_1 "/-1",         "/thumb/" JOB_1 "/18446744073709551616" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_int_equal(get(s, others[i]), 404);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(get(s, "/thumb/" JOB_1 "/0"), 200); /* as it was: the link is not looked at */
    site_close(s);
}

static void a_stream_tells_each_change(void **state) {
    (void)state;
    static const char request[] = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    site *s = site_open(NULL);
    int fd = connect_to(s);
    assert_int_equal(send(fd, request, sizeof request - 1, 0), sizeof request - 1);
    assert_true(hear(s, fd, "\"jobs\":[]"));
    says(s, "Content-Type: text/event-stream");
    some_work(s);
    assert_true(hear(s, fd, "\"id\":\"" JOB_1 "\""));
    for (int i = 2; i < 50; i++) df_watch_turn(s->watch, df_clock_ms() + i * DF_WATCH_EVERY_MS); /* nobody reads */
    df_watch_close(&s->watch); /* with the stream open */
    hear(s, fd, NULL);
    close(fd);
    site_close(s);
}

static void streams_are_counted(void **state) {
    (void)state;
    static const char request[] = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    site *s = site_open(NULL);
    int fds[16];
    for (int i = 0; i < 16; i++) {
        fds[i] = connect_to(s);
        assert_int_equal(send(fds[i], request, sizeof request - 1, 0), sizeof request - 1);
        assert_true(hear(s, fds[i], "\"jobs\":[]"));
    }
    assert_int_equal(get(s, "/events"), 503);
    assert_int_equal(get(s, "/state"), 200); /* the rest still answers */
    for (int i = 0; i < 16; i++) close(fds[i]);
    site_close(s);
}

static void bad_requests_are_refused(void **state) {
    (void)state;
    site *s = site_open(NULL);
    char *huge = malloc(1 << 17);
    memset(huge, 'a', 1 << 17);
    huge[(1 << 17) - 1] = '\0';
    assert_int_equal(ask(s, "POST /state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\nx"), 405);
    assert_int_equal(ask(s, "GET /state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"), 413);
    assert_int_equal(ask(s, "GET /state HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n"), 403);
    assert_int_equal(ask(s, "GET /state HTTP/1.0\r\n\r\n"), 403);
    char *request;
    assert_true(asprintf(&request, "GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n", huge) > 0);
    assert_int_not_equal(ask(s, request), 200);
    free(request);
    ask(s, "\x16\x03\x01\x02 no HTTP at all\r\n\r\n");
    assert_int_equal(get(s, "/nothing"), 404);
    assert_int_equal(get(s, "/healthz"), 200);
    free(huge);
    site_close(s);
}

static void the_token_is_asked_for(void **state) {
    (void)state;
    static const char token[] = "0123456789abcdefghij";
    char *dir = bench_temp_dir(), path[300];
    df_err err;
    snprintf(path, sizeof path, "%s/token", dir);
    assert_int_equal(df_file_write(path, token, strlen(token), &err), DF_OK);
    assert_int_equal(chmod(path, 0600), 0);
    site *s = site_open(path);
    assert_int_equal(get(s, "/"), 401);
    assert_int_equal(get(s, "/events"), 401);
    assert_int_equal(get(s, "/metrics"), 401);
    assert_int_equal(get(s, "/healthz"), 200);
    assert_int_equal(get(s, "/state?token=0123456789abcdefghij"), 401); /* only the page takes it from the address */
    assert_int_equal(get(s, "/?token=0123456789abcdefghik"), 401);
    assert_int_equal(get(s, "/?token=0123456789abcdefghij"), 303);
    says(s, "diffarm_token=0123456789abcdefghij; Path=/; HttpOnly; SameSite=Strict");
    assert_int_equal(get_with(s, "/state", "Cookie: diffarm_token=0123456789abcdefghij\r\n"), 200);
    assert_int_equal(get_with(s, "/metrics", "Authorization: Bearer 0123456789abcdefghij\r\n"), 200);
    assert_int_equal(get_with(s, "/metrics", "Authorization: Bearer 0123456789\r\n"), 401);
    site_close(s);
    bench_remove(dir);
}

static void beyond_loopback_needs_a_token(void **state) {
    (void)state;
    df_web *w = NULL;
    df_err err;
    const df_web_cfg cfg = { .bind = "0.0.0.0:0" };
    assert_int_equal(df_web_open(&w, &cfg, &err), DF_EINVAL);
    assert_non_null(strstr(err.text, "--http-token"));
    assert_null(w);
}

static void a_loop_that_stands_still_is_not_well(void **state) {
    (void)state;
    site *s = site_open(NULL);
    df_watch_turn(s->watch, df_clock_ms() - 20000); /* too early: changes nothing */
    assert_int_equal(get(s, "/healthz"), 200);
    df_watch_close(&s->watch);
    char address[64];
    df_err err;
    snprintf(address, sizeof address, "127.0.0.1:%d", s->port);
    const df_web_cfg cfg = { .bind = address };
    assert_int_equal(df_watch_open(&s->watch, &cfg, s->b->farm, &err), DF_OK);
    assert_int_equal(get(s, "/healthz"), 503); /* nothing was published yet */
    df_watch_turn(s->watch, df_clock_ms() - 20000);
    assert_int_equal(get(s, "/healthz"), 503);
    site_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_there),
        cmocka_unit_test(the_farm_is_told),
        cmocka_unit_test(thumbnails_are_of_committed_rows_only),
        cmocka_unit_test(a_stream_tells_each_change),
        cmocka_unit_test(streams_are_counted),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(the_token_is_asked_for),
        cmocka_unit_test(beyond_loopback_needs_a_token),
        cmocka_unit_test(a_loop_that_stands_still_is_not_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
