#include "tests/cluster/device_exercise.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cluster/channels.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"

enum { ROUNDS = 40, BUFFERS = 3, BYTES = 3000 };

static int wait_for(df_comm *c, df_comm_request **req) {
    df_err err;
    bool done = false;
    int64_t until = df_clock_ms() + 20000;
    while (!done && df_clock_ms() < until) {
        if (c->ops->test(c, req, &done, &err)) return 1;
        if (!done) c->ops->idle(c, 1000);
    }
    return !done;
}

static int value_of(int rank, int round) {
    return (rank * 101 + round * 7) % 251;
}

typedef struct place {
    void *out, *in;
    df_comm_request *sent, *received;
    int round; /* of what is received */
} place;

static int collect(df_comm *c, place *p, cudaStream_t compute) {
    int peer = (c->rank + c->size - 1) % c->size;
    if (!p->received) return 0;
    int failed = wait_for(c, &p->received);
    gpu_double_expect(compute, p->in, BYTES, value_of(peer, p->round));
    return failed + wait_for(c, &p->sent);
}

static int post_round(df_comm *c, place *p, int round, cudaStream_t compute) {
    df_err err;
    int next = (c->rank + 1) % c->size, before = (c->rank + c->size - 1) % c->size;
    gpu_double_fill(compute, p->out, BYTES, value_of(c->rank, round));
    p->round = round;
    if (df_comm_group_begin(c, &err)) return 1;
    df_code rc = c->ops->recv(c, before, DF_CHANNEL_DATA, p->in, BYTES, &p->received, &err);
    if (!rc) rc = c->ops->send(c, next, DF_CHANNEL_DATA, p->out, BYTES, &p->sent, &err);
    return df_comm_group_end(c, rc, &err) != DF_OK;
}

int device_exercise(df_comm *c) {
    place p[BUFFERS] = { 0 };
    cudaStream_t compute;
    int failed = gpu_double.stream_create(&compute) != cudaSuccess;
    c->ops->compute_on(c, compute);
    for (int i = 0; i < BUFFERS; i++) failed += gpu_double.alloc(&p[i].out, BYTES) || gpu_double.alloc(&p[i].in, BYTES);
    for (int i = 0; i < ROUNDS && !failed; i++) {
        failed += collect(c, &p[i % BUFFERS], compute);
        failed += post_round(c, &p[i % BUFFERS], i, compute);
    }
    for (int i = 0; i < BUFFERS && !failed; i++) failed += collect(c, &p[i], compute);
    gpu_double.stream_wait(compute);
    for (int i = 0; i < BUFFERS; i++) failed += gpu_double.free(p[i].out) || gpu_double.free(p[i].in);
    return failed + (gpu_double.stream_destroy(compute) != cudaSuccess);
}

typedef struct rank_run {
    df_comm *comm;
    int (*body)(df_comm *c);
    int failed;
    pthread_t thread;
} rank_run;

static void *run_rank(void *arg) {
    rank_run *r = arg;
    r->failed = r->body(r->comm);
    r->comm->ops->close(&r->comm);
    return NULL;
}

int run_ranks(df_comm **c, int size, int (*body)(df_comm *c)) {
    rank_run run[RUN_RANKS_MOST];
    int failed = 0;
    for (int i = 0; i < size; i++) {
        run[i] = (rank_run) { .comm = c[i], .body = body };
        if (pthread_create(&run[i].thread, NULL, run_rank, &run[i])) abort();
    }
    for (int i = 0; i < size; i++) {
        pthread_join(run[i].thread, NULL);
        failed += run[i].failed;
    }
    return failed;
}
