#include "tests/cluster/comm_exercise.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { N_MESSAGES = 40, N_CHANNELS = 3, LONGEST = 200000 };

typedef struct message {
    df_comm_request *req;
    unsigned char *data;
    size_t bytes;
} message;

static int wrong(const df_comm *c, const char *fmt, ...) {
    va_list args;
    fprintf(stderr, "%s rank %d of %d: ", c->ops->name, c->rank, c->size);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return 1;
}

/* Size and content follow from who sends what where, so that a message in the wrong place shows. Some are empty. */
static size_t size_of(int from, int to, int channel, int i) {
    unsigned h = (unsigned)(from * 7919 + to * 104729 + channel * 1299709 + i * 15485863);
    return i % 7 == 3 ? 0 : i % 11 == 5 ? LONGEST - h % 1000 : h % 5000;
}

static unsigned char byte_of(int from, int to, int channel, int i, size_t at) {
    return (unsigned char)(from * 31 + to * 17 + channel * 5 + i * 3 + (int)(at * 7));
}

static bool message_new(message *m, size_t bytes) {
    *m = (message) { .data = malloc(bytes ? bytes : 1), .bytes = bytes };
    return m->data != NULL;
}

static int finish(df_comm *c, message *all, int n) {
    df_err err;
    int64_t until = df_clock_ms() + 20000;
    for (int left = n; left;) {
        left = 0;
        for (int i = 0; i < n; i++) {
            bool done = false;
            if (!all[i].req) continue;
            if (c->ops->test(c, &all[i].req, &done, &err)) return wrong(c, "test: %s", err.text);
            left += !done;
        }
        if (left && df_clock_ms() > until) return wrong(c, "%d of %d messages not moved after 20 s", left, n);
        if (left) c->ops->idle(c, 1000);
    }
    return 0;
}

/* Every pair of ranks, both ways, several channels at once; receives are posted channel by channel from the last,
 * sends message by message: order holds within a channel only. */
static int all_to_all(df_comm *c, int first) {
    int per_peer = N_MESSAGES * N_CHANNELS, n_max = 2 * c->size * per_peer, n = 0, failed = 0;
    message *all = calloc((size_t)n_max, sizeof *all);
    df_err err;
    for (int peer = 0; peer < c->size; peer++)
        for (int ch = N_CHANNELS - 1; ch >= 0 && peer != c->rank; ch--)
            for (int i = 0; i < N_MESSAGES; i++) {
                message *m = &all[n++];
                if (!message_new(m, size_of(peer, c->rank, ch, i))) return wrong(c, "out of memory");
                memset(m->data, 0xee, m->bytes);
                if (c->ops->recv(c, peer, first + ch, m->data, m->bytes, &m->req, &err))
                    return wrong(c, "%s", err.text);
            }
    int n_recv = n;
    for (int i = 0; i < N_MESSAGES; i++)
        for (int peer = 0; peer < c->size; peer++)
            for (int ch = 0; ch < N_CHANNELS && peer != c->rank; ch++) {
                message *m = &all[n++];
                if (!message_new(m, size_of(c->rank, peer, ch, i))) return wrong(c, "out of memory");
                for (size_t b = 0; b < m->bytes; b++) m->data[b] = byte_of(c->rank, peer, ch, i, b);
                if (c->ops->send(c, peer, first + ch, m->data, m->bytes, &m->req, &err))
                    return wrong(c, "%s", err.text);
            }
    failed += finish(c, all, n);
    int k = 0;
    for (int peer = 0; peer < c->size; peer++)
        for (int ch = N_CHANNELS - 1; ch >= 0 && peer != c->rank; ch--)
            for (int i = 0; i < N_MESSAGES; i++, k++)
                for (size_t b = 0; b < all[k].bytes; b++)
                    if (all[k].data[b] != byte_of(peer, c->rank, ch, i, b)) {
                        failed += wrong(c, "channel %d message %d from %d: byte %zu differs", ch, i, peer, b);
                        break;
                    }
    if (k != n_recv) failed += wrong(c, "%d receives, %d posted", k, n_recv);
    for (int i = 0; i < n; i++) free(all[i].data);
    free(all);
    return failed;
}

/* One number around the ring, many times: latency, order, and idle() that wakes up. */
static int ring(df_comm *c, int channel) {
    enum { ROUNDS = 200 };
    int failed = 0, next = (c->rank + 1) % c->size, prev = (c->rank + c->size - 1) % c->size;
    df_err err;
    for (int round = 0; round < ROUNDS && !failed; round++) {
        int64_t got = -1, out = round;
        message in = { .bytes = sizeof got }, to = { .bytes = sizeof out };
        if (c->ops->recv(c, prev, channel, &got, sizeof got, &in.req, &err)) return wrong(c, "%s", err.text);
        if (c->rank != 0) {
            failed += finish(c, &in, 1);
            out = got;
        }
        if (c->ops->send(c, next, channel, &out, sizeof out, &to.req, &err)) return wrong(c, "%s", err.text);
        failed += finish(c, &to, 1);
        if (c->rank == 0) failed += finish(c, &in, 1);
        if (got != round) failed += wrong(c, "round %d brought %lld", round, (long long)got);
    }
    return failed;
}

static int refusals(df_comm *c, int channel) {
    df_comm_request *req = NULL;
    df_err err = { 0 };
    int failed = 0;
    if (c->ops->send(c, c->size, channel, &err, 1, &req, &err) != DF_EINVAL)
        failed += wrong(c, "a rank that is not there");
    if (c->ops->recv(c, -1, channel, &err, 1, &req, &err) != DF_EINVAL) failed += wrong(c, "rank -1 was taken");
    if (c->ops->send(c, c->rank, channel, &err, 1, &req, &err) != DF_EINVAL) failed += wrong(c, "a message to oneself");
    return failed;
}

int comm_exercise(df_comm *c, int first_channel) {
    int failed = refusals(c, first_channel);
    if (c->size == 1) return failed;
    failed += all_to_all(c, first_channel) + ring(c, first_channel + N_CHANNELS);
    return failed + all_to_all(c, first_channel);
}
