#include "client/simulate/crowd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"

enum { RESERVED_DESCRIPTORS = 64, DESCRIPTORS_A_WORKER = 2, TICK_MS = 20, MAX_EVENTS = 256 };

typedef struct crowd {
    const df_crowd_cfg *cfg; /* borrowed */
    void *context;
    int epoll_fd;
    df_noop_worker *workers;
    int n_open;
    int next; /* whose clock is looked at next */
    int64_t clocks_ms; /* when that was last done */
} crowd;

static df_code check_descriptors(int n_workers, df_err *err) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return df_err_errno(err, errno, "limit of open files");
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = { limit.rlim_max, limit.rlim_max };
        if (!setrlimit(RLIMIT_NOFILE, &raised)) limit = raised;
    }
    rlim_t needed = (rlim_t)n_workers * DESCRIPTORS_A_WORKER + RESERVED_DESCRIPTORS;
    if (limit.rlim_cur >= needed) return DF_OK;
    return df_err_set(err, DF_ELIMIT,
                      "%d workers need %llu open files, %llu are allowed: more --processes, or ulimit -n", n_workers,
                      (unsigned long long)needed, (unsigned long long)limit.rlim_cur);
}

/* A socket's descriptor becomes readable when something may have come; data is the worker's number here. */
static df_code watch(const crowd *c, int fd, uint32_t number, df_err *err) {
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = number };
    return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? df_err_errno(err, errno, "epoll") : DF_OK;
}

static df_code open_worker(crowd *c, df_err *err) {
    int number = c->n_open, fd;
    size_t bytes = sizeof fd;
    df_noop_worker *w = &c->workers[number];
    df_code rc = df_noop_worker_open(w, c->context, &c->cfg->shape, c->cfg->first + number, err);
    c->n_open += w->socket != NULL;
    if (rc) return rc;
    if (zmq_getsockopt(w->socket, ZMQ_FD, &fd, &bytes)) return df_err_set(err, DF_EIO, "%s", zmq_strerror(zmq_errno()));
    return watch(c, fd, (uint32_t)number, err);
}

static df_code open_all(crowd *c, int stop_fd, df_err *err) {
    int n = c->cfg->n_workers;
    df_code rc = check_descriptors(n, err);
    if (rc) return rc;
    c->workers = calloc((size_t)n, sizeof *c->workers);
    c->context = zmq_ctx_new();
    if (!c->workers || !c->context) return df_err_set(err, DF_ENOMEM, "%d workers", n);
    zmq_ctx_set(c->context, ZMQ_MAX_SOCKETS, n + 1);
    if ((c->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0) return df_err_errno(err, errno, "epoll");
    rc = watch(c, stop_fd, (uint32_t)n, err);
    while (!rc && c->n_open < n) rc = open_worker(c, err);
    return rc;
}

static void close_all(crowd *c) {
    for (int i = 0; i < c->n_open; i++) df_noop_worker_close(&c->workers[i]);
    if (c->context) zmq_ctx_term(c->context);
    if (c->epoll_fd >= 0) close(c->epoll_fd);
    free(c->workers);
}

/* The clocks of some of the workers at a time, so that all heartbeats do not fall together. */
static df_code look_at_clocks(crowd *c, int64_t now_ms, df_err *err) {
    int64_t period_ms = c->cfg->shape.images_per_second > 0 ? 100 : 500, passed_ms = now_ms - c->clocks_ms;
    int64_t n = passed_ms >= period_ms ? c->n_open : passed_ms * c->n_open / period_ms;
    df_code rc = DF_OK;
    for (int64_t i = 0; i < n && !rc; i++, c->next = (c->next + 1) % c->n_open)
        rc = df_noop_worker_turn(&c->workers[c->next], now_ms, err);
    if (n) c->clocks_ms = now_ms;
    return rc;
}

static df_code serve(crowd *c, df_err *err) {
    struct epoll_event events[MAX_EVENTS];
    c->clocks_ms = df_clock_ms();
    for (df_code rc = DF_OK;;) {
        int n = epoll_wait(c->epoll_fd, events, MAX_EVENTS, TICK_MS);
        if (n < 0 && errno != EINTR) return df_err_errno(err, errno, "epoll");
        int64_t now_ms = df_clock_ms();
        for (int i = 0; i < n && !rc; i++) {
            if (events[i].data.u32 == (uint32_t)c->cfg->n_workers) return DF_OK;
            rc = df_noop_worker_turn(&c->workers[events[i].data.u32], now_ms, err);
        }
        if (!rc) rc = look_at_clocks(c, now_ms, err);
        if (rc) return rc;
    }
}

df_code df_crowd_run(const df_crowd_cfg *cfg, int stop_fd, df_crowd_report *report, df_err *err) {
    crowd c = { .cfg = cfg, .epoll_fd = -1 };
    df_code rc = open_all(&c, stop_fd, err);
    if (!rc) rc = serve(&c, err);
    *report = (df_crowd_report) { 0 };
    for (int i = 0; i < c.n_open; i++) report->n_done += c.workers[i].n_done;
    close_all(&c);
    return rc;
}
