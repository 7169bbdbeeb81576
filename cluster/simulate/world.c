/* The moment, and what happens next. */
#include "cluster/simulate/world.h"

#include <math.h>
#include <stdlib.h>

bool df_tray_open(df_tray *t, int room) {
    *t = (df_tray) { .of = calloc((size_t)room, sizeof *t->of), .room = room };
    return t->of != NULL;
}

void df_tray_close(df_tray *t) {
    free(t->of);
    t->of = NULL;
}

void df_tray_put(df_tray *t, int x) {
    t->of[(t->first + t->n++) % t->room] = x;
}

int df_tray_take(df_tray *t) {
    int x = t->of[t->first];
    t->first = (t->first + 1) % t->room;
    t->n--;
    return x;
}

const df_pipesim_program *df_world_program(const df_world *w, int slot) {
    return &w->costs->program[w->batches[slot].component];
}

const df_hop *df_world_hop(const df_world *w, int from, int to) {
    static const df_hop at_once = { 0, INFINITY };
    return w->cfg->hops ? df_hops_between(w->cfg->hops, from, to) : &at_once;
}

void df_world_add(df_world *w, double after, int kind, int rank, int what) {
    if (!df_agenda_add(&w->agenda, w->now + after, kind, rank, what)) w->failed = true;
}

static void find_routes(df_routes *r, const df_pipesim_program *p) {
    for (int i = 0; i < p->n_segments; i++) {
        int rank = p->segments[i].rank;
        r->local_of[i] = r->n_local[rank];
        r->segment_at[rank * p->n_segments + r->n_local[rank]++] = i;
    }
    for (int e = 0; e < p->n_edges; e++) {
        r->n_received[df_pipesim_to_rank(p, &p->edges[e])]++;
        if (p->edges[e].to_segment < p->n_segments) r->needs[p->edges[e].to_segment]++;
    }
}

static bool open_routes(df_routes *r, const df_pipesim_program *p, int n_ranks) {
    size_t ranks = (size_t)n_ranks, segments = (size_t)p->n_segments + 1;
    if (!(r->local_of = calloc(segments, sizeof *r->local_of)) || !(r->n_local = calloc(ranks, sizeof *r->n_local)) ||
        !(r->n_received = calloc(ranks, sizeof *r->n_received)) || !(r->needs = calloc(segments, sizeof *r->needs)) ||
        !(r->segment_at = calloc(ranks * segments, sizeof *r->segment_at)))
        return false;
    find_routes(r, p);
    return true;
}

/* Segments of a rank in the program that has most of them there. */
static int most_local(const df_world *w, int rank) {
    int most = 1;
    for (int c = 0; c < DF_COMPONENT_COUNT; c++)
        if (w->routes[c].n_local[rank] > most) most = w->routes[c].n_local[rank];
    return most;
}

static bool open_rank(const df_world *w, int rank) {
    df_sim_rank *r = &w->ranks[rank];
    size_t n = (size_t)w->n_slots, locals = (size_t)most_local(w, rank);
    if (!(r->turns = calloc(n, sizeof *r->turns)) || !(r->n_posted = calloc(n, sizeof *r->n_posted)) ||
        !(r->missing = calloc(n, sizeof *r->missing)) || !df_tray_open(&r->commands, w->n_slots))
        return false;
    for (size_t s = 0; s < n; s++)
        if (!(r->missing[s] = calloc(locals, sizeof *r->missing[s]))) return false;
    return true;
}

static bool open_rows(df_world *w) {
    size_t places = (size_t)w->n_slots * (size_t)w->cfg->micro_batch, n = (size_t)w->n_slots;
    if (!(w->rows = calloc(places, sizeof *w->rows)) || !(w->order = calloc(places, sizeof *w->order)) ||
        !(w->latencies = calloc((size_t)w->cfg->n_rows, sizeof *w->latencies)) ||
        !(w->batches = calloc(n, sizeof *w->batches)))
        return false;
    for (size_t i = 0; i < places; i++) w->order[i] = (int)i;
    for (size_t s = 0; s < n; s++)
        if (!(w->batches[s].rows = calloc(2 * (size_t)w->cfg->micro_batch, sizeof *w->batches[s].rows))) return false;
    return true;
}

static bool open_all(df_world *w) {
    size_t ranks = (size_t)w->n_ranks;
    for (int c = 0; c < DF_COMPONENT_COUNT; c++) {
        const df_pipesim_program *p = &w->costs->program[c];
        if (!open_routes(&w->routes[c], p, w->n_ranks)) return false;
        if (p->n_edges > w->most_edges) w->most_edges = p->n_edges;
        if (c < DF_DENOISER && p->n_segments) w->encoders |= 1u << c;
    }
    if (!(w->messages = calloc((size_t)w->n_slots * (size_t)w->most_edges + 1, sizeof *w->messages)) ||
        !(w->ranks = calloc(ranks, sizeof *w->ranks)) || !(w->statuses = calloc(ranks, sizeof *w->statuses)) ||
        !(w->out_busy = calloc(ranks, sizeof *w->out_busy)) || !(w->in_busy = calloc(ranks, sizeof *w->in_busy)))
        return false;
    for (int r = 0; r < w->n_ranks; r++)
        if (!open_rank(w, r) || !df_tray_open(&w->statuses[r], w->n_slots)) return false;
    return open_rows(w);
}

df_code df_world_open(df_world *w, const df_pipesim_cfg *cfg, df_err *err) {
    *w = (df_world) { .cfg = cfg, .costs = cfg->costs, .n_ranks = cfg->costs->n_ranks, .n_slots = cfg->n_slots };
    if (!open_all(w)) return df_err_set(err, DF_ENOMEM, "simulation of %d ranks and %d slots", w->n_ranks, w->n_slots);
    if (cfg->rows_per_step < 2) w->common.text_started = w->common.text_done = w->encoders;
    return DF_OK;
}

static void close_rank(df_world *w, df_sim_rank *r) {
    for (int s = 0; r->missing && s < w->n_slots; s++) free(r->missing[s]);
    free(r->missing);
    free(r->turns);
    free(r->n_posted);
    free(r->news);
    free(r->spans);
    df_tray_close(&r->commands);
}

void df_world_close(df_world *w) {
    for (int r = 0; w->ranks && r < w->n_ranks; r++) close_rank(w, &w->ranks[r]);
    for (int r = 0; w->statuses && r < w->n_ranks; r++) df_tray_close(&w->statuses[r]);
    for (int s = 0; w->batches && s < w->n_slots; s++) free(w->batches[s].rows);
    for (int c = 0; c < DF_COMPONENT_COUNT; c++) {
        free(w->routes[c].local_of);
        free(w->routes[c].n_local);
        free(w->routes[c].n_received);
        free(w->routes[c].needs);
        free(w->routes[c].segment_at);
    }
    df_agenda_free(&w->agenda);
    df_agenda_free(&w->work);
    free(w->ranks);
    free(w->messages);
    free(w->queue);
    free(w->out_busy);
    free(w->in_busy);
    free(w->statuses);
    free(w->batches);
    free(w->rows);
    free(w->order);
    free(w->latencies);
    free(w->done);
}

static void happen(df_world *w, const df_agenda_item *e) {
    switch (e->kind) {
    case DF_EVENT_PORTS_FREE: df_ports_free(w, e->what); break;
    case DF_EVENT_ARRIVES: df_message_arrive(w, e->what); break;
    case DF_EVENT_ANNOUNCED: df_message_announce(w, e->what); break;
    case DF_EVENT_COMMAND:
        df_tray_put(&w->ranks[e->rank].commands, e->what);
        df_rank_wake(w, e->rank);
        break;
    default:
        df_tray_put(&w->statuses[e->rank], e->what);
        df_rank_wake(w, 0);
        break;
    }
}

/* What each rank that computes gets of a core. */
static double pace(const df_world *w) {
    double cores = w->cfg->cores;
    return cores > 0 && w->work.n > cores ? cores / w->work.n : 1;
}

/* False: nothing will happen any more. */
static bool happen_next(df_world *w) {
    const df_agenda_item *event = df_agenda_first(&w->agenda), *end = df_agenda_first(&w->work);
    double ends_at = end ? w->now + fmax(0, end->at - w->worked) / pace(w) : INFINITY;
    if (!event && !end) return false;
    if (end && (!event || ends_at <= event->at)) {
        w->now = ends_at;
        w->worked = fmax(w->worked, end->at);
        df_rank_end_phase(w, df_agenda_take(&w->work).rank);
        return true;
    }
    w->worked += (event->at - w->now) * (end ? pace(w) : 0);
    w->now = event->at;
    const df_agenda_item now = df_agenda_take(&w->agenda);
    happen(w, &now);
    return true;
}

df_code df_world_run(df_world *w, df_err *err) {
    df_rows_enter(w);
    for (int r = 0; r < w->n_ranks; r++) df_rank_wake(w, r);
    while (w->n_left < w->cfg->n_rows && !w->failed) {
        if (!happen_next(w))
            return df_err_set(err, DF_EINTERNAL, "simulation: nothing moves after %g s, %d of %d pictures are done",
                              w->now, w->n_left, w->cfg->n_rows);
        if (w->n_spans > DF_PIPESIM_MOST_SPANS)
            return df_err_set(
                err, DF_ELIMIT,
                "simulation: more than %d spans after %g s, %d of %d pictures are done: fewer pictures or "
                "steps are enough",
                DF_PIPESIM_MOST_SPANS, w->now, w->n_left, w->cfg->n_rows);
    }
    return w->failed ? df_err_set(err, DF_ENOMEM, "simulation after %g s", w->now) : DF_OK;
}
