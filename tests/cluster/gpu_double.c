#include "tests/cluster/gpu_double.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { ACTORS = 128, WAIT_MS = 20000 };

/* Vector clocks: at[a] is how much of what actor a did happened before. Actors are streams and threads of the host. */
typedef struct clocks {
    uint32_t at[ACTORS];
} clocks;

typedef struct access {
    struct access *next;
    const char *from, *to;
    int actor;
    uint32_t epoch;
    bool writes;
} access;

typedef struct block {
    struct block *next;
    char *data;
    size_t bytes;
} block;

typedef struct event {
    struct event *next;
    uint64_t n_recorded, n_fired;
    clocks when; /* of the last that fired */
    bool destroyed;
} event;

typedef struct stream {
    struct stream *next;
    int actor;
    clocks now; /* of what has run */
    gpu_work *first, **end;
    bool destroyed;
} stream;

struct gpu_work {
    gpu_work *next;
    stream *on;
    bool (*run)(void *ctx, gpu_work *self);
    void *ctx;
    clocks now; /* what the host knew at the time; when it runs, all that it happens after */
    bool begun;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static stream *streams;
static event *events;
static access *accesses;
static block *blocks;
static int n_actors;
static unsigned generation, dice;
static char fault[512];

static _Thread_local struct {
    unsigned generation;
    int actor;
    clocks now;
} host;

void gpu_double_lock(void) {
    pthread_mutex_lock(&lock);
}

void gpu_double_unlock(void) {
    pthread_mutex_unlock(&lock);
}

static unsigned roll(void) {
    dice = dice * 1664525u + 1013904223u;
    return dice >> 16;
}

void gpu_double_report(const char *fmt, ...) {
    va_list args;
    if (fault[0]) return;
    va_start(args, fmt);
    vsnprintf(fault, sizeof fault, fmt, args);
    va_end(args);
}

const char *gpu_double_fault(void) {
    return fault;
}

static int new_actor(void) {
    if (n_actors == ACTORS) gpu_double_report("more than %d streams and threads", ACTORS);
    return n_actors < ACTORS ? n_actors++ : 0;
}

static clocks *host_now(void) {
    if (host.generation != generation) {
        memset(&host, 0, sizeof host);
        host.generation = generation;
        host.actor = new_actor();
    }
    return &host.now;
}

static void join(clocks *to, const clocks *from) {
    for (int i = 0; i < ACTORS; i++)
        if (from->at[i] > to->at[i]) to->at[i] = from->at[i];
}

static bool is_ours(const char *p) {
    for (const block *b = blocks; b; b = b->next)
        if (b->data <= p && p < b->data + b->bytes) return true;
    return false;
}

/* Memory that is not from here goes from thread to thread by malloc, unseen: it is left alone.
 * Accesses that happened before one that covers them and writes need not be remembered. */
static void touch(clocks *now, int actor, const void *data, size_t bytes, bool writes, const char *who) {
    const char *from = data, *to = from + bytes;
    uint32_t epoch = ++now->at[actor];
    if (!is_ours(from)) return;
    for (access **at = &accesses, *a; (a = *at);) {
        bool before = a->epoch <= now->at[a->actor];
        if (a->from < to && from < a->to && (a->writes || writes) && !before)
            gpu_double_report("%s %s %zu bytes that are being %s by another stream or the host", who,
                              writes ? "writes" : "reads", bytes, a->writes ? "written" : "read");
        bool covered =
            before && from <= a->from && a->to <= to && (writes || a->actor == actor) && (writes || !a->writes);
        if (!covered) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        free(a);
    }
    access *mine = malloc(sizeof *mine);
    if (!mine) abort();
    *mine = (access) { accesses, from, to, actor, epoch, writes };
    accesses = mine;
}

void gpu_double_touch(const void *data, size_t bytes, bool writes) {
    gpu_double_lock();
    touch(host_now(), host.actor, data, bytes, writes, "the host");
    gpu_double_unlock();
}

void gpu_work_touch(gpu_work *w, const void *data, size_t bytes, bool writes) {
    touch(&w->now, w->on->actor, data, bytes, writes, "a stream");
}

void gpu_work_join(gpu_work *w, const gpu_work *earlier) {
    join(&w->now, &earlier->now);
}

/* running */

static bool step(stream *s) {
    gpu_work *w = s->first;
    if (!w) return false;
    if (!w->begun) join(&w->now, &s->now);
    w->begun = true;
    if (!w->run(w->ctx, w)) return false;
    join(&s->now, &w->now);
    s->first = w->next;
    if (!s->first) s->end = &s->first;
    free(w);
    return true;
}

/* Each stream some way, as far as nothing moves any more. */
static void run_all(void) {
    for (bool moved = true; moved;) {
        moved = false;
        for (stream *s = streams; s; s = s->next) {
            if (roll() % 3 == 0) {
                moved |= s->first && s->first->begun == false;
                continue;
            }
            moved |= step(s);
        }
    }
}

static stream *stream_of(cudaStream_t s) {
    stream *mine = (stream *)s;
    if (!mine)
        gpu_double_report("the default stream");
    else if (mine->destroyed)
        gpu_double_report("a stream that was destroyed");
    return mine && !mine->destroyed ? mine : NULL;
}

static void enqueue(stream *s, bool (*run)(void *, gpu_work *), void *ctx) {
    gpu_work *w = calloc(1, sizeof *w);
    if (!w) abort();
    *w = (gpu_work) { .on = s, .run = run, .ctx = ctx, .now = *host_now() };
    *s->end = w;
    s->end = &w->next;
}

void gpu_double_enqueue(cudaStream_t s, bool (*run)(void *ctx, gpu_work *self), void *ctx) {
    stream *mine = stream_of(s);
    if (mine) enqueue(mine, run, ctx);
}

/* streams */

static cudaError_t stream_create(cudaStream_t *out) {
    stream *s = calloc(1, sizeof *s);
    if (!s) return cudaErrorMemoryAllocation;
    gpu_double_lock();
    s->actor = new_actor();
    s->end = &s->first;
    s->next = streams;
    streams = s;
    gpu_double_unlock();
    *out = (cudaStream_t)s;
    return cudaSuccess;
}

static cudaError_t stream_destroy(cudaStream_t s) {
    gpu_double_lock();
    stream *mine = stream_of(s);
    run_all();
    if (mine && mine->first) gpu_double_report("a stream is destroyed in flight");
    if (mine) mine->destroyed = true;
    gpu_double_unlock();
    return mine ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

static cudaError_t stream_query(cudaStream_t s) {
    gpu_double_lock();
    stream *mine = stream_of(s);
    run_all();
    bool ended = mine && !mine->first;
    if (ended) join(host_now(), &mine->now);
    gpu_double_unlock();
    return !mine ? cudaErrorInvalidResourceHandle : ended ? cudaSuccess : cudaErrorNotReady;
}

static cudaError_t stream_wait(cudaStream_t s) {
    int64_t until = df_clock_ms() + WAIT_MS;
    for (cudaError_t e;; df_clock_sleep_ms(1)) {
        if ((e = stream_query(s)) != cudaErrorNotReady) return e;
        if (df_clock_ms() < until) continue;
        gpu_double_report("the host waits for ever for a stream");
        return cudaErrorLaunchTimeout;
    }
}

/* events */

static event *event_of(cudaEvent_t e) {
    event *mine = (event *)e;
    if (!mine || mine->destroyed) gpu_double_report("an event that is not there, or was destroyed");
    return mine && !mine->destroyed ? mine : NULL;
}

static cudaError_t event_create(cudaEvent_t *out) {
    event *e = calloc(1, sizeof *e);
    if (!e) return cudaErrorMemoryAllocation;
    gpu_double_lock();
    e->next = events;
    events = e;
    gpu_double_unlock();
    *out = (cudaEvent_t)e;
    return cudaSuccess;
}

static cudaError_t event_destroy(cudaEvent_t e) {
    gpu_double_lock();
    event *mine = event_of(e);
    if (mine) mine->destroyed = true;
    gpu_double_unlock();
    return mine ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

static bool run_record(void *ctx, gpu_work *self) {
    event *e = ctx;
    e->n_fired++;
    e->when = self->now;
    return true;
}

static cudaError_t event_record(cudaEvent_t e, cudaStream_t s) {
    gpu_double_lock();
    event *mine = event_of(e);
    stream *on = stream_of(s);
    if (mine && on) {
        mine->n_recorded++;
        enqueue(on, run_record, mine);
    }
    gpu_double_unlock();
    return mine && on ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

typedef struct wait {
    event *e;
    uint64_t n; /* the record it was called after; later ones do not count */
} wait;

static bool run_wait(void *ctx, gpu_work *self) {
    wait *w = ctx;
    if (w->e->n_fired < w->n) return false;
    join(&self->now, &w->e->when);
    free(w);
    return true;
}

static cudaError_t stream_wait_event(cudaStream_t s, cudaEvent_t e) {
    wait *w = malloc(sizeof *w);
    if (!w) return cudaErrorMemoryAllocation;
    gpu_double_lock();
    event *mine = event_of(e);
    stream *on = stream_of(s);
    if (mine && !mine->n_recorded) gpu_double_report("a stream is to wait for an event that was never recorded");
    *w = (wait) { mine, mine ? mine->n_recorded : 0 };
    if (mine && on)
        enqueue(on, run_wait, w);
    else
        free(w);
    gpu_double_unlock();
    return mine && on ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

static cudaError_t event_query(cudaEvent_t e) {
    gpu_double_lock();
    event *mine = event_of(e);
    run_all();
    if (mine && !mine->n_recorded) gpu_double_report("an event is asked for that was never recorded");
    bool fired = mine && mine->n_fired == mine->n_recorded;
    if (fired) join(host_now(), &mine->when);
    gpu_double_unlock();
    return !mine ? cudaErrorInvalidResourceHandle : fired ? cudaSuccess : cudaErrorNotReady;
}

static cudaError_t event_wait(cudaEvent_t e) {
    int64_t until = df_clock_ms() + WAIT_MS;
    for (cudaError_t r;; df_clock_sleep_ms(1)) {
        if ((r = event_query(e)) != cudaErrorNotReady) return r;
        if (df_clock_ms() < until) continue;
        gpu_double_report("the host waits for ever for an event");
        return cudaErrorLaunchTimeout;
    }
}

/* memory */

static cudaError_t take(void **out, size_t bytes) {
    block *b = malloc(sizeof *b);
    char *data = malloc(bytes ? bytes : 1);
    if (!b || !data) {
        free(b);
        free(data);
        return cudaErrorMemoryAllocation;
    }
    memset(data, 0xa5, bytes);
    gpu_double_lock();
    *b = (block) { blocks, data, bytes };
    blocks = b;
    gpu_double_unlock();
    *out = data;
    return cudaSuccess;
}

static void forget_accesses(const char *from, const char *to) {
    for (access **at = &accesses, *a; (a = *at);) {
        if (a->to <= from || to <= a->from) {
            at = &a->next;
            continue;
        }
        if (a->epoch > host_now()->at[a->actor]) gpu_double_report("memory is freed in flight");
        *at = a->next;
        free(a);
    }
}

static cudaError_t drop(void *p) {
    if (!p) return cudaSuccess;
    gpu_double_lock();
    run_all();
    block **at = &blocks;
    while (*at && (*at)->data != p) at = &(*at)->next;
    block *b = *at;
    if (b) {
        *at = b->next;
        forget_accesses(b->data, b->data + b->bytes);
        free(b->data);
        free(b);
    } else {
        gpu_double_report("memory is freed that was not allocated");
    }
    gpu_double_unlock();
    return b ? cudaSuccess : cudaErrorInvalidValue;
}

typedef struct transfer {
    char *to;
    const char *from;
    size_t bytes;
} transfer;

static bool run_copy(void *ctx, gpu_work *self) {
    transfer *t = ctx;
    gpu_work_touch(self, t->from, t->bytes, false);
    gpu_work_touch(self, t->to, t->bytes, true);
    memcpy(t->to, t->from, t->bytes);
    free(t);
    return true;
}

static cudaError_t copy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t s) {
    (void)kind;
    transfer *t = malloc(sizeof *t);
    if (!t) return cudaErrorMemoryAllocation;
    *t = (transfer) { to, from, bytes };
    gpu_double_lock();
    stream *on = stream_of(s);
    if (on)
        enqueue(on, run_copy, t);
    else
        free(t);
    gpu_double_unlock();
    return on ? cudaSuccess : cudaErrorInvalidResourceHandle;
}

/* kernels of tests */

typedef struct kernel {
    char *data;
    size_t bytes;
    int value;
    bool compares;
} kernel;

static bool run_kernel(void *ctx, gpu_work *self) {
    kernel *k = ctx;
    gpu_work_touch(self, k->data, k->bytes, !k->compares);
    if (!k->compares) memset(k->data, k->value, k->bytes);
    for (size_t i = 0; k->compares && i < k->bytes; i++)
        if ((unsigned char)k->data[i] != k->value) {
            gpu_double_report("byte %zu is %d, not %d", i, (unsigned char)k->data[i], k->value);
            break;
        }
    free(k);
    return true;
}

static void launch(cudaStream_t s, kernel what) {
    kernel *k = malloc(sizeof *k);
    if (!k) abort();
    *k = what;
    gpu_double_lock();
    gpu_double_enqueue(s, run_kernel, k);
    gpu_double_unlock();
}

void gpu_double_fill(cudaStream_t s, void *data, size_t bytes, int value) {
    launch(s, (kernel) { data, bytes, value, false });
}

void gpu_double_expect(cudaStream_t s, const void *data, size_t bytes, int value) {
    launch(s, (kernel) { (char *)data, bytes, value, true });
}

/* the rest */

static cudaError_t select_device(int device) {
    (void)device;
    return cudaSuccess;
}

static const char *error_text(cudaError_t e) {
    return e == cudaErrorInsufficientDriver ? "CUDA driver version is insufficient for CUDA runtime version"
                                            : "an error";
}

void gpu_double_reset(unsigned seed) {
    gpu_double_lock();
    run_all();
    for (stream *s; (s = streams);) {
        streams = s->next;
        free(s);
    }
    for (event *e; (e = events);) {
        events = e->next;
        free(e);
    }
    for (access *a; (a = accesses);) {
        accesses = a->next;
        free(a);
    }
    for (block *b; (b = blocks);) {
        blocks = b->next;
        free(b->data);
        free(b);
    }
    fault[0] = '\0';
    n_actors = 0;
    generation++;
    dice = seed;
    gpu_double_unlock();
}

const df_cuda_runtime_ops gpu_double = {
    .select = select_device,
    .error_text = error_text,
    .alloc = take,
    .free = drop,
    .host_alloc = take,
    .host_free = drop,
    .copy = copy,
    .stream_create = stream_create,
    .stream_destroy = stream_destroy,
    .stream_wait = stream_wait,
    .stream_query = stream_query,
    .stream_wait_event = stream_wait_event,
    .event_create = event_create,
    .event_destroy = event_destroy,
    .event_record = event_record,
    .event_query = event_query,
    .event_wait = event_wait,
};
