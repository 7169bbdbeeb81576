/* What a pipeline writes into the trace of its rank. */
#include "base/clock.h"
#include "cluster/pipeline_impl.h"

int64_t df_pipeline_now(const df_pipeline *p) {
    return p->trace ? df_clock_ns() : 0;
}

static df_span span_of(const df_pipeline *p, const df_slot *s, df_span_kind kind, int64_t start_ns) {
    const df_command *c = &s->command;
    return (df_span) {
        .start_ns = start_ns,
        .end_ns = df_clock_ns(),
        .command = c->seq,
        .kind = (int32_t)kind,
        .component = (int32_t)s->program->component,
        .latent_h = s->program->size.latent_h,
        .latent_w = s->program->size.latent_w,
        .slot = c->slot,
        .n_rows = (int32_t)c->n_rows[p->half],
        .first_step = c->first_step,
        .last_step = c->last_step,
    };
}

void df_pipeline_trace_slot(df_pipeline *p, const df_slot *s, df_span_kind kind, int segment, int64_t start_ns) {
    if (!p->trace) return;
    df_span span = span_of(p, s, kind, start_ns);
    span.segment = segment;
    df_trace_add(p->trace, &span);
}

void df_pipeline_trace_message(df_pipeline *p, const df_slot *s, int crossing) {
    if (!p->trace) return;
    const df_crossing *c = &s->program->crossings[crossing];
    bool out = c->from_rank == p->rank;
    size_t bytes;
    df_slot_value(p, s, c, &bytes);
    df_span span = span_of(p, s, out ? DF_SPAN_OUTGOING : DF_SPAN_INCOMING, s->posted_ns[crossing]);
    span.segment = c->from_segment;
    span.peer = out ? c->to_rank : c->from_rank;
    span.bytes = (int64_t)bytes;
    span.n_rows = (int32_t)s->command.n_rows[c->half];
    df_trace_add(p->trace, &span);
}

void df_pipeline_trace_other(df_pipeline *p, df_span_kind kind, int64_t start_ns) {
    if (!p->trace) return;
    df_span span = {
        .start_ns = start_ns, .end_ns = df_clock_ns(), .kind = (int32_t)kind, .component = -1, .slot = -1
    };
    span.first_step = span.last_step = -1;
    df_trace_add(p->trace, &span);
}

df_trace *df_pipeline_trace(const df_pipeline *p) {
    return p->trace;
}
