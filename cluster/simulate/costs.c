#include "cluster/simulate/costs.h"

#include <math.h>
#include <stdlib.h>

#include "cluster/program.h"

enum { MOST_SEGMENTS = 4096 };

void df_pipesim_costs_free(df_pipesim_costs *c) {
    for (int i = 0; i < DF_COMPONENT_COUNT; i++) {
        free(c->program[i].segments);
        free(c->program[i].edges);
    }
    free(c->memory_bytes);
    *c = (df_pipesim_costs) { 0 };
}

static void take_segments(df_pipesim_program *out, const df_component_plan *c, int half) {
    const df_cut *cut = c->cut;
    for (int i = 0; i < cut->n_segments; i++) {
        df_pipesim_segment *s = &out->segments[out->n_segments++];
        s->rank = half * cut->n_stages + cut->segments[i].stage;
        for (int n = cut->segments[i].first_node; n < cut->segments[i].end_node; n++)
            s->row_seconds += c->cost.node_seconds[n];
    }
}

/* Segments of the second half come behind those of the first. */
static void take_edges(df_pipesim_program *out, const df_component_plan *c, const df_crossing *crossings, int n,
                       df_dtype dtype) {
    for (int i = 0; i < n; i++) {
        const df_crossing *x = &crossings[i];
        const df_value *v = &c->graph->values[x->value];
        int before = x->half * c->cut->n_segments;
        bool is_output = x->to_segment == c->cut->n_segments;
        out->edges[out->n_edges++] = (df_pipesim_edge) {
            .from_segment = x->from_segment < 0 ? -1 : before + x->from_segment,
            .to_segment = is_output ? out->n_segments : before + x->to_segment,
            .row_bytes = (double)df_dtype_bytes(df_value_held_as(v, dtype)) * (double)df_shape_elements(v->shape),
        };
    }
}

static df_code take_program(df_pipesim_program *out, const df_component_plan *c, int n_halves, df_dtype dtype,
                            df_err *err) {
    df_crossing *crossings = NULL;
    int n = 0;
    df_code rc = df_crossings_list(&crossings, &n, c->graph, c->cut, n_halves, err);
    if (rc) return rc;
    out->segments = calloc((size_t)n_halves * (size_t)c->cut->n_segments + 1, sizeof *out->segments);
    out->edges = calloc((size_t)n + 1, sizeof *out->edges);
    if (out->segments && out->edges) {
        for (int half = 0; half < n_halves; half++) take_segments(out, c, half);
        take_edges(out, c, crossings, n, dtype);
    } else {
        rc = df_err_set(err, DF_ENOMEM, "costs of %d segments", c->cut->n_segments);
    }
    free(crossings);
    return rc;
}

df_code df_pipesim_costs_of_plan(df_pipesim_costs *out, const df_model_plan *plan, int n_halves, df_dtype dtype,
                                 df_err *err) {
    df_pipesim_costs c = { .n_ranks = n_halves * plan->n_ranks, .n_halves = n_halves };
    df_code rc = (c.memory_bytes = calloc((size_t)c.n_ranks, sizeof *c.memory_bytes))
                     ? DF_OK
                     : df_err_set(err, DF_ENOMEM, "costs of %d ranks", c.n_ranks);
    for (int r = 0; r < c.n_ranks && !rc; r++) c.memory_bytes[r] = plan->memory_bytes[r % plan->n_ranks];
    for (int i = 0; i < DF_COMPONENT_COUNT && !rc; i++)
        if (plan->component[i].cut) rc = take_program(&c.program[i], &plan->component[i], n_halves, dtype, err);
    if (rc)
        df_pipesim_costs_free(&c);
    else
        *out = c;
    return rc;
}

int df_pipesim_from_rank(const df_pipesim_program *p, const df_pipesim_edge *e) {
    return e->from_segment < 0 ? 0 : p->segments[e->from_segment].rank;
}

int df_pipesim_to_rank(const df_pipesim_program *p, const df_pipesim_edge *e) {
    return e->to_segment == p->n_segments ? 0 : p->segments[e->to_segment].rank;
}

int64_t df_pipesim_rows(const df_pipesim_costs *c, int rank, int64_t n) {
    int64_t rows[DF_MOST_HALVES];
    if (c->n_halves < 2) return n;
    df_halves_split(rows, c->n_halves, n);
    return rows[rank / (c->n_ranks / c->n_halves)];
}

static bool is_time(double seconds) {
    return isfinite(seconds) && seconds >= 0;
}

static df_code check_size(const df_pipesim_program *p, int component, df_err *err) {
    if (p->n_segments <= MOST_SEGMENTS && p->n_edges <= DF_PROGRAM_MAX_EDGES) return DF_OK;
    return df_err_set(err, DF_EINVAL, "%s: %d segments and %d edges: up to %d and %d are possible",
                      df_component_name((df_component)component), p->n_segments, p->n_edges, MOST_SEGMENTS,
                      DF_PROGRAM_MAX_EDGES);
}

static df_code check_segment(const df_pipesim_costs *c, int component, int i, df_err *err) {
    const df_pipesim_segment *s = &c->program[component].segments[i];
    const char *name = df_component_name((df_component)component);
    if (s->rank < 0 || s->rank >= c->n_ranks)
        return df_err_set(err, DF_EINVAL, "%s, segment %d: rank %d, there are ranks 0 to %d", name, i, s->rank,
                          c->n_ranks - 1);
    if (!is_time(s->seconds) || !is_time(s->row_seconds))
        return df_err_set(err, DF_EINVAL, "%s, segment %d: %g s and %g s a row: times must be 0 or more", name, i,
                          s->seconds, s->row_seconds);
    return DF_OK;
}

static df_code check_edge(const df_pipesim_costs *c, int component, int i, df_err *err) {
    const df_pipesim_program *p = &c->program[component];
    const df_pipesim_edge *e = &p->edges[i];
    const char *name = df_component_name((df_component)component);
    if (e->from_segment < -1 || e->from_segment >= e->to_segment || e->to_segment > p->n_segments)
        return df_err_set(
            err, DF_EINVAL,
            "%s, edge %d: from segment %d to %d: it must lead forward, from -1 (an input) or a segment to "
            "a segment or %d (an output)",
            name, i, e->from_segment, e->to_segment, p->n_segments);
    int from = df_pipesim_from_rank(p, e);
    if (from == df_pipesim_to_rank(p, e))
        return df_err_set(err, DF_EINVAL, "%s, edge %d: from segment %d to %d: both are on rank %d", name, i,
                          e->from_segment, e->to_segment, from);
    if (!is_time(e->row_bytes)) return df_err_set(err, DF_EINVAL, "%s, edge %d: %g bytes a row", name, i, e->row_bytes);
    return DF_OK;
}

df_code df_pipesim_costs_check(const df_pipesim_costs *c, df_err *err) {
    df_code rc = DF_OK;
    if (c->n_ranks < 1 || c->n_ranks > DF_PIPESIM_MOST_RANKS)
        return df_err_set(err, DF_EINVAL, "%d ranks: 1 to %d are possible", c->n_ranks, DF_PIPESIM_MOST_RANKS);
    if (c->n_halves < 0 || c->n_halves > DF_MOST_HALVES || (c->n_halves == 2 && c->n_ranks % 2))
        return df_err_set(err, DF_EINVAL, "%d ranks in %d halves: two halves of equally many are possible", c->n_ranks,
                          c->n_halves);
    if (!c->program[DF_DENOISER].n_segments)
        return df_err_set(err, DF_EINVAL, "no segments of the %s: it makes the steps", df_component_name(DF_DENOISER));
    const df_pipesim_thread *t = &c->thread;
    if (!is_time(t->prepare_row) || !is_time(t->finish_row) || !is_time(t->message) || !is_time(t->byte))
        return df_err_set(err, DF_EINVAL, "thread: %g, %g, %g and %g s: times must be 0 or more", t->prepare_row,
                          t->finish_row, t->message, t->byte);
    for (int k = 0; k < DF_COMPONENT_COUNT && !rc; k++) {
        rc = check_size(&c->program[k], k, err);
        for (int i = 0; i < c->program[k].n_segments && !rc; i++) rc = check_segment(c, k, i, err);
        for (int i = 0; i < c->program[k].n_edges && !rc; i++) rc = check_edge(c, k, i, err);
    }
    return rc;
}
