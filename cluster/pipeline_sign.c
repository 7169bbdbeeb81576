/* Signs of life. A rank that computes cannot be heard, and a segment may take long; so between its nodes it tells rank
 * 0 where it is. They go as statuses: in order with the others, so that none is on the wire when the pipeline rests. */
#include "base/clock.h"
#include "cluster/pipeline_impl.h"

enum { PERIOD_MS = 200 };

static int segment_of(const df_slot *s) {
    const df_program *q = s->program;
    return s->next_local < q->n_local ? q->local[s->next_local] : -1;
}

/* A chance to be heard while a command is here. */
static df_code sign(df_pipeline *p, const df_slot *s, int node, bool *moved, df_err *err) {
    int64_t now = df_clock_ms();
    df_code rc = df_pipeline_test(p, &p->sign_sent, moved, err);
    if (rc || p->sign_sent || now - p->signed_ms < PERIOD_MS) return rc;
    p->signed_ms = now;
    p->sign = (df_status) { .seq = s->command.seq,
                            .is_sign = 1,
                            .segment = segment_of(s),
                            .node = node,
                            .longest_pause_ms = s->program->longest_pause_ms };
    return p->comm->ops->send(p->comm, 0, DF_CHANNEL_STATUS, &p->sign, sizeof p->sign, &p->sign_sent, err);
}

void df_sign_of_node(void *pipeline, int node) {
    df_pipeline *p = pipeline;
    df_err err;
    bool moved;
    if (p->rank == 0 || !p->running) return;
    df_program *q = p->running->program;
    int64_t now = df_clock_ms(), pause = now - p->chance_ms;
    if (pause > q->longest_pause_ms) q->longest_pause_ms = pause;
    p->chance_ms = now;
    sign(p, p->running, node, &moved, &err); /* what is wrong with the link the next message will tell */
}

df_code df_sign_if_due(df_pipeline *p, bool *moved, df_err *err) {
    const df_slot *s = df_slot_oldest(p, -1);
    p->chance_ms = df_clock_ms();
    return s ? sign(p, s, -1, moved, err) : df_pipeline_test(p, &p->sign_sent, moved, err);
}
