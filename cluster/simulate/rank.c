/* A rank's thread: pipeline_tick.c, pipeline_slot.c and pipeline_serve.c in simulated time. */
#include "cluster/simulate/world.h"

void df_rank_begin(df_world *w, int rank, df_phase phase, int slot, int segment, double seconds) {
    df_sim_rank *r = &w->ranks[rank];
    r->phase = phase;
    r->since = w->now;
    r->slot = slot;
    r->segment = segment;
    if (phase == DF_PHASE_IDLE) return;
    if (!df_agenda_add(&w->work, w->worked + seconds, 0, rank, 0)) w->failed = true;
}

void df_rank_start_slot(df_world *w, int rank, int slot) {
    const df_pipesim_program *p = df_world_program(w, slot);
    const df_sim_batch *b = &w->batches[slot];
    const df_routes *routes = &w->routes[b->component];
    df_sim_rank *r = &w->ranks[rank];
    r->turns[slot] = (df_turn) { .runs = true, .seq = b->seq, .program = b->component, .n = routes->n_local[rank] };
    r->n_posted[slot] = routes->n_received[rank];
    for (int i = 0; i < r->turns[slot].n; i++)
        r->missing[slot][i] = routes->needs[routes->segment_at[rank * p->n_segments + i]];
    for (int e = 0; e < p->n_edges; e++)
        if (df_message_of(w, slot, e)->to == rank) df_message_expect(w, slot, e);
}

static int segment_of(const df_world *w, int rank, int slot, int local) {
    const df_sim_batch *b = &w->batches[slot];
    return w->routes[b->component].segment_at[rank * df_world_program(w, slot)->n_segments + local];
}

static bool is_finished(const df_sim_rank *r, int slot) {
    const df_turn *t = &r->turns[slot];
    return t->runs && t->next == t->n && r->n_posted[slot] == 0;
}

/* One command at most, as its receive is posted anew after each. */
static bool take_command(df_world *w, int rank, double *cost) {
    df_sim_rank *r = &w->ranks[rank];
    if (!r->commands.n) return false;
    int slot = df_tray_take(&r->commands);
    df_rank_start_slot(w, rank, slot);
    *cost += w->costs->thread.message * (1 + w->routes[w->batches[slot].component].n_received[rank]);
    return true;
}

static bool report_ends(df_world *w, int rank, double *cost) {
    df_sim_rank *r = &w->ranks[rank];
    bool moved = false;
    for (int s = 0; s < w->n_slots; s++) {
        if (!is_finished(r, s)) continue;
        r->turns[s].runs = false;
        df_world_add(w, df_world_hop(w, rank, 0)->latency_seconds, DF_EVENT_STATUS, rank, s);
        *cost += w->costs->thread.message;
        moved = true;
    }
    return moved;
}

static bool take_statuses(df_world *w, double *cost) {
    bool moved = false;
    for (int r = 1; r < w->n_ranks; r++) {
        if (!w->statuses[r].n) continue;
        w->batches[df_tray_take(&w->statuses[r])].n_ended++;
        *cost += w->costs->thread.message;
        moved = true;
    }
    return moved;
}

static bool note_done(df_world *w) {
    df_sim_rank *r = &w->ranks[0];
    bool moved = false;
    for (int s = 0; s < w->n_slots; s++) {
        if (!is_finished(r, s) || w->batches[s].n_ended < w->n_ranks - 1) continue;
        r->turns[s].runs = false;
        w->batches[s].is_done = moved = true;
    }
    return moved;
}

static void receive(df_world *w, df_sim_rank *r, const df_message *m, double *cost) {
    const df_pipesim_program *p = df_world_program(w, m->slot);
    int to = p->edges[m->edge].to_segment;
    r->n_posted[m->slot]--;
    if (to < p->n_segments) r->missing[m->slot][w->routes[w->batches[m->slot].component].local_of[to]]--;
    *cost += w->costs->thread.message + m->bytes * w->costs->thread.byte;
    df_spans_add_message(w, m->to, m);
}

static bool look(df_world *w, int rank, double *cost) {
    df_sim_rank *r = &w->ranks[rank];
    int n = r->n_news;
    for (int i = 0; i < n; i++) {
        df_message *m = &w->messages[r->news[i]];
        if (rank == m->from) {
            r->n_posted[m->slot]--;
            df_spans_add_message(w, rank, m);
        } else if (m->state == DF_MESSAGE_THERE)
            receive(w, r, m, cost);
        else
            df_message_look(w, m);
    }
    /* What comes of looking comes later: a message that moves at once is an event as well. */
    r->n_news = 0;
    return n > 0;
}

static bool has_arrived(const void *ctx, int slot) {
    const df_sim_rank *r = ctx;
    return r->missing[slot][r->turns[slot].next] == 0;
}

/* df_pipeline_tick: the thread looks, then runs a segment. */
static void tick(df_world *w, int rank) {
    df_sim_rank *r = &w->ranks[rank];
    double cost = 0;
    bool moved = rank ? take_command(w, rank, &cost) : take_statuses(w, &cost);
    moved |= rank ? report_ends(w, rank, &cost) : note_done(w);
    moved |= look(w, rank, &cost);
    int slot = df_turn_next(r->turns, w->n_slots, has_arrived, r);
    int segment = slot < 0 ? -1 : segment_of(w, rank, slot, r->turns[slot].next);
    df_rank_begin(w, rank, moved || slot >= 0 ? DF_PHASE_LOOK : DF_PHASE_IDLE, slot, segment, cost);
}

static void go_on(df_world *w, int rank) {
    if (rank == 0 && df_rows_next(w)) return;
    tick(w, rank);
}

static void compute(df_world *w, int rank, int slot, int segment) {
    const df_pipesim_segment *s = &df_world_program(w, slot)->segments[segment];
    int64_t n = df_pipesim_rows(w->costs, rank, w->batches[slot].n_model_rows);
    double seconds = n ? s->seconds + s->row_seconds * (double)n : 0;
    df_rank_begin(w, rank, DF_PHASE_COMPUTE, slot, segment, seconds / (w->cfg->speed ? w->cfg->speed[rank] : 1));
}

static void begin_sending(df_world *w, int rank, int slot, int segment) {
    const df_pipesim_program *p = df_world_program(w, slot);
    int n = segment < 0 ? w->n_ranks - 1 + w->routes[w->batches[slot].component].n_received[0] : 0;
    for (int e = 0; e < p->n_edges; e++) n += p->edges[e].from_segment == segment;
    df_rank_begin(w, rank, DF_PHASE_SEND, slot, segment, n * w->costs->thread.message);
}

static void post_sends(df_world *w, int rank, int slot, int segment) {
    const df_pipesim_program *p = df_world_program(w, slot);
    for (int e = 0; e < p->n_edges; e++) {
        if (p->edges[e].from_segment != segment) continue;
        w->ranks[rank].n_posted[slot]++;
        df_message_post(w, slot, e);
    }
    for (int to = 1; to < w->n_ranks && segment < 0; to++)
        df_world_add(w, df_world_hop(w, 0, to)->latency_seconds, DF_EVENT_COMMAND, to, slot);
}

static void trace_phase(df_world *w, int rank) {
    static const df_span_kind kinds[] = {
        [DF_PHASE_IDLE] = DF_SPAN_WAIT, [DF_PHASE_LOOK] = DF_SPAN_RECEIVE,   [DF_PHASE_COMPUTE] = DF_SPAN_COMPUTE,
        [DF_PHASE_SEND] = DF_SPAN_SEND, [DF_PHASE_PREPARE] = DF_SPAN_SAMPLE, [DF_PHASE_FINISH] = DF_SPAN_SAMPLE,
    };
    const df_sim_rank *r = &w->ranks[rank];
    bool of_a_command = r->phase == DF_PHASE_COMPUTE || r->phase == DF_PHASE_SEND;
    df_spans_add(w, rank, kinds[r->phase], of_a_command ? r->slot : -1, r->segment, r->since, w->now);
}

void df_rank_end_phase(df_world *w, int rank) {
    df_sim_rank *r = &w->ranks[rank];
    int slot = r->slot, segment = r->segment;
    trace_phase(w, rank);
    switch (r->phase) {
    case DF_PHASE_LOOK:
        if (slot >= 0) {
            compute(w, rank, slot, segment);
            return;
        }
        break;
    case DF_PHASE_COMPUTE:
        r->turns[slot].next++;
        begin_sending(w, rank, slot, segment);
        return;
    case DF_PHASE_SEND: post_sends(w, rank, slot, segment); break;
    case DF_PHASE_PREPARE:
        df_rows_prepared(w, slot);
        df_rank_start_slot(w, 0, slot);
        begin_sending(w, 0, slot, -1);
        return;
    case DF_PHASE_FINISH: df_rows_finished(w, slot); break;
    case DF_PHASE_IDLE: break;
    }
    go_on(w, rank);
}

void df_rank_wake(df_world *w, int rank) {
    if (w->ranks[rank].phase != DF_PHASE_IDLE) return;
    trace_phase(w, rank);
    df_rank_begin(w, rank, DF_PHASE_LOOK, -1, -1, 0);
}
