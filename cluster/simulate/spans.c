/* What the ranks did, as a timeline has it. */
#include <math.h>
#include <stdlib.h>

#include "cluster/simulate/world.h"

static int64_t ns_of(double seconds) {
    return (int64_t)llround(seconds * 1e9);
}

static void add(df_world *w, int rank, const df_span *span) {
    df_sim_rank *r = &w->ranks[rank];
    if (r->n_spans == r->room) {
        int64_t room = r->room ? 2 * r->room : 256;
        df_span *spans = realloc(r->spans, (size_t)room * sizeof *spans);
        if (!spans) {
            w->failed = true;
            return;
        }
        r->spans = spans;
        r->room = room;
    }
    r->spans[r->n_spans++] = *span;
    w->n_spans++;
}

static df_span span_of(const df_world *w, df_span_kind kind, int slot, int segment, double from, double to) {
    df_span s = { .start_ns = ns_of(from), .end_ns = ns_of(to), .kind = (int32_t)kind, .component = -1, .slot = -1 };
    s.first_step = s.last_step = -1;
    if (slot < 0) return s;
    const df_sim_batch *b = &w->batches[slot];
    s.command = b->seq;
    s.component = b->component;
    s.latent_h = w->costs->latent_h;
    s.latent_w = w->costs->latent_w;
    s.slot = slot;
    s.n_rows = b->n_model_rows;
    s.first_step = b->first_step;
    s.last_step = b->last_step;
    s.segment = segment;
    return s;
}

void df_spans_add(df_world *w, int rank, df_span_kind kind, int slot, int segment, double from, double to) {
    const df_span s = span_of(w, kind, slot, segment, from, to);
    if (s.end_ns > s.start_ns) add(w, rank, &s);
}

void df_spans_add_message(df_world *w, int rank, const df_message *m) {
    if (!w->cfg->messages) return;
    bool out = rank == m->from;
    int from_segment = df_world_program(w, m->slot)->edges[m->edge].from_segment;
    df_span s = span_of(w, out ? DF_SPAN_OUTGOING : DF_SPAN_INCOMING, m->slot, from_segment,
                        out ? m->posted_at : m->expected_at, w->now);
    s.peer = out ? m->to : m->from;
    s.bytes = (int64_t)m->bytes;
    add(w, rank, &s);
}

static int by_start(const void *a, const void *b) {
    const df_span *x = a, *y = b;
    if (x->start_ns != y->start_ns) return x->start_ns < y->start_ns ? -1 : 1;
    return (x->end_ns > y->end_ns) - (x->end_ns < y->end_ns);
}

df_code df_spans_to_timeline(df_world *w, df_timeline **out, df_err *err) {
    df_timeline *l = calloc(1, sizeof *l + (size_t)w->n_ranks * sizeof *l->rank);
    if (!l) return df_err_set(err, DF_ENOMEM, "timeline of %d ranks", w->n_ranks);
    l->n_ranks = w->n_ranks;
    l->end_ns = ns_of(w->now);
    for (int i = 0; i < w->n_ranks; i++) {
        df_sim_rank *r = &w->ranks[i];
        if (r->n_spans) qsort(r->spans, (size_t)r->n_spans, sizeof *r->spans, by_start);
        l->rank[i] = (df_rank_line) { .spans = r->spans, .n_spans = r->n_spans };
        r->spans = NULL;
        r->n_spans = 0;
    }
    *out = l;
    return DF_OK;
}
