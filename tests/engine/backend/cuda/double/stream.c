#include "tests/engine/backend/cuda/double/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/engine/backend/cuda/double/machine.h"
#include "tests/engine/backend/cuda/double/memory.h"

enum { WAIT_MS = 20000 };
static const char a_stream[] = "a stream", an_event[] = "an event";

typedef struct event {
    gpu_object object;
    bool times;
    uint64_t n_recorded, n_fired;
    clocks when; /* of the last that fired */
    uint64_t at; /* the step it fired in */
    capture *in; /* it was last recorded while captured */
    progress after;
} event;

static stream *streams;
static unsigned dice;
static int n_waits;
static uint64_t n_steps; /* the clock of timers: a step is a microsecond */

bool streams_roll(void) {
    dice = dice * 1664525u + 1013904223u;
    return (dice >> 16) % 3 == 0;
}

/* running */

bool gpu_work_touch(gpu_work *w, const void *data, size_t bytes, bool writes) {
    const toucher by = { &w->now, w->actor, a_stream };
    return memory_touch(&by, w->device, data, bytes, writes, false);
}

bool gpu_work_use(gpu_work *w, const void *data, size_t bytes, bool writes) {
    const toucher by = { &w->now, w->actor, a_stream };
    return memory_touch(&by, w->device, data, bytes, writes, true);
}

void gpu_work_join(gpu_work *w, const gpu_work *earlier) {
    clocks_join(&w->now, &earlier->now);
}

static bool step(stream *s) {
    gpu_work *w = s->first;
    if (!w) return false;
    if (!w->begun) clocks_join(&w->now, &s->now);
    w->begun = true;
    n_steps++;
    bool ended = w->run(w->ctx, w);
    memory_close();
    if (!ended) return false;
    clocks_join(&s->now, &w->now);
    s->first = w->next;
    if (!s->first) s->end = &s->first;
    if (w->drop) w->drop(w->ctx);
    free(w);
    return true;
}

void streams_run(void) {
    for (bool moved = true; moved;) {
        moved = false;
        for (stream *s = streams; s; s = s->next) {
            if (streams_roll())
                moved |= s->first && !s->first->begun;
            else
                moved |= step(s);
        }
    }
}

stream *stream_of(cudaStream_t s) {
    if (!s) gpu_double_report("the default stream");
    return s ? gpu_object_of(s, a_stream) : NULL;
}

cudaError_t stream_add(stream *s, gpu_run *run, void (*drop)(void *ctx), void *ctx) {
    if (s->in) {
        capture_add(s, run, drop, ctx);
        return cudaSuccess;
    }
    gpu_work *w = calloc(1, sizeof *w);
    if (!w) abort();
    *w = (gpu_work) {
        .actor = s->actor, .device = s->device, .run = run, .drop = drop, .ctx = ctx, .now = this_thread()->now
    };
    *s->end = w;
    s->end = &w->next;
    return cudaSuccess;
}

void gpu_double_enqueue(cudaStream_t s, gpu_run *run, void *ctx) {
    stream *mine = stream_of(s);
    if (mine) stream_add(mine, run, NULL, ctx);
}

bool gpu_double_submit(cudaStream_t s, gpu_run *run, void (*drop)(void *ctx), void *ctx) {
    stream *mine = stream_of(s);
    if (mine)
        stream_add(mine, run, drop, ctx);
    else
        drop(ctx);
    return mine;
}

/* streams */

static void free_work(void *object) {
    stream *s = object;
    for (gpu_work *w; (w = s->first);) {
        s->first = w->next;
        if (w->drop) w->drop(w->ctx);
        free(w);
    }
}

void streams_reset(unsigned seed) {
    streams = NULL;
    dice = seed;
    n_steps = 0;
    n_waits = 0;
}

cudaError_t stream_create(cudaStream_t *out) {
    gpu_double_lock();
    cudaError_t e = machine_result(machine_usable());
    if (!e) {
        stream *s = gpu_object_new(a_stream, sizeof *s);
        s->object.release = free_work;
        s->actor = new_actor(&s->now);
        s->device = this_thread()->device;
        s->end = &s->first;
        s->next = streams;
        streams = s;
        *out = (cudaStream_t)s;
    }
    gpu_double_unlock();
    return e;
}

cudaError_t stream_destroy(cudaStream_t s) {
    gpu_double_lock();
    stream *mine = stream_of(s);
    streams_run();
    if (mine && mine->first) gpu_double_report("a stream is destroyed in flight");
    if (mine && mine->in) gpu_double_report("a stream is destroyed while it is captured");
    if (mine) {
        mine->object.destroyed = true;
        free_actor(mine->actor, &mine->now);
        stream **at = &streams;
        while (*at != mine) at = &(*at)->next;
        *at = mine->next;
    }
    cudaError_t e = machine_result(mine ? cudaSuccess : cudaErrorInvalidResourceHandle);
    gpu_double_unlock();
    return e;
}

static cudaError_t query_stream(cudaStream_t s, const char *what) {
    stream *mine = stream_of(s);
    if (!mine) return cudaErrorInvalidResourceHandle;
    if (capture_forbids(what)) return cudaErrorStreamCaptureUnsupported;
    if (mine->in) {
        gpu_double_report("%s that another thread captures", what);
        capture_break(mine->in);
        return cudaErrorStreamCaptureUnsupported;
    }
    streams_run();
    if (mine->first) return cudaErrorNotReady;
    clocks_join(&this_thread()->now, &mine->now);
    return cudaSuccess;
}

cudaError_t stream_query(cudaStream_t s) {
    gpu_double_lock();
    cudaError_t e = machine_result(query_stream(s, "a stream is asked for"));
    gpu_double_unlock();
    return e;
}

int gpu_double_waits(void) {
    gpu_double_lock();
    int n = n_waits;
    gpu_double_unlock();
    return n;
}

static void count_wait(void) {
    gpu_double_lock();
    n_waits++;
    gpu_double_unlock();
}

cudaError_t stream_wait(cudaStream_t s) {
    count_wait();
    int64_t until = df_clock_ms() + WAIT_MS;
    for (cudaError_t e;; df_clock_sleep_ms(1)) {
        gpu_double_lock();
        e = query_stream(s, "a stream is waited for");
        gpu_double_unlock();
        if (e != cudaErrorNotReady) return machine_result(e);
        if (df_clock_ms() < until) continue;
        gpu_double_report("the host waits for ever for a stream");
        return machine_result(cudaErrorLaunchTimeout);
    }
}

/* events */

static cudaError_t make_event(cudaEvent_t *out, bool times) {
    gpu_double_lock();
    cudaError_t e = machine_result(machine_usable());
    if (!e) {
        event *mine = gpu_object_new(an_event, sizeof *mine);
        mine->times = times;
        *out = (cudaEvent_t)mine;
    }
    gpu_double_unlock();
    return e;
}

cudaError_t event_create(cudaEvent_t *out) {
    return make_event(out, false);
}

cudaError_t timed_event_create(cudaEvent_t *out) {
    return make_event(out, true);
}

cudaError_t event_destroy(cudaEvent_t e) {
    gpu_double_lock();
    bool was = gpu_object_destroy(e, an_event);
    cudaError_t rc = machine_result(was ? cudaSuccess : cudaErrorInvalidResourceHandle);
    gpu_double_unlock();
    return rc;
}

static bool run_record(void *ctx, gpu_work *self) {
    event *e = ctx;
    e->n_fired++;
    e->when = self->now;
    e->at = n_steps;
    return true;
}

cudaError_t event_record(cudaEvent_t e, cudaStream_t s) {
    gpu_double_lock();
    event *mine = gpu_object_of(e, an_event);
    stream *on = stream_of(s);
    if (mine && on && (mine->in = on->in)) {
        mine->after = on->after;
    } else if (mine && on) {
        mine->n_recorded++;
        stream_add(on, run_record, NULL, mine);
    }
    cudaError_t rc = machine_result(mine && on ? cudaSuccess : cudaErrorInvalidResourceHandle);
    gpu_double_unlock();
    return rc;
}

typedef struct wait {
    event *e;
    uint64_t n; /* the record it was called after; later ones do not count */
} wait;

static bool run_wait(void *ctx, gpu_work *self) {
    wait *w = ctx;
    if (w->e->n_fired < w->n) return false;
    clocks_join(&self->now, &w->e->when);
    return true;
}

static cudaError_t wait_event(stream *on, event *e) {
    if (e->in) {
        if (on->in && on->in != e->in) {
            gpu_double_report("a captured stream is to wait for an event of another capture");
            return cudaErrorStreamCaptureIsolation;
        }
        capture_enter(e->in, on, &e->after);
        return cudaSuccess;
    }
    if (!e->n_recorded) gpu_double_report("a stream is to wait for an event that was never recorded");
    if (on->in) {
        gpu_double_report("a captured stream is to wait for an event from before the capture");
        capture_break(on->in);
        return cudaErrorStreamCaptureIsolation;
    }
    wait *w = malloc(sizeof *w);
    if (!w) abort();
    *w = (wait) { e, e->n_recorded };
    return stream_add(on, run_wait, free, w);
}

cudaError_t stream_wait_event(cudaStream_t s, cudaEvent_t e) {
    gpu_double_lock();
    event *mine = gpu_object_of(e, an_event);
    stream *on = stream_of(s);
    cudaError_t rc = machine_result(mine && on ? wait_event(on, mine) : cudaErrorInvalidResourceHandle);
    gpu_double_unlock();
    return rc;
}

static cudaError_t query_event(cudaEvent_t e, const char *what) {
    event *mine = gpu_object_of(e, an_event);
    if (!mine) return cudaErrorInvalidResourceHandle;
    if (capture_forbids(what)) return cudaErrorStreamCaptureUnsupported;
    streams_run();
    if (mine->in) {
        gpu_double_report("%s that was recorded while its stream was captured", what);
        return cudaErrorInvalidValue;
    }
    if (!mine->n_recorded) gpu_double_report("%s that was never recorded", what);
    if (mine->n_fired != mine->n_recorded) return cudaErrorNotReady;
    clocks_join(&this_thread()->now, &mine->when);
    return cudaSuccess;
}

cudaError_t event_query(cudaEvent_t e) {
    gpu_double_lock();
    cudaError_t rc = machine_result(query_event(e, "an event is asked for"));
    gpu_double_unlock();
    return rc;
}

cudaError_t event_wait(cudaEvent_t e) {
    count_wait();
    int64_t until = df_clock_ms() + WAIT_MS;
    for (cudaError_t rc;; df_clock_sleep_ms(1)) {
        gpu_double_lock();
        rc = query_event(e, "an event is waited for");
        gpu_double_unlock();
        if (rc != cudaErrorNotReady) return machine_result(rc);
        if (df_clock_ms() < until) continue;
        gpu_double_report("the host waits for ever for an event");
        return machine_result(cudaErrorLaunchTimeout);
    }
}

cudaError_t event_elapsed(float *ms, cudaEvent_t start, cudaEvent_t end) {
    gpu_double_lock();
    event *from = gpu_object_of(start, an_event), *to = gpu_object_of(end, an_event);
    cudaError_t e = cudaErrorInvalidResourceHandle;
    if (from && to && (!from->times || !to->times)) {
        gpu_double_report("an event that takes no time is asked for it");
    } else if (from && to && from->n_recorded && to->n_recorded) {
        bool ended = from->n_fired == from->n_recorded && to->n_fired == to->n_recorded;
        e = ended ? cudaSuccess : cudaErrorNotReady;
        *ms = ended ? (float)((double)to->at - (double)from->at) / 1000 : 0;
    }
    machine_result(e);
    gpu_double_unlock();
    return e;
}
