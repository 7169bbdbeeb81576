#include "cluster/timeline.h"

#include <stdlib.h>

#include "cluster/channels.h"

/* What a rank says before its spans. */
typedef struct header {
    int64_t n_spans, n_dropped;
} header;

static df_code copy_spans(df_rank_line *out, const df_trace *t, df_err *err) {
    int64_t n = df_trace_kept(t);
    *out = (df_rank_line) { .spans = calloc((size_t)n + 1, sizeof *out->spans), .n_dropped = df_trace_dropped(t) };
    if (!out->spans) return df_err_set(err, DF_ENOMEM, "trace of %lld spans", (long long)n);
    for (; out->n_spans < n; out->n_spans++) out->spans[out->n_spans] = *df_trace_at(t, out->n_spans);
    return DF_OK;
}

static df_code send_spans(const df_trace *t, df_comm *comm, df_err *err) {
    df_rank_line mine = { 0 };
    df_code rc = df_clock_link_answer(comm, 0, err);
    if (!rc) rc = copy_spans(&mine, t, err);
    const header h = { .n_spans = mine.n_spans, .n_dropped = mine.n_dropped };
    if (!rc) rc = df_comm_send_now(comm, 0, DF_CHANNEL_TRACE, &h, sizeof h, err);
    size_t bytes = (size_t)h.n_spans * sizeof *mine.spans;
    if (!rc) rc = df_comm_send_now(comm, 0, DF_CHANNEL_TRACE, mine.spans, bytes, err);
    free(mine.spans);
    return rc;
}

static void to_our_clock(df_rank_line *r) {
    for (int64_t i = 0; i < r->n_spans; i++) {
        r->spans[i].start_ns = df_clock_link_ours(&r->first, &r->last, r->spans[i].start_ns);
        r->spans[i].end_ns = df_clock_link_ours(&r->first, &r->last, r->spans[i].end_ns);
    }
}

static df_code receive_spans(df_rank_line *out, const df_trace *t, df_comm *comm, int rank, df_err *err) {
    header h = { 0 };
    const df_clock_link *links = df_trace_links(t);
    df_code rc = df_clock_link_measure(&out->last, comm, rank, err);
    out->first = links ? links[rank] : out->last;
    if (!rc) rc = df_comm_recv_now(comm, rank, DF_CHANNEL_TRACE, &h, sizeof h, err);
    if (!rc && !(out->spans = calloc((size_t)h.n_spans + 1, sizeof *out->spans)))
        rc = df_err_set(err, DF_ENOMEM, "trace of %lld spans", (long long)h.n_spans);
    size_t bytes = (size_t)h.n_spans * sizeof *out->spans;
    if (!rc) rc = df_comm_recv_now(comm, rank, DF_CHANNEL_TRACE, out->spans, bytes, err);
    if (rc) return rc;
    out->n_spans = h.n_spans;
    out->n_dropped = h.n_dropped;
    to_our_clock(out);
    return DF_OK;
}

static int by_start(const void *a, const void *b) {
    const df_span *x = a, *y = b;
    return (x->start_ns > y->start_ns) - (x->start_ns < y->start_ns);
}

/* The moment from which on no rank has dropped anything. Rings hold spans in the order they ended. */
static int64_t whole_from(const df_timeline *l) {
    int64_t from = INT64_MIN;
    for (int r = 0; r < l->n_ranks; r++) {
        const df_rank_line *k = &l->rank[r];
        if (k->n_dropped && k->n_spans && k->spans[0].end_ns > from) from = k->spans[0].end_ns;
    }
    return from;
}

static void drop_before(df_rank_line *r, int64_t from_ns) {
    int64_t n = 0;
    for (int64_t i = 0; i < r->n_spans; i++)
        if (r->spans[i].start_ns >= from_ns) r->spans[n++] = r->spans[i];
    r->n_dropped += r->n_spans - n;
    r->n_spans = n;
}

static void put_in_order(df_timeline *l) {
    int64_t from = whole_from(l);
    l->start_ns = INT64_MAX;
    l->end_ns = INT64_MIN;
    for (int r = 0; r < l->n_ranks; r++) {
        df_rank_line *k = &l->rank[r];
        drop_before(k, from);
        qsort(k->spans, (size_t)k->n_spans, sizeof *k->spans, by_start);
        if (k->n_spans && k->spans[0].start_ns < l->start_ns) l->start_ns = k->spans[0].start_ns;
        for (int64_t i = 0; i < k->n_spans; i++)
            if (k->spans[i].end_ns > l->end_ns) l->end_ns = k->spans[i].end_ns;
    }
    if (l->end_ns < l->start_ns) l->start_ns = l->end_ns = 0;
}

df_code df_timeline_gather(df_timeline **out, df_trace *t, df_comm *comm, df_err *err) {
    *out = NULL;
    if (comm->rank > 0) return send_spans(t, comm, err);
    df_timeline *l = calloc(1, sizeof *l + (size_t)comm->size * sizeof *l->rank);
    if (!l) return df_err_set(err, DF_ENOMEM, "trace of %d ranks", comm->size);
    l->n_ranks = comm->size;
    df_code rc = copy_spans(&l->rank[0], t, err);
    for (int r = 1; r < comm->size && !rc; r++) rc = receive_spans(&l->rank[r], t, comm, r, err);
    if (rc) {
        df_timeline_free(&l);
        return rc;
    }
    put_in_order(l);
    *out = l;
    return DF_OK;
}

void df_timeline_free(df_timeline **line) {
    if (!*line) return;
    for (int r = 0; r < (*line)->n_ranks; r++) free((*line)->rank[r].spans);
    free(*line);
    *line = NULL;
}
