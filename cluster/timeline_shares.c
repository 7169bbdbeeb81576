/* What a timeline adds up to. */
#include <string.h>

#include "cluster/timeline.h"
#include "engine/models/model.h"

static int64_t overlap(const df_span *s, int64_t start_ns, int64_t end_ns) {
    int64_t from = s->start_ns > start_ns ? s->start_ns : start_ns, to = s->end_ns < end_ns ? s->end_ns : end_ns;
    return to > from ? to - from : 0;
}

df_time_shares df_timeline_shares(const df_timeline *l, int rank, int64_t start_ns, int64_t end_ns) {
    df_time_shares shares = { .other = 1 };
    if (end_ns <= start_ns) return shares;
    for (int64_t i = 0; i < l->rank[rank].n_spans; i++) {
        const df_span *s = &l->rank[rank].spans[i];
        if (s->kind >= DF_SPAN_THREAD_KINDS) continue;
        double share = (double)overlap(s, start_ns, end_ns) / (double)(end_ns - start_ns);
        shares.of[s->kind] += share;
        shares.other -= share;
    }
    if (shares.other < 0) shares.other = 0; /* rounding */
    return shares;
}

bool df_timeline_steady(const df_timeline *l, int64_t *start_ns, int64_t *end_ns) {
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (int r = 0; r < l->n_ranks; r++)
        for (int64_t i = 0; i < l->rank[r].n_spans; i++) {
            const df_span *s = &l->rank[r].spans[i];
            if (s->kind != DF_SPAN_COMPUTE || s->component != DF_DENOISER) continue;
            if (s->start_ns < first) first = s->start_ns;
            if (s->end_ns > last) last = s->end_ns;
        }
    if (last <= first) return false;
    *start_ns = first + (last - first) / 10;
    *end_ns = last - (last - first) / 10;
    return true;
}

void df_timeline_print(const df_timeline *l, FILE *to) {
    int64_t start = l->start_ns, end = l->end_ns;
    bool steady = df_timeline_steady(l, &start, &end);
    fprintf(to, "trace: %s, %.3f s; shares of the time in percent\n", steady ? "steady state" : "all of the run",
            (double)(end - start) * 1e-9);
    fprintf(to, "trace:   rank");
    for (int k = 0; k < DF_SPAN_THREAD_KINDS; k++) fprintf(to, "  %7s", df_span_kind_name((df_span_kind)k));
    fprintf(to, "  %7s\n", "other");
    for (int r = 0; r < l->n_ranks; r++) {
        df_time_shares s = df_timeline_shares(l, r, start, end);
        fprintf(to, "trace:   %4d", r);
        for (int k = 0; k < DF_SPAN_THREAD_KINDS; k++) fprintf(to, "  %7.2f", 100 * s.of[k]);
        fprintf(to, "  %7.2f\n", 100 * s.other);
    }
}
