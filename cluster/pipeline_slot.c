/* One micro-batch on one rank. Receives are posted when the command comes: the memory plan keeps the place of a
 * received value free from the start of the pass and that of a sent one untouched to its end. */
#include <string.h>

#include "base/clock.h"
#include "cluster/pipeline_impl.h"

static int channel_of(const df_slot *s, int crossing) {
    return DF_CHANNEL_DATA + s->command.program * DF_PROGRAM_MAX_EDGES + crossing;
}

bool df_command_concerns(const df_pipeline *p, const df_command *c, int rank) {
    return c->op != DF_COMMAND_RUN || c->n_rows[rank / df_program_depth(&p->cfg)] > 0;
}

/* Of this rank. */
static int64_t rows_of(const df_pipeline *p, const df_slot *s) {
    return s->command.n_rows[p->half];
}

/* What goes to the other half and comes from there, rank 0 keeps apart. */
void *df_slot_value(const df_pipeline *p, const df_slot *s, const df_crossing *c, size_t *bytes) {
    int64_t n = s->command.n_rows[c->half];
    int slot = (int)(s - p->slots);
    *bytes = df_stage_value_bytes(s->program->stage, c->value, n);
    if (p->cfg.edges_on_device) return df_stage_device_value(s->program->stage, slot, c->value, n);
    return c->half == p->half ? df_stage_value(s->program->stage, slot, c->value, n)
                              : df_portal_value(s->program->portal, slot, c->value);
}

static df_code post(df_pipeline *p, df_slot *s, int crossing, df_err *err) {
    const df_crossing *c = &s->program->crossings[crossing];
    int channel = channel_of(s, crossing);
    size_t bytes;
    if (!s->command.n_rows[c->half]) return DF_OK;
    void *data = df_slot_value(p, s, c, &bytes);
    if (!data)
        return df_err_set(err, DF_EINTERNAL, "rank %d: '%s' crosses but has no place", p->rank,
                          s->program->graph->values[c->value].name);
    s->posted_ns[crossing] = df_pipeline_now(p);
    df_code rc = c->from_rank == p->rank
                     ? p->comm->ops->send(p->comm, c->to_rank, channel, data, bytes, &s->edge[crossing], err)
                     : p->comm->ops->recv(p->comm, c->from_rank, channel, data, bytes, &s->edge[crossing], err);
    s->n_posted += !rc;
    return rc;
}

/* From here on what is posted waits for what this program's stage has been given, on the device. */
static void post_behind(df_pipeline *p, const df_slot *s) {
    if (p->cfg.edges_on_device) p->comm->ops->compute_on(p->comm, df_stage_stream(s->program->stage));
}

static df_code post_receives(df_pipeline *p, df_slot *s, df_err *err) {
    const df_program *q = s->program;
    df_code rc = DF_OK;
    for (int i = 0; i < q->n_crossings && !rc; i++)
        if (q->crossings[i].to_rank == p->rank) rc = post(p, s, i, err);
    return rc;
}

static df_code post_sends(df_pipeline *p, df_slot *s, int from_segment, df_err *err) {
    const df_program *q = s->program;
    df_code rc = DF_OK;
    for (int i = 0; i < q->n_crossings && !rc; i++)
        if (q->crossings[i].from_rank == p->rank && q->crossings[i].from_segment == from_segment)
            rc = post(p, s, i, err);
    return rc;
}

static void fail_command(df_pipeline *p, df_slot *s, const df_err *why) {
    char name[64];
    if (s->failure.code) return; /* the first reason is the one that helps */
    s->failure = *why;
    df_program_name(s->program, name, sizeof name);
    if (p->n_ranks > 1)
        df_err_wrap(&s->failure, "rank %d, %s", p->rank, name);
    else
        df_err_wrap(&s->failure, "%s", name);
}

df_code df_slot_begin(df_pipeline *p, const df_command *c, df_err *err) {
    df_slot *s = &p->slots[c->slot];
    df_err why = { 0 };
    s->command = *c;
    s->program = p->programs[c->program];
    s->program->last_used = c->seq;
    s->state = DF_SLOT_RUNNING;
    s->next_local = s->n_posted = s->n_ended = 0;
    s->compute_ns = 0;
    s->failure = (df_err) { 0 };
    memset(s->edge, 0, (size_t)s->program->n_crossings * sizeof *s->edge);
    p->running = s;
    if (df_stage_prepare(s->program->stage, rows_of(p, s), &why)) fail_command(p, s, &why);
    if (p->cfg.edges_on_device && !s->failure.code &&
        df_stage_upload_crossing(s->program->stage, c->slot, rows_of(p, s), &why))
        fail_command(p, s, &why);
    p->running = NULL;
    s->fetched = false;
    int64_t start = df_pipeline_now(p);
    post_behind(p, s);
    df_code rc = df_comm_group_begin(p->comm, err);
    if (rc) return rc;
    rc = post_receives(p, s, err);
    if (!rc) rc = post_sends(p, s, -1, err);
    rc = df_comm_group_end(p->comm, rc, err);
    df_pipeline_trace_slot(p, s, DF_SPAN_SEND, -1, start);
    return rc;
}

df_code df_slot_test(df_pipeline *p, df_slot *s, bool *moved, df_err *err) {
    df_code rc = DF_OK;
    for (int i = 0; s->n_posted && i < s->program->n_crossings && !rc; i++) {
        if (!s->edge[i]) continue;
        bool done = false;
        rc = df_pipeline_test(p, &s->edge[i], &done, err);
        if (rc || !done) continue;
        s->n_posted--;
        df_pipeline_trace_message(p, s, i);
        *moved = true;
    }
    return rc;
}

const df_slot *df_slot_oldest(const df_pipeline *p, int rank) {
    const df_slot *oldest = NULL;
    for (int i = 0; i < p->n_slots; i++) {
        const df_slot *s = &p->slots[i];
        if (s->state != DF_SLOT_RUNNING || (rank >= 0 && s->ended[rank])) continue;
        if (!oldest || s->command.seq < oldest->command.seq) oldest = s;
    }
    return oldest;
}

static bool has_arrived(const void *ctx, int slot) {
    const df_pipeline *p = ctx;
    const df_slot *s = &p->slots[slot];
    const df_program *q = s->program;
    int segment = q->local[s->next_local];
    for (int i = 0; i < q->n_crossings; i++)
        if (q->crossings[i].to_segment == segment && q->crossings[i].to_rank == p->rank && s->edge[i]) return false;
    return true;
}

static df_slot *oldest_ready(df_pipeline *p) {
    for (int i = 0; i < p->n_slots; i++) {
        const df_slot *s = &p->slots[i];
        p->turns[i] = (df_turn) { .runs = s->state == DF_SLOT_RUNNING };
        if (!p->turns[i].runs) continue;
        p->turns[i].seq = s->command.seq;
        p->turns[i].program = s->command.program;
        p->turns[i].next = s->next_local;
        p->turns[i].n = s->program->n_local;
    }
    int next = df_turn_next(p->turns, p->n_slots, has_arrived, p);
    return next < 0 ? NULL : &p->slots[next];
}

df_code df_slots_run_one(df_pipeline *p, bool *ran, df_err *err) {
    df_slot *s = oldest_ready(p);
    if (!s) return DF_OK;
    int segment = s->program->local[s->next_local];
    df_err why = { 0 };
    int64_t start = df_clock_ns();
    p->running = s;
    /* After a failure the others still expect their messages: send what is there, the command's result is dropped. */
    if (!s->failure.code && df_stage_run(s->program->stage, (int)(s - p->slots), segment, rows_of(p, s), &why))
        fail_command(p, s, &why);
    df_sign_of_node(p, -1); /* the last one has ended */
    s->compute_ns += df_clock_ns() - start;
    p->running = NULL;
    df_pipeline_trace_slot(p, s, DF_SPAN_COMPUTE, segment, start);
    s->next_local++;
    *ran = true;
    start = df_pipeline_now(p);
    post_behind(p, s);
    df_code rc = df_comm_group_begin(p->comm, err);
    if (!rc) rc = df_comm_group_end(p->comm, post_sends(p, s, segment, err), err);
    df_pipeline_trace_slot(p, s, DF_SPAN_SEND, segment, start);
    return rc;
}

/* On rank 0 what came to the device from other ranks is wanted on the host. Waiting for the device tells its errors,
 * too: the others do so behind text and pictures, not behind steps, of which each would wait for the next. */
void df_slot_fetch(df_pipeline *p, df_slot *s) {
    df_err why = { 0 };
    df_code rc = DF_OK;
    if (s->fetched || !p->cfg.edges_on_device) return;
    s->fetched = true;
    if (!p->rank) rc = df_stage_download_outputs(s->program->stage, (int)(s - p->slots), rows_of(p, s), &why);
    if (!rc && (!p->rank || s->program->component != DF_DENOISER)) rc = df_stage_wait(s->program->stage, &why);
    if (rc) fail_command(p, s, &why);
}

bool df_slot_finished(const df_slot *s) {
    return s->state == DF_SLOT_RUNNING && s->next_local == s->program->n_local && s->n_posted == 0;
}
