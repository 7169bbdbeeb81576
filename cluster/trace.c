#include "cluster/trace.h"

#include <stdlib.h>

#include "base/clock.h"

struct df_trace {
    int64_t capacity, n_added;
    int64_t waiting_since_ns; /* 0: at work */
    int64_t thread_end_ns; /* of the thread's last span */
    df_clock_link *links; /* [ranks] on rank 0; NULL: they have not met */
    df_span ring[];
};

const char *df_span_kind_name(df_span_kind kind) {
    static const char *const names[DF_SPAN_KINDS] = { "compute", "sample", "send",     "receive",
                                                      "load",    "wait",   "outgoing", "incoming" };
    return names[kind];
}

df_code df_trace_open(df_trace **out, int64_t capacity, df_err *err) {
    if (!capacity) capacity = DF_TRACE_SPANS;
    df_trace *t = calloc(1, sizeof *t + (size_t)capacity * sizeof *t->ring);
    if (!t) return df_err_set(err, DF_ENOMEM, "trace of %lld spans", (long long)capacity);
    t->capacity = capacity;
    *out = t;
    return DF_OK;
}

void df_trace_close(df_trace **t) {
    if (*t) free((*t)->links);
    free(*t);
    *t = NULL;
}

static void put(df_trace *t, const df_span *s) {
    t->ring[t->n_added++ % t->capacity] = *s;
}

void df_trace_wait(df_trace *t) {
    if (t && !t->waiting_since_ns) t->waiting_since_ns = df_clock_ns();
}

static void end_wait(df_trace *t, int64_t now_ns) {
    df_span wait = {
        .start_ns = t->waiting_since_ns, .end_ns = now_ns, .kind = DF_SPAN_WAIT, .component = -1, .slot = -1
    };
    wait.first_step = wait.last_step = -1;
    if (t->waiting_since_ns && now_ns > t->waiting_since_ns) put(t, &wait);
    t->waiting_since_ns = 0;
}

void df_trace_add(df_trace *t, const df_span *s) {
    if (!t) return;
    df_span own = *s;
    if (s->kind < DF_SPAN_THREAD_KINDS) {
        end_wait(t, s->start_ns);
        if (own.start_ns < t->thread_end_ns) own.start_ns = t->thread_end_ns;
        t->thread_end_ns = own.end_ns;
    }
    put(t, &own);
}

int64_t df_trace_kept(const df_trace *t) {
    return t->n_added < t->capacity ? t->n_added : t->capacity;
}

int64_t df_trace_dropped(const df_trace *t) {
    return t->n_added - df_trace_kept(t);
}

const df_span *df_trace_at(const df_trace *t, int64_t i) {
    return &t->ring[(df_trace_dropped(t) + i) % t->capacity];
}

df_code df_trace_meet(df_trace *t, df_comm *comm, df_err *err) {
    df_code rc = DF_OK;
    if (comm->rank > 0) return df_clock_link_answer(comm, 0, err);
    free(t->links);
    t->links = calloc((size_t)comm->size, sizeof *t->links);
    if (!t->links) return df_err_set(err, DF_ENOMEM, "trace of %d ranks", comm->size);
    for (int r = 1; r < comm->size && !rc; r++) rc = df_clock_link_measure(&t->links[r], comm, r, err);
    return rc;
}

const df_clock_link *df_trace_links(const df_trace *t) {
    return t->links;
}
